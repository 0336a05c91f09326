#include "lib/runtime/event_loop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace fractos {
namespace {

using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::steady_clock;
using testing::ElementsAre;

// promise: T-06
TEST(EventLoopTest, RunsWhatWasPostedInOrderOnTheThreadInsideRun) {
  EventLoop loop;
  std::vector<int> order;
  loop.Post([&] { order.push_back(1); });
  loop.Post([&] {
    order.push_back(loop.OnLoopThread() ? 2 : -2);
    loop.Post([&] {
      order.push_back(3);
      loop.Stop();
    });
  });
  EXPECT_FALSE(loop.OnLoopThread());
  loop.Run();
  EXPECT_THAT(order, ElementsAre(1, 2, 3));
}

TEST(EventLoopTest, PostFromAnotherThreadWakesALoopThatWaits) {
  EventLoop loop;
  constexpr int kPosts = 20'000;
  int ran = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < kPosts; ++i) {
        loop.Post([&] {
          if (++ran == 2 * kPosts) loop.Stop();
        });
      }
    });
  }
  loop.Run();
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(ran, 2 * kPosts);
}

// promise: T-06
TEST(EventLoopTest, TimersRunInTheOrderOfTheirTimesAndNeverEarly) {
  EventLoop loop;
  std::vector<int> order;
  const Time start = steady_clock::now();
  loop.At(start + milliseconds(4), [&] {
    order.push_back(4);
    EXPECT_GE(steady_clock::now(), start + milliseconds(4));
    loop.Stop();
  });
  loop.At(start + milliseconds(2), [&] { order.push_back(2); });
  const EventLoop::TimerId cancelled =
      loop.At(start + milliseconds(1), [&] { order.push_back(-1); });
  loop.At(start, [&] { order.push_back(0); });
  loop.Cancel(cancelled);
  loop.Cancel(cancelled);
  loop.Run();
  EXPECT_THAT(order, ElementsAre(0, 2, 4));
}

TEST(EventLoopTest, AnEarlierTimerFromAnotherThreadShortensTheWait) {
  EventLoop loop;
  loop.At(steady_clock::now() + hours(1), [] { FAIL() << "an hour has passed"; });
  std::thread other([&] {
    loop.Post([] {});  // the loop is inside Run and about to wait, or waits
    loop.At(steady_clock::now() + milliseconds(1), [&] { loop.Stop(); });
  });
  loop.Run();
  other.join();
}

TEST(EventLoopTest, StopDestroysWhatIsQueuedUnrun) {
  auto witness = std::make_shared<int>(0);
  EventLoop loop;
  loop.At(steady_clock::now() + hours(1), [witness] { ++*witness; });
  loop.Post([&] { loop.Stop(); });
  loop.Post([witness] { ++*witness; });
  loop.Run();
  EXPECT_EQ(*witness, 0);
  EXPECT_EQ(witness.use_count(), 1);
}

TEST(EventLoopTest, ALoopThatNeverRanDropsItsCallbacks) {
  auto witness = std::make_shared<int>(0);
  {
    EventLoop loop;
    loop.Post([witness] { ++*witness; });
    loop.At(steady_clock::now(), [witness] { ++*witness; });
  }
  EXPECT_EQ(witness.use_count(), 1);
}

}  // namespace
}  // namespace fractos
