// One driver core with a clock of its own; daemons and the store exist only as what it says to
// them.
#ifndef FRACTOS_TESTS_UNIT_LIB_DRIVER_CORE_RUN_CORE_HARNESS_H_
#define FRACTOS_TESTS_UNIT_LIB_DRIVER_CORE_RUN_CORE_HARNESS_H_

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "lib/base/limits.h"
#include "lib/driver/core/run_core.h"
#include "tests/unit/lib/protocol/builders.h"

namespace fractos {

inline const RunId kRun = NamedId<RunId>("run");
inline const Incarnation kDriver = {Address::Driver("test"), NamedId<BootId>("driver")};
inline const Incarnation kA = Replica("default/a");
inline const Incarnation kB = Replica("default/b");
inline const Incarnation kB1 = Replica("default/b", 1);  // the other replica

class RunCoreTest : public ::testing::Test {
 protected:
  // read (a) -> classify (b) -> write (a), unless the test says otherwise.
  RunCoreTest() {
    plan_.name = "graph";
    plan_.steps = {NewStep("read"), NewStep("classify", {"read"}, "default/b"),
                   NewStep("write", {"classify"})};
    plan_.clusters = {"default/a", "default/b"};
    plan_.deadline = std::chrono::seconds(60);
    record_.run = kRun;
    record_.name = "graph";
  }

  // Starts on `record_`, without a link.
  void Start() {
    std::vector<ClusterView> views;
    for (const std::string& cluster : plan_.clusters) {
      views.push_back({cluster, {"unix:/0", "unix:/1"}, 0, 0});
    }
    RunCore::Options options;
    options.self = kDriver;
    options.traceparent = traceparent_;
    core_ = std::make_unique<RunCore>(options, plan_, record_, std::move(views));
    Begin();
    core_->Start(now_, &actions_);
  }
  // Starts, with both leaders up and the first write acknowledged.
  void Run() {
    Start();
    Written();
    Up(kA);
    Up(kB);
  }
  // Starts, without a link, on what another driver left that had recorded these.
  void Resume(const std::vector<ResultPtr>& recorded, RunPhase phase = RunPhase::kRunning) {
    record_.phase = phase;
    record_.redrive = 1;
    record_.steps.clear();
    for (const ResultPtr& result : recorded) record_.steps[result->path] = result;
    Start();
  }
  void Begin() { actions_.clear(); }
  void Up(const Incarnation& peer, uint64_t epoch = 1) {
    Begin();
    core_->LinkUp(now_, peer, epoch, &actions_);
  }
  void Down(const Incarnation& peer) {
    Begin();
    core_->LinkDown(now_, peer.address, &actions_);
  }
  void Written(const absl::Status& status = absl::OkStatus()) {
    Begin();
    core_->Written(now_, status, &actions_);
  }
  void Pulled(const StepPath& step, absl::StatusOr<Value> value) {
    Begin();
    core_->Pulled(now_, step, std::move(value), &actions_);
  }
  void Receive(const Incarnation& from, Message message) {
    Begin();
    core_->Receive(now_, from, std::move(message), &actions_);
  }
  void ReportFrom(const Incarnation& from, std::vector<ResultPtr> results) {
    Receive(from, Report{kRun, core_->record().redrive, std::move(results), {}, {}});
  }
  void Advance(Duration by) {
    Begin();
    now_ += std::chrono::duration_cast<Time::duration>(by);
    core_->Tick(now_, &actions_);
  }
  // The write that waits for nobody is due.
  void LetWrite() { Advance(std::chrono::seconds(1)); }
  // Reports `results`, up to where they are durable.
  void Record(const std::vector<ResultPtr>& results) {
    ReportFrom(kA, results);
    LetWrite();
    Written();
  }
  // Somebody who held nothing died: everybody is asked.
  void Probe() {
    Up(kB1, 0);
    Down(kB1);
    Advance(kHoldWindow);
    ASSERT_EQ(Sent<Query>().size(), 4u);
  }
  void Hold(const Incarnation& from, uint64_t redrive, std::vector<HeldAttempt> attempts = {},
            std::vector<EdgeKey> holds = {}, std::vector<ObjectId> values = {}) {
    Receive(from,
            Holding{kRun, redrive, std::move(attempts), std::move(holds), {}, std::move(values)});
  }

