#include "lib/kube/work_queue.h"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "lib/base/random.h"
#include "tests/unit/lib/kube/fake_time.h"

namespace fractos::kube {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class WorkQueueTest : public ::testing::Test {
 protected:
  WorkQueue::Options Options() {
    WorkQueue::Options options;
    options.clock = &time_;
    return options;
  }

  FakeTime time_;
};

TEST_F(WorkQueueTest, HandsOutInTheOrderAdded) {
  // promise: K-53
  WorkQueue queue(Options());
  for (const char* key : {"a", "b", "c"}) queue.Add(key);
  EXPECT_EQ(queue.Len(), 3u);
  EXPECT_EQ(queue.Get(), "a");
  EXPECT_EQ(queue.Get(), "b");
  EXPECT_EQ(queue.Get(), "c");
}

TEST_F(WorkQueueTest, AKeyWaitsOnceHoweverOftenAdded) {
  // promise: K-50
  WorkQueue queue(Options());
  for (int i = 0; i < 5; ++i) queue.Add("a");
  queue.Add("b");
  queue.Add("a");
  EXPECT_EQ(queue.Len(), 2u);
  EXPECT_EQ(queue.Get(), "a");
  EXPECT_EQ(queue.Get(), "b");
  EXPECT_EQ(queue.Len(), 0u);
}

TEST_F(WorkQueueTest, AKeyAddedWhileWorkedOnComesAgainOnceDone) {
  // promise: K-51, K-52
  WorkQueue queue(Options());
  queue.Add("a");
  EXPECT_EQ(queue.Get(), "a");
  queue.Add("a");
  queue.Add("a");
  EXPECT_EQ(queue.Len(), 0u);  // no second worker gets it
  queue.Add("b");
  EXPECT_EQ(queue.Get(), "b");
  queue.Done("a");
  EXPECT_EQ(queue.Len(), 1u);
  EXPECT_EQ(queue.Get(), "a");
  queue.Done("a");
  EXPECT_EQ(queue.Len(), 0u);
}

TEST_F(WorkQueueTest, DoneOfAKeyThatNobodyHasIsNothing) {
  WorkQueue queue(Options());
  queue.Add("a");
  queue.Done("a");
  queue.Done("x");
  EXPECT_EQ(queue.Len(), 1u);
}

TEST_F(WorkQueueTest, ShutDownHandsOutWhatWaitsAndTakesNothingMore) {
  // promise: K-54
  WorkQueue queue(Options());
  queue.Add("a");
  queue.Add("b");
  EXPECT_EQ(queue.Get(), "a");
  queue.Add("a");  // still to come again, though the queue shuts down meanwhile
  queue.ShutDown();
  queue.Add("c");
  queue.AddAfter("d", Duration(0));
  EXPECT_EQ(queue.Get(), "b");
  queue.Done("a");
  EXPECT_EQ(queue.Get(), "a");
  EXPECT_EQ(queue.Get(), std::nullopt);
  EXPECT_EQ(queue.Get(), std::nullopt);
  EXPECT_TRUE(queue.ShuttingDown());
}

TEST_F(WorkQueueTest, ShutDownWakesEveryWorker) {
  // promise: K-54
  WorkQueue queue(Options());
  std::vector<std::thread> workers;
  for (int i = 0; i < 4; ++i) workers.emplace_back([&] { EXPECT_EQ(queue.Get(), std::nullopt); });
  queue.ShutDown();
  for (std::thread& worker : workers) worker.join();
}

TEST_F(WorkQueueTest, DrainWaitsForWhatWaitsAndWhatIsWorkedOn) {
  // promise: K-54
  WorkQueue queue(Options());
  queue.Add("a");
  queue.Add("b");
  ASSERT_EQ(queue.Get(), "a");
  absl::Notification drained;
  std::thread drain([&] {
    queue.ShutDownWithDrain();
    drained.Notify();
  });
  while (!queue.ShuttingDown()) std::this_thread::yield();
  queue.Done("a");
  EXPECT_FALSE(drained.HasBeenNotified());  // b has not even begun
  ASSERT_EQ(queue.Get(), "b");
  EXPECT_FALSE(drained.HasBeenNotified());
  queue.Done("b");
  EXPECT_TRUE(drained.WaitForNotificationWithTimeout(kPatience));
  drain.join();
  EXPECT_EQ(queue.Get(), std::nullopt);
}

TEST_F(WorkQueueTest, ShutDownEndsADrain) {
  // promise: K-54
  WorkQueue queue(Options());
  queue.Add("a");
  ASSERT_EQ(queue.Get(), "a");
  std::thread drain([&] { queue.ShutDownWithDrain(); });
  while (!queue.ShuttingDown()) std::this_thread::yield();
  queue.ShutDown();
  drain.join();
}

TEST_F(WorkQueueTest, AddAfterAddsWhenTheTimeHasCome) {
  // promise: K-55
  WorkQueue queue(Options());
  queue.AddAfter("late", seconds(20));
  queue.AddAfter("soon", seconds(10));
  ASSERT_TRUE(time_.AwaitWaiter(seconds(10)));
  time_.Advance(seconds(9));
  EXPECT_EQ(queue.Len(), 0u);
  time_.Advance(seconds(1));
  EXPECT_EQ(queue.Get(), "soon");
  ASSERT_TRUE(time_.AwaitWaiter(seconds(10)));
  time_.Advance(seconds(10));
  EXPECT_EQ(queue.Get(), "late");
}

TEST_F(WorkQueueTest, AddAfterNothingAddsAtOnce) {
  WorkQueue queue(Options());
  queue.AddAfter("a", Duration(0));
  queue.AddAfter("b", seconds(-1));
  EXPECT_EQ(queue.Len(), 2u);
}

TEST_F(WorkQueueTest, ASecondAddAfterOnlyShortens) {
  // promise: K-55
  WorkQueue queue(Options());
  queue.AddAfter("a", seconds(10));
  queue.AddAfter("a", seconds(30));  // no effect
  ASSERT_TRUE(time_.AwaitWaiter(seconds(10)));
  queue.AddAfter("a", seconds(5));
  ASSERT_TRUE(time_.AwaitWaiter(seconds(5)));
  time_.Advance(seconds(5));
  EXPECT_EQ(queue.Get(), "a");
  queue.Done("a");
  ASSERT_TRUE(time_.AwaitWaiter(Time::max()));  // nothing is left that waits
  time_.Advance(seconds(30));
  EXPECT_EQ(queue.Len(), 0u);
}

TEST_F(WorkQueueTest, EqualTimesKeepTheirOrder) {
  WorkQueue queue(Options());
  for (const char* key : {"c", "a", "b"}) queue.AddAfter(key, seconds(1));
  ASSERT_TRUE(time_.AwaitWaiter(seconds(1)));
  time_.Advance(seconds(1));
  EXPECT_EQ(queue.Get(), "c");
  EXPECT_EQ(queue.Get(), "a");
  EXPECT_EQ(queue.Get(), "b");
}

TEST_F(WorkQueueTest, AWaitWithoutEndIsNoOverflow) {
  WorkQueue queue(Options());
  queue.AddAfter("never", Duration::max());
  queue.AddAfter("a", seconds(1));
  ASSERT_TRUE(time_.AwaitWaiter(seconds(1)));
  time_.Advance(seconds(1));
  EXPECT_EQ(queue.Get(), "a");
}

TEST_F(WorkQueueTest, AddRateLimitedWaitsLongerEachTimeUntilForgotten) {
  // promise: K-56
  WorkQueue queue(Options());
  for (const int wait : {5, 10, 20}) {
    queue.AddRateLimited("a");
    ASSERT_TRUE(time_.AwaitWaiter(milliseconds(wait)));
    time_.Advance(milliseconds(wait));
    ASSERT_EQ(queue.Get(), "a");
    queue.Done("a");
  }
  EXPECT_EQ(queue.NumRequeues("a"), 3);
  queue.Forget("a");
  EXPECT_EQ(queue.NumRequeues("a"), 0);
  queue.AddRateLimited("a");
  EXPECT_TRUE(time_.AwaitWaiter(milliseconds(5)));
}

class Counts final : public WorkQueueMetrics {
 public:
  void OnAdd() override { ++adds; }
  void OnDepth(size_t value) override { depth = value; }
  void OnGet(Duration value) override { queued = value; }
  void OnDone(Duration value) override { worked = value; }
  void OnRetry() override { ++retries; }

