#include "lib/kube/leader_elector.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "lib/base/random.h"
#include "lib/kube/errors.h"
#include "lib/kube/healthz_adaptor.h"
#include "lib/kube/time.h"
#include "tests/unit/lib/kube/leader_elector_harness.h"

namespace fractos::kube {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST_F(LeaderElectorTest, CreatesTheLeaseAndLeads) {
  // promise: K-70
  const auto a = MakeLeader("a");
  EXPECT_THAT(a->Await(1), ElementsAre("started 0"));
  const LeaderElectionRecord record = Record();
  EXPECT_EQ(record.holder_identity, "a");
  EXPECT_EQ(record.lease_duration_seconds, 15);
  EXPECT_EQ(record.lease_transitions, 0);
  EXPECT_EQ(record.renew_time, FormatMicroTime(time_.WallNow()));
  EXPECT_TRUE(a->elector->IsLeader());
  EXPECT_EQ(a->elector->GetLeader(), "a");
  EXPECT_EQ(a->elector->ValidUntil(), time_.Now() + seconds(15));
  EXPECT_THAT(a->AwaitLeaders(1), ElementsAre("leader a"));
  a->Stop();
  EXPECT_THAT(a->Await(3), ElementsAre("started 0", "stopped", "ended OK"));
  EXPECT_FALSE(a->elector->IsLeader());
  EXPECT_EQ(Record().holder_identity, "a");  // not given back
  EXPECT_THAT(a->led(), ElementsAre(false, true, false));
}

TEST_F(LeaderElectorTest, RenewsByOneWriteEachPeriod) {
  // promise: K-73
  const auto a = MakeLeader("a");
  const LeaderElectionRecord first = Record();
  for (size_t i = 1; i <= 3; ++i) {
    time_.Advance(seconds(2));
    ASSERT_TRUE(a->client.AwaitCalls("update", i));
    ASSERT_TRUE(time_.AwaitWaiter(seconds(2)));
    EXPECT_EQ(a->elector->ValidUntil(), time_.Now() + seconds(15));
  }
  const LeaderElectionRecord last = Record();
  EXPECT_EQ(last.acquire_time, first.acquire_time);
  EXPECT_EQ(last.renew_time, FormatMicroTime(time_.WallNow()));
  EXPECT_EQ(last.lease_transitions, 0);
  EXPECT_EQ(a->client.count("get"), 1u);  // the very first
  EXPECT_EQ(a->slow_paths(), 0);
}

TEST_F(LeaderElectorTest, LeadsWithoutTheRightToWatch) {
  // promise: K-76
  auto a = Make("a");
  Fault forbidden;
  forbidden.verb = "watch";
  forbidden.error = ForbiddenError(kLeases, "watch", "leader");
  forbidden.times = -1;
  a->client.Inject(forbidden);
  a->Start();
  EXPECT_EQ(a->Await(1).size(), 1u);
  // And says what is amiss.
  while (a->errors().empty()) std::this_thread::yield();
  EXPECT_TRUE(kube::IsForbidden(a->errors().at(0)));
}

TEST_F(LeaderElectorTest, ALeaderThatCannotRenewStopsBeforeOthersMayLead) {
  // promise: K-77
  const auto a = MakeLeader("a");
  const Time renewed = time_.Now();
  a->client.SetPartitioned(true);
  time_.Advance(seconds(2));
  // Tries every 2 s, for 10 s.
  for (int i = 0; i < 4; ++i) {
    ASSERT_TRUE(time_.AwaitWaiter(seconds(2)));
    EXPECT_TRUE(a->elector->IsLeader());
    time_.Advance(seconds(2));
  }
  ASSERT_TRUE(time_.AwaitWaiter(seconds(2)));
  time_.Advance(seconds(2));
  EXPECT_THAT(a->Await(3), ElementsAre("started 0", "stopped", "ended DEADLINE_EXCEEDED"));
  EXPECT_LE(time_.Now(), renewed + seconds(12));
  EXPECT_FALSE(a->elector->IsLeader());
}

TEST_F(LeaderElectorTest, RequestsThatHangEndWithTheDeadline) {
  // promise: K-77
  const auto a = MakeLeader("a");
  const Time renewed = time_.Now();
  Fault hang;
  hang.verb = "update";
  hang.delay = Duration::max();
  a->client.Inject(hang);
  hang.verb = "get";
  a->client.Inject(hang);
  time_.Advance(seconds(2));
  ASSERT_TRUE(time_.AwaitWaiter(seconds(5)));  // half of the deadline, for the write
  time_.Advance(seconds(5));
  ASSERT_TRUE(time_.AwaitWaiter(seconds(5)));  // and what is left of it, for the read
  EXPECT_TRUE(a->elector->IsLeader());
  time_.Advance(seconds(5));
  EXPECT_EQ(a->Await(2).at(1), "stopped");
  EXPECT_EQ(time_.Now() - renewed, seconds(12));
}

TEST_F(LeaderElectorTest, ARenewalThatWasSlowOnceIsMadeUpFor) {
  // promise: K-77
  const auto a = MakeLeader("a");
  Fault hang;
  hang.verb = "update";
  hang.delay = Duration::max();
  hang.carried_out = true;  // only the answer is lost
  a->client.Inject(hang);
  time_.Advance(seconds(2));
  ASSERT_TRUE(time_.AwaitWaiter(seconds(5)));
  time_.Advance(seconds(5));
  ASSERT_TRUE(a->client.AwaitCalls("update", 2));
  ASSERT_TRUE(time_.AwaitWaiter(seconds(2)));
  EXPECT_EQ(a->elector->ValidUntil(), time_.Now() + seconds(15));
  EXPECT_EQ(a->slow_paths(), 1);
  EXPECT_EQ(Record().lease_transitions, 0);
  EXPECT_EQ(a->Await(1).size(), 1u);
}

TEST_F(LeaderElectorTest, LeadershipCountsFromBeforeTheWriteWasSent) {
  // promise: K-78
  const auto a = MakeLeader("a");
  Fault slow;
  slow.verb = "update";
  slow.delay = seconds(3);
  a->client.Inject(slow);
  time_.Advance(seconds(2));
  const Time sent = time_.Now();
  ASSERT_TRUE(time_.AwaitWaiter(seconds(3)));
  time_.Advance(seconds(3));
  ASSERT_TRUE(time_.AwaitWaiter(seconds(2)));
  EXPECT_EQ(a->elector->ValidUntil(), sent + seconds(15));
}

TEST_F(LeaderElectorTest, AWinWhoseAnswerCameTooLateIsNone) {
  // promise: K-78
  auto a = Make("a");
  Fault paused;
  paused.verb = "create";
  paused.after = [this] { time_.Advance(seconds(20)); };  // the process was stopped meanwhile
  a->client.Inject(paused);
  a->Start();
  // What is in the Lease is its own, from then; it takes it anew.
  ASSERT_TRUE(a->client.AwaitCalls("create", 1));
  const Duration wait = time_.AwaitWaiterWithin(seconds(2), milliseconds(4400));
  time_.Advance(wait);
  EXPECT_THAT(a->Await(1), ElementsAre("started 1"));
  EXPECT_TRUE(a->elector->IsLeader());
}

TEST_F(LeaderElectorTest, AnothersNameInTheLeaseEndsLeadershipAtOnce) {
  // promise: K-79
  const auto a = MakeLeader("a");
  PutLease("usurper", 15, "2023-11-14T22:13:20.000000Z", 1);
  // No time passes: the watch tells, and a renewal finds out.
  EXPECT_THAT(a->Await(3), ElementsAre("started 0", "stopped", "ended ABORTED"));
  EXPECT_FALSE(a->elector->IsLeader());
  EXPECT_EQ(a->AwaitLeaders(2).at(1), "leader usurper");
}

TEST_F(LeaderElectorTest, OldNewsFromTheWatchEndNothing) {
  // promise: K-79
  PutLease("gone", 3, "2023-11-14T22:13:20.000000Z", 0);
  const auto a = MakeStandby("a", seconds(3));
  time_.Advance(seconds(3));
  ASSERT_EQ(a->Await(1).size(), 1u);
  ASSERT_TRUE(time_.AwaitWaiter(seconds(2)));
  ASSERT_TRUE(server_.AwaitWatches(1));
  Object old("coordination.k8s.io/v1", "Lease", "ns", "leader");
  old.mutable_spec() = {{"holderIdentity", "gone"}};
  old.set_resource_version("1");
  server_.SendToWatches({WatchEventType::kModified, old, absl::OkStatus()});
  ASSERT_TRUE(a->client.AwaitCalls("update", 2));  // looks, and goes on
  ASSERT_TRUE(time_.AwaitWaiter(seconds(2)));
  EXPECT_TRUE(a->elector->IsLeader());
  EXPECT_EQ(a->Await(1).size(), 1u);
}

TEST_F(LeaderElectorTest, ADeletedLeaseIsMadeAgainByItsLeader) {
  // promise: K-80
  const auto a = MakeLeader("a");
  const auto b = MakeStandby("b");
  const std::string uid = server_.Find(kCollection, "leader")->uid();
  server_.Remove(kCollection, "leader");
  ASSERT_TRUE(server_.Await(kCollection, "leader", [](const Object&) { return true; }));
  EXPECT_EQ(Record().holder_identity, "a");
  EXPECT_NE(server_.Find(kCollection, "leader")->uid(), uid);
  EXPECT_TRUE(a->elector->IsLeader());
  EXPECT_EQ(a->Await(1).size(), 1u);
  EXPECT_EQ(b->client.count("create"), 0u);
}

TEST_F(LeaderElectorTest, EachTurnHasAHigherNumberAlsoUnderOnesOwnName) {
  // promise: K-82
  PutLease("a", 15, "2023-11-14T22:13:20.000000Z", 6);
  const auto a = MakeLeader("a");
  EXPECT_THAT(a->Await(1), ElementsAre("started 7"));
}

TEST_F(LeaderElectorTest, LeadsAgainAfterItLost) {
  // promise: K-82
  const auto a = MakeLeader("a");
  PutLease("other", 5, "2023-11-14T22:13:20.000000Z", 1);
  ASSERT_EQ(a->Await(3).size(), 3u);
  ASSERT_TRUE(time_.AwaitWaiter(seconds(5)));
  time_.Advance(seconds(5));
  EXPECT_EQ(a->Await(4).at(3), "started 2");
}

TEST_F(LeaderElectorTest, ALabelOnTheLeaseCostsOneRead) {
  const auto a = MakeLeader("a");
  Object lease = *server_.Find(kCollection, "leader");
  lease.SetLabel("x", "y");
  server_.Put(kCollection, lease);
  time_.Advance(seconds(2));
  ASSERT_TRUE(a->client.AwaitCalls("update", 2));
  ASSERT_TRUE(time_.AwaitWaiter(seconds(2)));
  EXPECT_EQ(a->slow_paths(), 1);
  EXPECT_EQ(a->client.count("get"), 2u);
  EXPECT_EQ(a->elector->ValidUntil(), time_.Now() + seconds(15));
  EXPECT_EQ(server_.Find(kCollection, "leader")->label("x"), "y");
}

TEST_F(LeaderElectorTest, TheHealthCheckFailsWhenRenewalHangs) {
  // promise: K-83
  HealthzAdaptor health(seconds(20));
  EXPECT_TRUE(health.Check().ok());
  const auto a = MakeLeader("a");
  health.SetLeaderElection(a->elector.get());
  EXPECT_TRUE(health.Check().ok());
  absl::Notification hung, go_on;
  Fault deaf;  // to its deadline
  deaf.verb = "update";
  deaf.before = [&] {
    hung.Notify();
    go_on.WaitForNotification();
  };
  a->client.Inject(deaf);
  time_.Advance(seconds(2));
  hung.WaitForNotification();
  time_.Advance(seconds(33));
  EXPECT_FALSE(a->elector->IsLeader());
  EXPECT_TRUE(health.Check().ok());
  time_.Advance(milliseconds(1));
  EXPECT_THAT(std::string(health.Check().message()), HasSubstr("ns/leader"));
  go_on.Notify();
  EXPECT_EQ(a->Await(2).at(1), "stopped");
  health.SetLeaderElection(nullptr);
  EXPECT_TRUE(health.Check().ok());
}

TEST_F(LeaderElectorTest, OfManyOneLeads) {
  // promise: K-84
  std::vector<std::unique_ptr<Candidate>> all;
  for (int i = 0; i < 5; ++i) {
    all.push_back(
        Make(absl::StrCat("c", i), [](auto* options) { options->release_on_cancel = true; }));
  }
  for (const auto& candidate : all) candidate->Start();
  // Each that leads is stopped; the others take turns, with no time passing but retries.
  for (size_t left = all.size(); left > 0; --left) {
    size_t leader = all.size();
    while (leader == all.size()) {
      size_t leaders = 0;
      for (size_t i = 0; i < all.size(); ++i) {
        if (all[i] == nullptr || !all[i]->elector->IsLeader()) continue;
        leader = i;
        ++leaders;
      }
      ASSERT_LE(leaders, 1u);
      time_.Advance(milliseconds(1));
      std::this_thread::yield();
    }
    all[leader] = nullptr;
  }
}

// Clients are cut off, slowed and lose their watches at random, and never do two lead.
TEST_F(LeaderElectorTest, NeverDoTwoLeadWhateverHappensToThem) {
  // promise: K-84
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    FakeApiServer server(&time_);
    SeededRandom random(seed);
    std::vector<std::unique_ptr<Candidate>> all;
    for (int i = 0; i < 3; ++i) {
      all.push_back(std::make_unique<Candidate>(&server, &time_, absl::StrCat("c", i)));
      all.back()->Start();
    }
    for (int step = 0; step < 300; ++step) {
      FakeClient& victim = all[random.Below(all.size())]->client;
      Fault fault;
      fault.delay = milliseconds(random.Below(8000));
      fault.carried_out = random.Below(2) == 0;
      switch (random.Below(12)) {
        case 0:
          victim.SetPartitioned(true);
          break;
        case 1:
        case 2:
          victim.SetPartitioned(false);
          break;
        case 3:
          server.EndWatches();
          break;
        case 4:
          server.StallWatches();
          break;
        case 5:
          victim.Inject(fault);
          break;
        default:
          break;
      }
      time_.Advance(milliseconds(random.Below(1000)));
      for (int i = 0; i < 5; ++i) std::this_thread::yield();
      size_t leaders = 0;
      for (const auto& candidate : all) leaders += candidate->elector->IsLeader() ? 1 : 0;
      ASSERT_LE(leaders, 1u) << "seed " << seed << " step " << step;
    }
    for (const auto& candidate : all) {
      candidate->client.ClearFaults();
      candidate->client.SetPartitioned(false);
    }
    bool led = false;
    for (int i = 0; i < 100'000 && !led; ++i) {
      time_.Advance(milliseconds(10));
      std::this_thread::yield();
      for (const auto& candidate : all) led = led || candidate->elector->IsLeader();
    }
    EXPECT_TRUE(led) << "seed " << seed;
  }
}

}  // namespace
}  // namespace fractos::kube