  // A step that may refine to default/a's multiply, of which the plan says from now on what it is.
  std::shared_ptr<Step> NewRefiningStep(StepPath path, const std::vector<StepPath>& from = {},
                                        std::string cluster = "default/a") {
    plan_.signatures = {MultiplyOf("default/a")};
    std::shared_ptr<Step> step = NewStep(std::move(path), from, std::move(cluster));
    step->refines_to = {plan_.signatures[0].Key()};
    return step;
  }

  StepPtr StepOf(const StepPath& path) const {
    for (const auto* list : {&plan_.steps, &plan_.on_failure}) {
      for (const StepPtr& step : *list) {
        if (step->path == path) return step;
      }
    }
    ADD_FAILURE() << "no step " << path;
    return NewStep(path);
  }
  // What the plan's step `path` gave on `inputs`; the small value is inline.
  ResultPtr Given(const StepPath& path, std::string bytes, const std::vector<ResultPtr>& inputs,
                  ResultState state = ResultState::kSucceeded) const {
    const Step& step = *StepOf(path);
    return NewResult(kRun, step, inputs, InlineValue(std::move(bytes), Replica(step.cluster)),
                     state);
  }
  ResultPtr GivenLarge(const StepPath& path, std::string bytes,
                       const std::vector<ResultPtr>& inputs) const {
    auto result = std::make_shared<StepResult>(*Given(path, std::move(bytes), inputs));
    result->value.inline_bytes = nullptr;
    return result;
  }
  ResultPtr GivenFailure(const StepPath& path, const std::vector<ResultPtr>& inputs) const {
    auto result = std::make_shared<StepResult>(*Given(path, "", inputs, ResultState::kFailed));
    result->value = Value();
    result->executor = Replica(StepOf(path)->cluster);
    result->failure = {"Broken", "it \"broke\""};
    return result;
  }

  template <typename T>
  std::vector<T> All() const {
    std::vector<T> all;
    for (const DriverAction& action : actions_) {
      if (const T* one = std::get_if<T>(&action)) all.push_back(*one);
    }
    return all;
  }
  // What was sent of one kind; to one replica, if given.
  template <typename M>
  std::vector<M> Sent(const Address& to = {}) const {
    std::vector<M> sent;
    for (const Send& send : All<Send>()) {
      if (!to.IsNone() && send.to != to) continue;
      if (const M* one = std::get_if<M>(&send.message)) sent.push_back(*one);
    }
    return sent;
  }
  bool HandsOverTo(const StepPath& step) const {
    for (const HandOver& message : Sent<HandOver>()) {
      if (message.step().path == step) return true;
    }
    return false;
  }
  HandOver SentTo(const StepPath& step) const {
    for (const HandOver& message : Sent<HandOver>()) {
      if (message.step().path == step) return message;
    }
    ADD_FAILURE() << "nothing was handed over to " << step;
    auto continuation = std::make_shared<Continuation>();
    continuation->steps = {NewStep(step)};
    HandOver none;
    none.continuation = std::move(continuation);
    return none;
  }
  // The objects that `to` was told to release.
  std::vector<ObjectId> ReleasedAt(const Incarnation& to) const {
    std::vector<ObjectId> released;
    for (const Recorded& answer : Sent<Recorded>(to.address)) {
      released.insert(released.end(), answer.release.begin(), answer.release.end());
    }
    return released;
  }
  RunRecord TheWrite() const {
    const std::vector<WriteRecord> writes = All<WriteRecord>();
    EXPECT_EQ(writes.size(), 1u);
    return writes.empty() ? RunRecord() : writes.front().record;
  }
  static std::vector<StepPath> Paths(const RunRecord& record) {
    std::vector<StepPath> paths;
    for (const auto& [path, result] : record.steps) paths.push_back(path);
    return paths;
  }
  const RunRecord& record() const { return core_->record(); }

  Time now_ = Time(std::chrono::hours(1));
  Plan plan_;
  RunRecord record_;
  std::string traceparent_;
  std::unique_ptr<RunCore> core_;
  DriverActions actions_;
};

}  // namespace fractos

#endif  // FRACTOS_TESTS_UNIT_LIB_DRIVER_CORE_RUN_CORE_HARNESS_H_