  int adds = 0, retries = 0;
  size_t depth = 0;
  Duration queued{}, worked{};
};

TEST_F(WorkQueueTest, MeasuresWaitingAndWork) {
  Counts counts;
  WorkQueue::Options options = Options();
  options.metrics = &counts;
  WorkQueue queue(std::move(options));
  queue.Add("a");
  queue.Add("a");
  queue.Add("b");
  EXPECT_EQ(counts.adds, 2);
  EXPECT_EQ(counts.depth, 2u);
  time_.Advance(seconds(3));
  ASSERT_EQ(queue.Get(), "a");
  EXPECT_EQ(counts.queued, seconds(3));
  EXPECT_EQ(counts.depth, 1u);
  time_.Advance(seconds(1));
  ASSERT_EQ(queue.Get(), "b");
  time_.Advance(seconds(2));
  EXPECT_EQ(queue.UnfinishedWork().total, seconds(5));
  EXPECT_EQ(queue.UnfinishedWork().longest, seconds(3));
  queue.Done("a");
  EXPECT_EQ(counts.worked, seconds(3));
  EXPECT_EQ(queue.UnfinishedWork().total, seconds(2));
  queue.AddAfter("a", Duration(0));
  EXPECT_EQ(counts.retries, 1);
}

// Many threads at once: no two have one key, and nothing that was added is lost.
TEST_F(WorkQueueTest, HoldsItsPromisesUnderManyThreads) {
  // promise: K-50, K-51, K-52
  constexpr int kKeys = 7, kAdders = 3, kWorkers = 4, kAdds = 2000;
  WorkQueue queue(Options());
  absl::Mutex mutex;
  std::set<std::string> held;
  std::map<std::string, int> version, seen;

  std::vector<std::thread> workers;
  for (int i = 0; i < kWorkers; ++i) {
    workers.emplace_back([&] {
      while (const std::optional<std::string> key = queue.Get()) {
        {
          absl::MutexLock lock(&mutex);
          EXPECT_TRUE(held.insert(*key).second) << *key;
          seen[*key] = version[*key];
        }
        std::this_thread::yield();
        {
          absl::MutexLock lock(&mutex);
          held.erase(*key);
        }
        queue.Done(*key);
      }
    });
  }
  std::vector<std::thread> adders;
  for (int i = 0; i < kAdders; ++i) {
    adders.emplace_back([&, i] {
      SeededRandom random(i);
      for (int n = 0; n < kAdds; ++n) {
        const std::string key = absl::StrCat("key-", random.Below(kKeys));
        {
          absl::MutexLock lock(&mutex);
          ++version[key];
        }
        queue.Add(key);
      }
    });
  }
  for (std::thread& adder : adders) adder.join();
  queue.ShutDownWithDrain();
  for (std::thread& worker : workers) worker.join();
  EXPECT_EQ(seen, version);  // each key's last state was seen by somebody
}

TEST(SystemWaitableClockTest, ARingIsNotLostAndTimePasses) {
  SystemWaitableClock clock;
  const std::unique_ptr<Alarm> alarm = clock.NewAlarm();
  alarm->Ring();
  alarm->Ring();
  EXPECT_TRUE(alarm->WaitUntil(Time::max()));
  EXPECT_FALSE(alarm->WaitUntil(clock.Now()));  // two rings are one
  std::thread ringer([&] { alarm->Ring(); });
  EXPECT_TRUE(alarm->WaitUntil(Time::max()));
  ringer.join();
  EXPECT_FALSE(alarm->WaitUntil(clock.Now() + milliseconds(1)));
}

TEST(SleepForTest, EndsWhenStopped) {
  FakeTime time;
  std::stop_source stop;
  bool slept = true;
  std::thread sleeper([&] { slept = SleepFor(time, seconds(60), stop.get_token()); });
  EXPECT_TRUE(time.AwaitWaiter(seconds(60)));
  stop.request_stop();
  sleeper.join();
  EXPECT_FALSE(slept);
  EXPECT_FALSE(SleepFor(time, seconds(60), stop.get_token()));
}

}  // namespace
}  // namespace fractos::kube
