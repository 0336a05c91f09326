#include "operator/controller/controller.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <thread>

#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "tests/unit/lib/kube/fake_time.h"

namespace fractos::ctrl {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;

// Answers as it was told to, in order, then with success; writes down what it was asked.
class Scripted final : public Reconciler {
 public:
  absl::StatusOr<Result> Reconcile(const Request& request, const std::stop_token& stop) override {
    const std::string key = request.key.ToString();
    {
      const absl::MutexLock lock(&mutex_);
      calls_.push_back(key);
      EXPECT_EQ(++busy_[key], 1) << "twice at once";
    }
    if (during) during(stop);
    const absl::MutexLock lock(&mutex_);
    --busy_[key];
    if (answers.empty()) return Result();
    absl::StatusOr<Result> answer = answers.front();
    answers.pop_front();
    return answer;
  }
  std::vector<std::string> AwaitCalls(size_t n) {
    const absl::MutexLock lock(&mutex_);
    const auto there = [&]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return calls_.size() >= n; };
    mutex_.AwaitWithTimeout(absl::Condition(&there), kube::kPatience);
    return calls_;
  }

  std::deque<absl::StatusOr<Result>> answers;
  std::function<void(const std::stop_token&)> during;

 private:
  absl::Mutex mutex_;
  std::vector<std::string> calls_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, int> busy_ ABSL_GUARDED_BY(mutex_);
};

class ControllerTest : public ::testing::Test {
 protected:
  ~ControllerTest() override { Stop(); }
  void Start(int workers = 1) {
    Controller::Options options;
    options.name = "things";
    options.workers = workers;
    options.clock = &time_;
    options.metrics = &metrics_;
    controller_.emplace(std::move(options), &reconciler_);
    thread_ = std::thread([this] { EXPECT_TRUE(controller_->Run(stop_.get_token()).ok()); });
  }
  void Stop() {
    stop_.request_stop();
    if (thread_.joinable()) thread_.join();
  }

  kube::FakeTime time_;
  Metrics metrics_;
  Scripted reconciler_;
  std::optional<Controller> controller_;
  std::stop_source stop_;
  std::thread thread_;
};

// promise: O-01
TEST_F(ControllerTest, AnErrorIsTriedAgainLaterEachTime) {
  reconciler_.answers = {absl::InternalError("once"), absl::InternalError("twice"), Result()};
  Start();
  controller_->Enqueue({"ns", "a"});
  reconciler_.AwaitCalls(1);
  ASSERT_TRUE(time_.AwaitWaiter(milliseconds(5)));
  time_.Advance(milliseconds(5));
  reconciler_.AwaitCalls(2);
  ASSERT_TRUE(time_.AwaitWaiter(milliseconds(10)));
  time_.Advance(milliseconds(10));
  EXPECT_THAT(reconciler_.AwaitCalls(3), ElementsAre("ns/a", "ns/a", "ns/a"));
  Stop();
  EXPECT_EQ(controller_->queue().NumRequeues("ns/a"), 0) << "success makes it start afresh";
}

// promise: O-01
TEST_F(ControllerTest, ATerminalErrorWaitsForAChange) {
  reconciler_.answers = {TerminalError(absl::InvalidArgumentError("never"))};
  Start();
  controller_->Enqueue({"ns", "a"});
  reconciler_.AwaitCalls(1);
  controller_->Enqueue({"ns", "b"});
  EXPECT_THAT(reconciler_.AwaitCalls(2), ElementsAre("ns/a", "ns/b"));
  Stop();
  EXPECT_EQ(controller_->queue().NumRequeues("ns/a"), 0);
}

// promise: O-01
TEST_F(ControllerTest, ComesBackWhenAskedTo) {
  reconciler_.answers = {Result{seconds(7)}};
  Start();
  controller_->Enqueue({"ns", "a"});
  reconciler_.AwaitCalls(1);
  ASSERT_TRUE(time_.AwaitWaiter(seconds(7)));
  time_.Advance(seconds(7));
  EXPECT_EQ(reconciler_.AwaitCalls(2).size(), 2u);
}

// promise: O-02
TEST_F(ControllerTest, OneKeyIsNeverInTwoWorkersAndAnotherDoesNotWait) {
  absl::Notification first, go;
  std::atomic<int> calls{0};
  reconciler_.during = [&](const std::stop_token&) {
    if (++calls == 1) {
      first.Notify();
      go.WaitForNotification();
    }
  };
  Start(/*workers=*/3);
  controller_->Enqueue({"ns", "a"});
  first.WaitForNotification();
  controller_->Enqueue({"ns", "a"});
  controller_->Enqueue({"ns", "b"});
  EXPECT_THAT(reconciler_.AwaitCalls(2), ElementsAre("ns/a", "ns/b"));
  go.Notify();
  EXPECT_THAT(reconciler_.AwaitCalls(3), ElementsAre("ns/a", "ns/b", "ns/a"))
      << "what was added meanwhile comes again";
  Stop();
}

// promise: O-03
TEST_F(ControllerTest, LetsWhatIsUnderWayEndAndBeginsNothingMore) {
  absl::Notification begun, stopped;
  reconciler_.during = [&](const std::stop_token& stop) {
    begun.Notify();
    const std::stop_callback wake(stop, [&stopped] { stopped.Notify(); });
    stopped.WaitForNotification();
  };
  Start();
  controller_->Enqueue({"ns", "a"});
  begun.WaitForNotification();
  controller_->Enqueue({"ns", "b"});
  Stop();
  EXPECT_THAT(reconciler_.AwaitCalls(1), ElementsAre("ns/a"));
}

TEST_F(ControllerTest, CountsAsControllerRuntimeDoes) {
  reconciler_.answers = {absl::InternalError("once"), Result{seconds(60)}};
  Start();
  controller_->Enqueue({"ns", "a"});
  reconciler_.AwaitCalls(1);
  ASSERT_TRUE(time_.AwaitWaiter(milliseconds(5)));
  time_.Advance(milliseconds(5));
  reconciler_.AwaitCalls(2);
  Stop();
  const std::string text = metrics_.Render();
  for (const char* line :
       {"controller_runtime_reconcile_total{controller=\"things\",result=\"error\"} 1",
        "controller_runtime_reconcile_total{controller=\"things\",result=\"requeue_after\"} 1",
        "controller_runtime_reconcile_errors_total{controller=\"things\"} 1",
        "controller_runtime_max_concurrent_reconciles{controller=\"things\"} 1",
        "workqueue_depth{controller=\"things\",name=\"things\"} 0"}) {
    EXPECT_NE(text.find(line), std::string::npos) << line << "\n" << text;
  }
}

}  // namespace
}  // namespace fractos::ctrl
