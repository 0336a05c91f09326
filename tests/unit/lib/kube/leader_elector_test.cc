#include "lib/kube/leader_elector.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <utility>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "lib/kube/errors.h"
#include "lib/kube/healthz_adaptor.h"
#include "lib/kube/time.h"
#include "tests/unit/lib/kube/candidate.h"

namespace fractos::kube {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const Collection kCollection{kLeases, "ns"};

class LeaderElectorTest : public ::testing::Test {
 protected:
  std::unique_ptr<Candidate> Make(
      const std::string& identity,
      const std::function<void(LeaderElectionOptions*)>& change = nullptr) {
    return std::make_unique<Candidate>(&server_, &time_, identity, change);
  }
  // Leads, and waits for its next renewal.
  std::unique_ptr<Candidate> MakeLeader(
      const std::string& identity,
      const std::function<void(LeaderElectionOptions*)>& change = nullptr) {
    auto leader = Make(identity, change);
    leader->Start();
    EXPECT_EQ(leader->Await(1).size(), 1u);
    EXPECT_TRUE(time_.AwaitWaiter(seconds(2)));
    EXPECT_TRUE(leader->client.AwaitCalls("watch", 1));
    return leader;
  }
  // Has seen who leads, and waits until that runs out.
  std::unique_ptr<Candidate> MakeStandby(
      const std::string& identity, Duration left = seconds(15),
      const std::function<void(LeaderElectionOptions*)>& change = nullptr) {
    auto standby = Make(identity, change);
    standby->Start();
    EXPECT_EQ(standby->AwaitLeaders(1).size(), 1u);
    EXPECT_TRUE(time_.AwaitWaiter(left));
    return standby;
  }
  LeaderElectionRecord Record() { return ReadLease(*server_.Find(kCollection, "leader")).record; }
  // A Lease held by somebody who is not there.
  void PutLease(const std::string& holder, int duration, const std::string& renewed,
                int transitions, const std::string& label = "") {
    Object lease("coordination.k8s.io/v1", "Lease", "ns", "leader");
    lease.mutable_spec() = {{"holderIdentity", holder},
                            {"leaseDurationSeconds", duration},
                            {"acquireTime", renewed},
                            {"renewTime", renewed},
                            {"leaseTransitions", transitions}};
    if (!label.empty()) lease.SetLabel("x", label);
    server_.Put(kCollection, lease);
  }

  FakeTime time_;
  FakeApiServer server_{&time_};
};

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

TEST_F(LeaderElectorTest, GivesTheLeaseBackAfterTheWorkHasStopped) {
  // promise: K-81
  std::atomic<bool> held_when_stopped{false};
  const auto a = MakeLeader("a", [&](LeaderElectionOptions* options) {
    options->release_on_cancel = true;
    options->callbacks.on_stopped_leading = [&] {
      held_when_stopped = Record().holder_identity == "a";
    };
  });
  const auto b = MakeStandby("b");
  a->Stop();
  EXPECT_TRUE(held_when_stopped);
  // No time passes: the standby sees that it is free.
  EXPECT_THAT(b->Await(1), ElementsAre("started 1"));
  EXPECT_EQ(Record().holder_identity, "b");
}

TEST_F(LeaderElectorTest, WhatIsGivenBackRightAfterAnAttemptIsTakenWithoutAnyWait) {
  // promise: K-81
  PutLease("a", 15, FormatMicroTime(time_.WallNow()), 0);
  LeaderElector* elector = nullptr;
  // Between the attempt that found it held and the wait for its end.
  const auto give_back = [&](const std::string&) {
    PutLease("", 1, FormatMicroTime(time_.WallNow()), 0);
    const absl::Time until = absl::Now() + absl::FromChrono(seconds(20));
    while (!elector->GetLeader().empty() && absl::Now() < until) std::this_thread::yield();
  };
  bool given_back = false;
  const auto b = Make("b", [&](LeaderElectionOptions* options) {
    options->callbacks.on_new_leader = [&](const std::string& leader) {
      if (!std::exchange(given_back, true)) give_back(leader);
    };
  });
  elector = b->elector.get();
  b->Start();
  EXPECT_THAT(b->Await(1), ElementsAre("started 1"));
}

TEST_F(LeaderElectorTest, AReleasedLeaseIsFreeForASecondAtMost) {
  // promise: K-81
  const auto a = MakeLeader("a", [](auto* options) { options->release_on_cancel = true; });
  time_.Advance(seconds(1));
  a->Stop();
  const LeaderElectionRecord record = Record();
  EXPECT_EQ(record.holder_identity, "");
  EXPECT_EQ(record.lease_duration_seconds, 1);
  EXPECT_EQ(record.lease_transitions, 0);
  EXPECT_EQ(record.renew_time, FormatMicroTime(time_.WallNow()));
  EXPECT_EQ(record.acquire_time, record.renew_time);
}

TEST_F(LeaderElectorTest, GivesTheLeaseBackThoughItsLastRenewalCameThroughUnseen) {
  // promise: K-81
  const auto a = MakeLeader("a", [](auto* options) { options->release_on_cancel = true; });
  Fault race;
  race.verb = "update";
  race.before = [this] {
    Object lease = *server_.Find(kCollection, "leader");
    lease.SetLabel("x", "y");
    server_.Put(kCollection, lease);
  };
  a->client.Inject(race);
  a->Stop();
  EXPECT_EQ(Record().holder_identity, "");
  EXPECT_EQ(a->client.count("update"), 2u);
}

TEST_F(LeaderElectorTest, DoesNotGiveBackWhatIsAnothers) {
  // promise: K-81
  const auto a = MakeLeader("a", [](auto* options) { options->release_on_cancel = true; });
  Fault race;
  race.verb = "get";
  race.before = [this] { PutLease("b", 15, "2023-11-14T22:13:20.000000Z", 1); };
  a->client.Inject(race);
  a->Stop();
  EXPECT_EQ(Record().holder_identity, "b");
}

TEST_F(LeaderElectorTest, GivingBackEndsAtItsOwnDeadline) {
  // promise: K-81
  const auto a = MakeLeader("a", [](auto* options) { options->release_on_cancel = true; });
  Fault hang;
  hang.verb = "get";
  hang.delay = Duration::max();
  a->client.Inject(hang);
  a->RequestStop();
  ASSERT_TRUE(time_.AwaitWaiter(seconds(10)));
  time_.Advance(seconds(10));
  a->Stop();
  EXPECT_EQ(a->Await(3).at(2), "ended OK");
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
