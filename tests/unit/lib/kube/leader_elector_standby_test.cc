// How a standby waits, and when it takes the Lease.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "tests/unit/lib/kube/leader_elector_harness.h"

namespace fractos::kube {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;

TEST_F(LeaderElectorTest, AStandbyNeitherPollsNorTakesWhatIsRenewed) {
  // promise: K-74
  const auto a = MakeLeader("a");
  const auto b = MakeStandby("b");
  for (size_t i = 1; i <= 20; ++i) {
    time_.Advance(seconds(2));
    ASSERT_TRUE(a->client.AwaitCalls("update", i));
    ASSERT_TRUE(time_.AwaitWaiter(seconds(15)));  // b counts anew from this renewal
    ASSERT_TRUE(time_.AwaitWaiter(seconds(2)));
  }
  EXPECT_EQ(b->client.count("get"), 1u);
  EXPECT_FALSE(b->elector->IsLeader());
  EXPECT_EQ(b->elector->GetLeader(), "a");
}

TEST_F(LeaderElectorTest, AStandbyTakesOverWhenTheLastChangeItSawRunsOut) {
  // promise: K-74, K-75
  const auto a = MakeLeader("a");
  const auto b = MakeStandby("b");
  time_.Advance(seconds(2));
  ASSERT_TRUE(time_.AwaitWaiter(seconds(15)));
  ASSERT_TRUE(time_.AwaitWaiter(seconds(2)));
  a->client.SetPartitioned(true);
  time_.Advance(seconds(15) - milliseconds(1));
  ASSERT_TRUE(time_.AwaitWaiter(milliseconds(1)));
  EXPECT_TRUE(a->elector->IsLeader());
  EXPECT_FALSE(b->elector->IsLeader());
  time_.Advance(milliseconds(1));
  EXPECT_FALSE(a->elector->IsLeader());
  EXPECT_THAT(b->Await(1), ElementsAre("started 1"));
  EXPECT_EQ(Record().holder_identity, "b");
  EXPECT_EQ(Record().lease_transitions, 1);
  EXPECT_THAT(b->AwaitLeaders(2), ElementsAre("leader a", "leader b"));
}

TEST_F(LeaderElectorTest, TheRecordsOwnDurationCountsAndNoWallClock) {
  // promise: K-75
  for (const char* renewed : {"1999-01-01T00:00:00.000000Z", "2999-01-01T00:00:00.000000Z"}) {
    PutLease("gone", 3, renewed, 41);
    const auto b = MakeStandby("b", seconds(3));
    time_.Advance(seconds(3));
    EXPECT_THAT(b->Await(1), ElementsAre("started 42"));
  }
}

TEST_F(LeaderElectorTest, OnlyARenewalMakesAStandbyWaitLonger) {
  // promise: K-72
  PutLease("gone", 10, "2023-11-14T22:13:20.000000Z", 0);
  const auto b = MakeStandby("b", seconds(10));
  time_.Advance(seconds(6));
  ASSERT_TRUE(time_.AwaitWaiter(seconds(4)));
  // Within the same second as the last, which a clock of seconds would not tell.
  PutLease("gone", 10, "2023-11-14T22:13:20.000001Z", 0);
  ASSERT_TRUE(time_.AwaitWaiter(seconds(10)));
  time_.Advance(seconds(6));
  PutLease("gone", 10, "2023-11-14T22:13:20.000001Z", 0, "label");
  time_.Advance(seconds(4));
  EXPECT_THAT(b->Await(1), ElementsAre("started 1"));
}

TEST_F(LeaderElectorTest, WithoutAWatchAStandbyPolls) {
  // promise: K-76
  PutLease("gone", 15, "2023-11-14T22:13:20.000000Z", 0);
  auto b = Make("b");
  Fault hang;
  hang.verb = "watch";
  hang.delay = Duration::max();
  b->client.Inject(hang);
  b->Start();
  const Time began = time_.Now();
  ASSERT_EQ(b->AwaitLeaders(1).size(), 1u);
  while (b->client.count("create") + b->client.count("update") == 0) {
    // Jittered by 1.2 times the period, or what is left of the lease.
    const Duration wait = time_.AwaitWaiterWithin(milliseconds(1), milliseconds(4400));
    ASSERT_GT(wait, Duration(0));
    time_.Advance(wait);
    if (time_.Now() - began > seconds(40)) break;
    std::this_thread::yield();
  }
  EXPECT_THAT(b->Await(1), ElementsAre("started 1"));
  EXPECT_GE(time_.Now() - began, seconds(15));
  EXPECT_LE(time_.Now() - began, seconds(30));
  EXPECT_GE(b->client.count("get"), 4u);
}

TEST_F(LeaderElectorTest, AWatchThatHearsNothingMakesNobodyTakeALivingLease) {
  // promise: K-76
  PutLease("alive", 15, "2023-11-14T22:13:20.000000Z", 0);
  const auto b = MakeStandby("b");
  server_.StallWatches();
  PutLease("alive", 15, "2023-11-14T22:13:30.000000Z", 0);
  time_.Advance(seconds(15));
  // It reads the Lease first, sees that it was renewed, and mistrusts the watch.
  ASSERT_TRUE(b->client.AwaitCalls("get", 2));
  ASSERT_TRUE(b->client.AwaitCalls("watch", 2));
  ASSERT_TRUE(time_.AwaitWaiter(seconds(15)));
  EXPECT_FALSE(b->elector->IsLeader());
  EXPECT_EQ(b->client.count("update"), 0u);
}

TEST_F(LeaderElectorTest, WaitsForALeaseThatOthersMake) {
  // promise: K-80
  const auto a = Make("a", [](LeaderElectionOptions* options) { options->create_lease = false; });
  a->Start();
  ASSERT_TRUE(a->client.AwaitCalls("get", 1));
  PutLease("", 1, "2026-01-01T00:00:00.000000Z", 0);
  const absl::Time until = absl::Now() + absl::Seconds(10);
  while (Record().holder_identity != "a" && absl::Now() < until) {
    time_.Advance(seconds(1));
    std::this_thread::yield();
  }
  EXPECT_EQ(Record().holder_identity, "a");
  EXPECT_EQ(a->client.count("create"), 0u);
}

TEST_F(LeaderElectorTest, ADeletedLeaseOfADeadLeaderIsTakenWhenItsTimeIsOver) {
  // promise: K-80
  PutLease("gone", 15, "2023-11-14T22:13:20.000000Z", 5);
  const auto b = MakeStandby("b");
  time_.Advance(seconds(1));
  server_.Remove(kCollection, "leader");
  ASSERT_TRUE(time_.AwaitWaiter(seconds(14)));
  time_.Advance(seconds(13));
  ASSERT_TRUE(time_.AwaitWaiter(seconds(1)));
  EXPECT_FALSE(server_.Find(kCollection, "leader"));
  time_.Advance(seconds(1));
  EXPECT_THAT(b->Await(1), ElementsAre("started 0"));
}

}  // namespace
}  // namespace fractos::kube
