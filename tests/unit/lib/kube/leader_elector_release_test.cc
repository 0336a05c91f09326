// How a leader gives its Lease back.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <utility>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "lib/kube/time.h"
#include "tests/unit/lib/kube/leader_elector_harness.h"

namespace fractos::kube {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;

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

}  // namespace
}  // namespace fractos::kube
