#include "operator/reconcilers/rollout.h"

#include <gtest/gtest.h>

namespace fractos {
namespace {

using std::chrono::seconds;
using Action = Rollout::Action;

PodState Pod(const std::string& name, const std::string& revision, bool ready = true) {
  PodState pod;
  pod.name = name;
  pod.uid = "uid of " + name;
  pod.revision = revision;
  pod.ready = ready;
  return pod;
}

// promise: O-20
TEST(RolloutTest, ReplacesFollowersOneByOneAndTheLeaderLast) {
  std::vector<PodState> pods = {Pod("a-0", "old"), Pod("a-1", "old"), Pod("a-2", "old")};
  Rollout next = PlanRollout(pods, 3, "new", "a-1");
  EXPECT_EQ(next.action, Action::kDelete);
  EXPECT_EQ(next.pod, "a-2");
  EXPECT_EQ(next.uid, "uid of a-2");
  EXPECT_EQ(next.outdated, 3u);

  pods[2] = Pod("a-2", "new", /*ready=*/false);
  next = PlanRollout(pods, 3, "new", "a-1");
  EXPECT_EQ(next.action, Action::kWait) << "one at a time";
  EXPECT_NE(next.why.find("a-2"), std::string::npos) << next.why;

  pods[2].ready = true;
  EXPECT_EQ(PlanRollout(pods, 3, "new", "a-1").pod, "a-0");
  pods[0] = Pod("a-0", "new");
  EXPECT_EQ(PlanRollout(pods, 3, "new", "a-1").pod, "a-1");
  pods[1] = Pod("a-1", "new");
  EXPECT_EQ(PlanRollout(pods, 3, "new", "a-0").action, Action::kNone);
}

// promise: O-20
TEST(RolloutTest, WaitsForPodsThatEndOrAreMissing) {
  std::vector<PodState> pods = {Pod("a-0", "old"), Pod("a-1", "old")};
  EXPECT_EQ(PlanRollout(pods, 3, "new", "a-0").action, Action::kWait);
  pods.push_back(Pod("a-2", "old", /*ready=*/false));
  pods.back().deleting = true;
  EXPECT_EQ(PlanRollout(pods, 3, "new", "a-0").action, Action::kWait);
}

TEST(RolloutTest, WhatDoesNotWorkGoesFirst) {
  const std::vector<PodState> pods = {Pod("a-0", "old", /*ready=*/false), Pod("a-1", "old")};
  EXPECT_EQ(PlanRollout(pods, 2, "new", "a-1").pod, "a-0");
}

TEST(RolloutTest, NothingThatWorksGoesWhileNobodyIsKnownToLead) {
  const std::vector<PodState> pods = {Pod("a-0", "old"), Pod("a-1", "old")};
  EXPECT_EQ(PlanRollout(pods, 2, "new", "").action, Action::kWait);
  EXPECT_EQ(PlanRollout({Pod("a-0", "old")}, 1, "new", "").pod, "a-0") << "there is nobody else";
}

TEST(RolloutTest, WithoutARevisionNothingIsKnown) {
  EXPECT_EQ(PlanRollout({Pod("a-0", "old")}, 1, "", "").action, Action::kWait);
}

// promise: O-22
TEST(RolloutTest, FindsPodsThatDoNotEnd) {
  PodState pod = Pod("a-0", "old");
  const WallTime now = WallTime(seconds(1'700'000'000));
  EXPECT_TRUE(FindStuckPods({pod}, now).empty());
  pod.deleting = true;
  pod.gone_by = now - kStuckAfter;
  EXPECT_TRUE(FindStuckPods({pod}, now).empty());
  EXPECT_EQ(FindStuckPods({pod}, now + seconds(1)).size(), 1u);
}

// promise: O-21
TEST(RolloutTest, OneClusterHasTheTurnUntilItYieldsOrGetsNowhere) {
  RolloutTurn turn;
  const Time start = Time(std::chrono::hours(1));
  EXPECT_TRUE(turn.Take("ns/a", "3 left", start));
  EXPECT_FALSE(turn.Take("ns/b", "1 left", start));
  EXPECT_TRUE(turn.Take("ns/a", "2 left", start + std::chrono::minutes(9)));
  EXPECT_FALSE(turn.Take("ns/b", "1 left", start + std::chrono::minutes(18))) << "a gets on";
  EXPECT_TRUE(turn.Take("ns/b", "1 left", start + std::chrono::minutes(19)));
  EXPECT_EQ(turn.holder(), "ns/b");
  turn.Yield("ns/a");
  EXPECT_EQ(turn.holder(), "ns/b");
  turn.Yield("ns/b");
  EXPECT_TRUE(turn.Take("ns/a", "2 left", start + std::chrono::minutes(19)));
}

// promise: O-12
TEST(RolloutTest, ReadsWhyAPodCannotWork) {
  kube::Object pod("v1", "Pod", "ns", "a-0");
  pod.SetLabel("controller-revision-hash", "r1");
  pod.mutable_status()["conditions"] =
      kube::Json::array({{{"type", "Ready"}, {"status", "False"}}});
  pod.mutable_status()["containerStatuses"] = kube::Json::array(
      {{{"name", "daemon"}, {"state", {{"waiting", {{"reason", "ContainerCreating"}}}}}},
       {{"name", "adaptor"},
        {"state", {{"waiting", {{"reason", "ImagePullBackOff"}, {"message", "no such image"}}}}}}});
  PodState state = ReadPod(pod);
  EXPECT_EQ(state.revision, "r1");
  EXPECT_FALSE(state.ready);
  EXPECT_EQ(state.trouble, "ImagePullBackOff");
  EXPECT_EQ(state.trouble_message, "pod a-0, container adaptor: no such image");

  pod.mutable_status() = {{"conditions", kube::Json::array({{{"type", "PodScheduled"},
                                                             {"status", "False"},
                                                             {"reason", "Unschedulable"},
                                                             {"message", "0/3 nodes"}}})}};
  EXPECT_EQ(ReadPod(pod).trouble, "Unschedulable");

  pod.mutable_status() = {
      {"conditions", kube::Json::array({{{"type", "Ready"}, {"status", "True"}}})}};
  state = ReadPod(pod);
  EXPECT_TRUE(state.ready);
  EXPECT_EQ(state.trouble, "");
}

// A pod that is not ready, with one container.
kube::Object PodWith(kube::Json container) {
  kube::Object pod("v1", "Pod", "ns", "a-0");
  container["name"] = "daemon";
  pod.mutable_status()["containerStatuses"] = kube::Json::array({std::move(container)});
  return pod;
}

// promise: O-12
TEST(RolloutTest, SaysWhatAContainerThatEndsAgainAndAgainSaidLast) {
  const kube::Json ended = {{"terminated",
                             {{"exitCode", 2},
                              {"reason", "Error"},
                              {"message", "the adaptor refuses its options:\nno \"modle\"\n"}}}};
  const std::string words =
      "pod a-0, container daemon: exit code 2: the adaptor refuses its options:; no \"modle\"";
  PodState state = ReadPod(PodWith(
      {{"state", {{"waiting", {{"reason", "CrashLoopBackOff"}, {"message", "back-off 10s"}}}}},
       {"lastState", ended},
       {"restartCount", 5}}));
  EXPECT_EQ(state.trouble, "CrashLoopBackOff");
  EXPECT_EQ(state.trouble_message, words);
  // It has just been started again, or has just ended.
  const kube::Json running = {{"running", kube::Json::object()}};
  state = ReadPod(PodWith({{"state", running}, {"lastState", ended}, {"restartCount", 2}}));
  EXPECT_EQ(state.trouble, "Error");
  EXPECT_EQ(state.trouble_message, words);
  EXPECT_EQ(ReadPod(PodWith({{"state", ended}, {"restartCount", 3}})).trouble, "Error");

  // Once is no trouble, nor is an end as it should be.
  EXPECT_EQ(
      ReadPod(PodWith({{"state", running}, {"lastState", ended}, {"restartCount", 1}})).trouble,
      "");
  EXPECT_EQ(ReadPod(PodWith({{"state", running},
                             {"lastState", {{"terminated", {{"exitCode", 0}}}}},
                             {"restartCount", 7}}))
                .trouble,
            "");
}

}  // namespace
}  // namespace fractos
