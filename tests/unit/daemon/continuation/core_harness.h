// One continuation core with a clock of its own, a driver and two more clusters around it that only
// exist as addresses. A test steps it with an event and looks at what it answered.
#ifndef FRACTOS_TESTS_UNIT_DAEMON_CONTINUATION_CORE_HARNESS_H_
#define FRACTOS_TESTS_UNIT_DAEMON_CONTINUATION_CORE_HARNESS_H_

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "daemon/continuation/core.h"
#include "tests/unit/lib/protocol/builders.h"

namespace fractos {

inline const RunId kRun = NamedId<RunId>("run");
inline const Incarnation kSelf = Replica("default/a");
inline const Incarnation kOther = Replica("default/a", 1);  // may lead instead
inline const Incarnation kB = Replica("default/b");
inline const Incarnation kC = Replica("default/c");
inline const Incarnation kDriver = {Address::Driver("test"), NamedId<BootId>("driver")};

class CoreTest : public ::testing::Test {
 protected:
  CoreTest() { Restart({}); }

  // A fresh core that leads its cluster under epoch 1.
  void Restart(Core::Options options) {
    options.self = kSelf;
    core_ = std::make_unique<Core>(std::move(options));
    core_->Lead(now_, 1, &actions_);
    actions_.clear();
    started_.clear();
  }

  // Steps `steps`, of which the first is handed over along the edge from `result`'s step.
  HandOver Hand(std::vector<StepPtr> steps, ResultPtr result = nullptr,
                std::vector<ResultPtr> ancestors = {}, const RunId& run = kRun) const {
    auto continuation = std::make_shared<Continuation>();
    continuation->run = run;
    continuation->driver = kDriver.address;
    continuation->mode = mode_;
    continuation->steps = std::move(steps);
    continuation->signatures = signatures_;
    for (const char* cluster : {"default/a", "default/b", "default/c"}) {
      continuation->clusters.push_back({cluster, {"unix:/0", "unix:/1", "unix:/2"}, 0, 1});
    }
    HandOver message;
    message.redrive = 1;
    message.remaining = std::chrono::seconds(60);
    message.sender = result == nullptr ? kDriver : result->executor;
    message.sender_epoch = result == nullptr ? 0 : 1;
    if (result != nullptr) message.edge = result->path;
    message.result = std::move(result);
    message.ancestors = std::move(ancestors);
    message.continuation = std::move(continuation);
    return message;
  }
  // What `step` gave on `inputs`, executed elsewhere.
  ResultPtr Given(const StepPath& step, std::string bytes,
                  const std::vector<ResultPtr>& inputs = {}, const Incarnation& by = kB) const {
    return NewResult(kRun, *NewStep(step), inputs, InlineValue(std::move(bytes), by));
  }
  ResultPtr GivenLarge(const StepPath& step, std::string bytes) const {
    return NewResult(kRun, *NewStep(step), {}, LargeValue(std::move(bytes), kB));
  }
  static ResultPtr GivenNothing(const StepPath& step, ResultState state) {
    auto result = std::make_shared<StepResult>(
        *NewResult(kRun, *NewStep(step), {}, InlineValue("", kB), state));
    result->value = Value();
    result->failure = {"Broken", "it broke"};
    return result;
  }

