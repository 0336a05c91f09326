#include "lib/kube/leader_election_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

namespace fractos::kube {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;

// What is said against the options so changed.
std::string Refusal(const std::function<void(LeaderElectionOptions*)>& change) {
  LeaderElectionOptions options;
  options.lock = {"ns", "leader", "me", {}, {}};
  options.callbacks.on_started_leading = [](const auto&, const auto&) {};
  options.callbacks.on_stopped_leading = [] {};
  if (change) change(&options);
  return std::string(Validate(options).message());
}

TEST(LeaderElectionOptionsTest, RefusesWhatCannotBeSafe) {
  // promise: K-85
  EXPECT_EQ(Refusal(nullptr), "");
  // What a DeviceCluster has.
  EXPECT_EQ(Refusal([](auto* o) {
              o->lease_duration = seconds(5);
              o->renew_deadline = seconds(3);
              o->retry_period = seconds(1);
            }),
            "");
  EXPECT_EQ(Refusal([](auto* o) { o->lease_duration = seconds(13); }), "");
  EXPECT_THAT(Refusal([](auto* o) { o->lease_duration = seconds(12); }),
              HasSubstr("leaseDuration"));
  EXPECT_THAT(Refusal([](auto* o) { o->lease_duration = milliseconds(15500); }),
              HasSubstr("whole number of seconds"));
  EXPECT_THAT(Refusal([](auto* o) { o->lease_duration = Duration(0); }),
              HasSubstr("leaseDuration"));
  EXPECT_THAT(Refusal([](auto* o) { o->renew_deadline = milliseconds(2400); }),
              HasSubstr("renewDeadline"));
  EXPECT_THAT(Refusal([](auto* o) { o->retry_period = Duration(0); }), HasSubstr("retryPeriod"));
  EXPECT_THAT(Refusal([](auto* o) { o->lock.identity = ""; }), HasSubstr("identity"));
  EXPECT_THAT(Refusal([](auto* o) { o->lock.name = ""; }), HasSubstr("name"));
  EXPECT_THAT(Refusal([](auto* o) { o->callbacks.on_stopped_leading = nullptr; }),
              HasSubstr("callback"));
}

TEST(UniqueIdentityTest, DiffersEachTime) {
  // promise: K-82
  SeededRandom random(1);
  const std::string first = UniqueIdentity("pod-0", random);
  EXPECT_THAT(first, ::testing::MatchesRegex("pod-0_[0-9a-f]+"));
  EXPECT_NE(UniqueIdentity("pod-0", random), first);
}

}  // namespace
}  // namespace fractos::kube
