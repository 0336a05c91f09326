// A device with scripted adaptors, and what its observer heard.
#ifndef FRACTOS_TESTS_UNIT_DAEMON_DEVICE_DEVICE_HARNESS_H_
#define FRACTOS_TESTS_UNIT_DAEMON_DEVICE_DEVICE_HARNESS_H_

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "daemon/device/device.h"
#include "lib/base/random.h"
#include "lib/memory/memory_store.h"
#include "tests/unit/daemon/device/scripted_adaptor.h"

namespace fractos {

inline constexpr Duration kLong = std::chrono::seconds(30);
// Only ever waited out by a test that fails.
inline constexpr absl::Duration kPatience = absl::Seconds(20);

// What the observer of a device heard.
class Recorder final : public DeviceObserver {
 public:
  void OnExecuted(std::vector<Executed> executed) override {
    absl::MutexLock lock(&mutex_);
    for (Executed& one : executed) executed_.push_back(std::move(one));
  }
  void OnDescribed(const DeviceDescription& description) override {
    absl::MutexLock lock(&mutex_);
    described_.push_back(description.device);
  }
  void OnDown(const absl::Status& why) override {
    absl::MutexLock lock(&mutex_);
    down_.push_back(why);
  }

  Outcome Await(Ticket ticket) {
    absl::MutexLock lock(&mutex_);
    Outcome found{Outcome::Failed{{"NeverAnswered", ""}, false}};
    auto there = [this, ticket, &found]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
      for (const Executed& one : executed_) {
        if (one.ticket != ticket) continue;
        found = one.outcome;
        return true;
      }
      return false;
    };
    mutex_.AwaitWithTimeout(absl::Condition(&there), kPatience);
    return found;
  }
  absl::Status AwaitDown() {
    absl::MutexLock lock(&mutex_);
    auto there = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return !down_.empty(); };
    if (!mutex_.AwaitWithTimeout(absl::Condition(&there), kPatience)) return absl::OkStatus();
    return down_.front();
  }
  std::vector<Ticket> answered() const {
    absl::MutexLock lock(&mutex_);
    std::vector<Ticket> tickets;
    for (const Executed& one : executed_) tickets.push_back(one.ticket);
    return tickets;
  }
  size_t downs() const {
    absl::MutexLock lock(&mutex_);
    return down_.size();
  }

 private:
  mutable absl::Mutex mutex_;
  std::vector<Executed> executed_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> described_ ABSL_GUARDED_BY(mutex_);
  std::vector<absl::Status> down_ ABSL_GUARDED_BY(mutex_);
};

// A device whose adaptors are scripts.
class DeviceTest : public ::testing::Test {
 protected:
  DeviceTest() : self_{{"default/scripted", 0}, random_.NewId<BootId>()} {}

  void Start(std::vector<testing::Script> scripts) {
    launcher_ = std::make_unique<testing::ScriptLauncher>(std::move(scripts));
    device_ = std::make_unique<Device>(options_, launcher_.get(), &store_, &clock_, &recorder_);
    device_->Start();
  }
  // A device whose first adaptor does `misbehave` after its description, and every later one
  // echoes.
  void StartThenEcho(testing::Script misbehave) {
    Start({[misbehave](testing::AdaptorEnd& end) {
             if (end.Describe()) misbehave(end);
           },
           [](testing::AdaptorEnd& end) {
             if (end.Describe()) end.EchoForever();
           }});
  }
  void StartEcho() {
    Start({[](testing::AdaptorEnd& end) {
      if (end.Describe()) end.EchoForever();
    }});
  }

  NamedValue Inline(const std::string& bytes) {
    Value value = store_.StageInline(bytes).value();
    return {"data", value, false};
  }
  Ticket Execute(std::vector<NamedValue> inputs, Duration timeout = kLong,
                 std::optional<WhenSpec> when = std::nullopt) {
    auto step = std::make_shared<Step>();
    step->path = "step";
    step->cluster = "default/scripted";
    step->operation = "work";
    step->when = std::move(when);
    fractos::Execute execution;
    execution.attempt.step = "step";
    execution.step = step;
    execution.inputs = std::move(inputs);
    execution.timeout = timeout;
    device_->Execute(++tickets_, std::move(execution));
    return tickets_;
  }
  Outcome Run(std::vector<NamedValue> inputs, Duration timeout = kLong) {
    Ticket ticket = Execute(std::move(inputs), timeout);
    device_->Settle();
    return recorder_.Await(ticket);
  }
  std::string BytesOf(const Outcome& outcome) {
    const auto* produced = std::get_if<Outcome::Produced>(&outcome.what);
    if (produced == nullptr) return absl::StrCat("no value: ", ReasonOf(outcome));
    return std::string(store_.Get(produced->value.object).value()->view());
  }
  static std::string ReasonOf(const Outcome& outcome) {
    const auto* failed = std::get_if<Outcome::Failed>(&outcome.what);
    return failed == nullptr ? "" : failed->failure.reason;
  }
  static std::string MessageOf(const Outcome& outcome) {
    const auto* failed = std::get_if<Outcome::Failed>(&outcome.what);
    return failed == nullptr ? "" : failed->failure.message;
  }
  static bool IsRetryable(const Outcome& outcome) {
    const auto* failed = std::get_if<Outcome::Failed>(&outcome.what);
    return failed != nullptr && failed->retryable;
  }
  // The reason `misbehave` gets its execution; and that the device then serves the next one, by the
  // same adaptor or a new one.
  std::string ReasonFor(std::function<void(testing::AdaptorEnd&, uint64_t id)> misbehave,
                        bool same_adaptor = false) {
    StartThenEcho([misbehave](testing::AdaptorEnd& end) {
      std::optional<v1::Execute> execute = end.ReceiveExecute();
      if (!execute.has_value()) return;
      misbehave(end, execute->id());
      end.EchoForever();
    });
    Outcome outcome = Run({Inline("x")});
    EXPECT_EQ(BytesOf(Run({Inline("next")})), "next");
    EXPECT_EQ(launcher_->launches(), same_adaptor ? 1 : 2);
    return ReasonOf(outcome);
  }

  SystemRandom random_;
  SystemClock clock_;
  Incarnation self_;
  MemoryStore store_{self_, 16 << 20, &random_};
  Device::Options options_;
  Recorder recorder_;
  std::unique_ptr<testing::ScriptLauncher> launcher_;
  Ticket tickets_ = 0;
  std::unique_ptr<Device> device_;
};

}  // namespace fractos

#endif  // FRACTOS_TESTS_UNIT_DAEMON_DEVICE_DEVICE_HARNESS_H_