  // Events. Each forgets what the one before was answered with.
  void Begin() { actions_.clear(); }
  void Receive(const Incarnation& from, Message message) {
    Begin();
    core_->Receive(now_, from, std::move(message), &actions_);
    Remember();
  }
  void Receive(const HandOver& message) { Receive(message.sender, message); }
  void Advance(Duration by) {
    Begin();
    now_ += std::chrono::duration_cast<Time::duration>(by);
    core_->Tick(now_, &actions_);
    Remember();
  }
  void Executed(const StepPath& step, Outcome outcome) {
    Begin();
    ASSERT_TRUE(started_.contains(step)) << step << " never started";
    core_->Executed(now_, started_.at(step), std::move(outcome), &actions_);
    Remember();
  }
  void Produce(const StepPath& step, std::string bytes = "out") {
    Executed(step, {Outcome::Produced{InlineValue(std::move(bytes), kSelf)}});
  }
  void ProduceLarge(const StepPath& step, std::string bytes = "out") {
    Executed(step, {Outcome::Produced{LargeValue(std::move(bytes), kSelf)}});
  }
  void Fail(const StepPath& step, bool retryable) {
    Executed(step, {Outcome::Failed{{"Broken", "it broke"}, retryable}});
  }
  void Fetched(const ResultPtr& result, const absl::Status& status = absl::OkStatus()) {
    Begin();
    core_->Fetched(now_, kRun, result->value, status, &actions_);
    Remember();
  }
  void LinkUp(const Incarnation& peer, uint64_t epoch) {
    Begin();
    core_->LinkUp(now_, peer, epoch, &actions_);
  }
  void LinkDown(const Incarnation& peer) {
    Begin();
    core_->LinkDown(now_, peer.address, &actions_);
  }
  void Lead(uint64_t epoch) {
    Begin();
    core_->Lead(now_, epoch, &actions_);
    Remember();
  }
  void Follow(const Address& leader, uint64_t epoch) {
    Begin();
    core_->Follow(now_, leader, epoch, &actions_);
  }
  // The receiver has it: the answer to the only hand-over to `step` that was just sent.
  void AcceptSent(const Incarnation& by, const StepPath& step) {
    const EdgeKey edge = SentTo(step).key();
    Receive(by, Accepted{edge, 1});
  }
  void Record(const std::vector<ResultPtr>& results, uint64_t redrive = 1) {
    Recorded recorded{kRun, redrive, {}, {}, {}};
    for (const ResultPtr& result : results) recorded.steps.push_back({result->path, result->id});
    Receive(kDriver, recorded);
  }
  void Ask(uint64_t redrive, const std::vector<ResultPtr>& pinned) {
    Query query{kRun, redrive, kDriver.address, std::chrono::seconds(60), {}};
    for (const ResultPtr& result : pinned) query.pinned.push_back({result->path, result->id});
    Receive(kDriver, query);
  }

  // Answers.
  template <typename T>
  std::vector<T> All() const {
    std::vector<T> all;
    for (const Action& action : actions_) {
      if (const T* one = std::get_if<T>(&action)) all.push_back(*one);
    }
    return all;
  }
  template <typename M>
  std::vector<M> Sent() const {
    std::vector<M> sent;
    for (const Send& send : All<Send>()) {
      if (const M* one = std::get_if<M>(&send.message)) sent.push_back(*one);
    }
    return sent;
  }
  // The only one of its kind that was just sent.
  template <typename M>
  M TheSent() const {
    const std::vector<M> sent = Sent<M>();
    EXPECT_EQ(sent.size(), 1u);
    return sent.empty() ? M() : sent.front();
  }
  HandOver SentTo(const StepPath& step) const {
    for (const HandOver& message : Sent<HandOver>()) {
      if (message.step().path == step) return message;
    }
    ADD_FAILURE() << "nothing was handed over to " << step;
    return Hand({NewStep(step)});
  }
  // Whom the only message of its kind that was just sent went to.
  template <typename M>
  Address TheReceiver() const {
    Address to;
    for (const Send& send : All<Send>()) {
      if (!std::holds_alternative<M>(send.message)) continue;
      EXPECT_TRUE(to.IsNone()) << "another one to " << send.to.ToString();
      to = send.to;
    }
    EXPECT_FALSE(to.IsNone()) << "none was sent";
    return to;
  }
  bool Executes(const StepPath& step) const {
    for (const Execute& execute : All<Execute>()) {
      if (execute.attempt.step == step) return true;
    }
    return false;
  }
  // Of the step's only report so far, sent within the delay for reports.
  Report NextReport() {
    Advance(std::chrono::milliseconds(50));
    return TheSent<Report>();
  }
  static ResultPtr ResultOf(const Report& report, const StepPath& step) {
    for (const ResultPtr& result : report.results) {
      if (result->path == step) return result;
    }
    ADD_FAILURE() << step << " is not reported";
    return std::make_shared<StepResult>();
  }

  Time now_ = Time(std::chrono::hours(1));
  Mode mode_ = Mode::kDistributed;
  std::vector<OperationSignature> signatures_;
  std::unique_ptr<Core> core_;
  Actions actions_;
  std::map<StepPath, AttemptKey> started_;

 private:
  void Remember() {
    for (const Execute& execute : All<Execute>()) started_[execute.attempt.step] = execute.attempt;
  }
};

}  // namespace fractos

#endif  // FRACTOS_TESTS_UNIT_DAEMON_CONTINUATION_CORE_HARNESS_H_
