#include "operator/reconcilers/device_cluster_reconciler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "lib/api/conditions.h"
#include "lib/api/names.h"
#include "lib/kube/errors.h"
#include "lib/kube/event_recorder.h"
#include "lib/kube/lease_lock.h"
#include "tests/unit/operator/world.h"

namespace fractos {
namespace {

using kube::Json;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class FakeLinks final : public ClusterLinks {
 public:
  void Learn(const ClusterView& cluster) override { learned[cluster.cluster] = cluster; }
  void Unlearn(const std::string& cluster) override { learned.erase(cluster); }
  std::map<std::string, ClusterView> learned;
};

class DeviceClusterReconcilerTest : public ::testing::Test {
 protected:
  DeviceClusterReconcilerTest() {
    reconciler_ = NewReconciler();
    next_ = NewReconciler();
    reconciler_->Watch(&queue_);
    world_.Start({kDeviceClusters, kPods, kStatefulSets, kServices, kServiceAccounts, kRoles,
                  kRoleBindings, kBudgets, kNetworkPolicies, kClaims});
  }
  ~DeviceClusterReconcilerTest() override { world_.Stop(); }

  std::unique_ptr<DeviceClusterReconciler> NewReconciler() {
    DeviceClusterReconciler::Options options;
    options.client = &world_.client;
    options.clock = &world_.time;
    options.events = &*events_;
    options.directory = &directory_;
    options.defaults = {"daemon", "adaptor", "cnn"};
    return std::make_unique<DeviceClusterReconciler>(options, world_.manager.get());
  }

  kube::Object PutCluster(const std::string& name, int replicas, Json more = Json::object()) {
    kube::Object cluster("fractos.dev/v1alpha1", "DeviceCluster", "ns", name);
    cluster.mutable_spec() = {{"replicas", replicas},
                              {"adaptor", {{"command", {"fractos-adaptor", "storage"}}}}};
    cluster.mutable_spec().update(more);
    return world_.Put(kDeviceClusters, cluster);
  }

  // Reconciles, and lets the caches see what came of it.
  absl::StatusOr<ctrl::Result> Reconcile(const std::string& name = "storage") {
    absl::StatusOr<ctrl::Result> result = reconciler_->Reconcile({{"ns", name}}, {});
    world_.CatchUp(kDeviceClusters, {"ns", name});
    if (world_.server.Find({kStatefulSets, "ns"}, name).has_value()) {
      for (const auto& resource : {kServiceAccounts, kRoles, kRoleBindings, kNetworkPolicies}) {
        world_.CatchUp(resource, {"ns", name + "-daemon"});
      }
      world_.CatchUp(kBudgets, {"ns", name + "-daemon"});
      world_.CatchUp(kServices, {"ns", name});
      world_.CatchUp(kStatefulSets, {"ns", name});
    }
    return result;
  }
  void ReconcileOk(const std::string& name = "storage") {
    const absl::StatusOr<ctrl::Result> result = Reconcile(name);
    ASSERT_TRUE(result.ok()) << result.status();
  }

  // The hand of the StatefulSet's controller and the kubelets.
  void SetRevision(const std::string& name, const std::string& revision) {
    kube::Object set = *world_.server.Find({kStatefulSets, "ns"}, name);
    set.mutable_status() = {{"observedGeneration", set.generation()}, {"updateRevision", revision}};
    world_.Put(kStatefulSets, set);
  }
  kube::Object PutPod(const std::string& cluster, int ordinal, const std::string& revision,
                      bool ready = true) {
    kube::Object pod("v1", "Pod", "ns", absl::StrCat(cluster, "-", ordinal));
    pod.SetLabel(kManagedByLabel, "fractos-operator");
    pod.SetLabel(kClusterLabel, cluster);
    pod.SetLabel(kRevisionLabel, revision);
    pod.SetLabel(kVersionLabel, "9");
    pod.mutable_status()["conditions"] =
        Json::array({{{"type", "Ready"}, {"status", ready ? "True" : "False"}}});
    return world_.Put(kPods, pod);
  }
  // Its first pod was asked to end, and does not.
  void LosePod(const std::string& cluster) {
    SetRevision(cluster, "r");
    kube::Object pod = PutPod(cluster, 0, "r", /*ready=*/false);
    // The server would let it go otherwise.
    pod.mutable_metadata()["finalizers"] = kube::Json::array({"fractos.dev/test"});
    world_.Put(kPods, pod);
    kube::FakeClient somebody(&world_.server);
    ASSERT_TRUE(somebody.Delete({}, {kPods, "ns"}, pod.name(), {}).ok());
    world_.CatchUp(kPods, pod.key());
  }
  // A replica says that it leads, and what its device is.
  void Hear(const std::string& cluster, uint32_t replica, uint64_t epoch, bool stateful = false) {
    directory_.OnPeer({{{"ns/" + cluster, replica}, BootId()},
                       epoch,
                       stateful ? R"({"device":"x","stateful":true,"operations":[]})"
                                : R"({"device":"x","operations":[{"name":"get"}]})",
                       ""});
  }
  bool HasPod(const std::string& name) {
    return world_.server.Find({kPods, "ns"}, name).has_value();
  }
  std::string Condition(const std::string& type, const std::string& name = "storage") {
    const kube::Object cluster = *world_.server.Find({kDeviceClusters, "ns"}, name);
    const Json& found = FindCondition(cluster.status(), type);
    return kube::StringMember(found, "status") + " " + kube::StringMember(found, "reason");
  }

  // Whether there is something to do, soon.
  bool IsEnqueued() {
    const absl::Time until = absl::Now() + absl::Seconds(10);
    while (queue_.Len() == 0 && absl::Now() < until) std::this_thread::yield();
    return queue_.Len() > 0;
  }

  FakeLinks links_;
  DeviceDirectory directory_{&links_};
  World world_;
  SeededRandom random_{1};
  kube::FakeClient events_client_{&world_.server};
  std::optional<kube::EventRecorder> events_{
      std::in_place, &events_client_, &world_.time, &random_,
      kube::EventRecorder::Options{"fractos-operator", "pod"}};
  kube::WorkQueue queue_{{&world_.time, nullptr, nullptr}};
  std::unique_ptr<DeviceClusterReconciler> reconciler_;
  std::unique_ptr<DeviceClusterReconciler> next_;  // of the operator that takes over
};

// promise: O-11
TEST_F(DeviceClusterReconcilerTest, AppliesWhatIsNotThereAndThenNothing) {
  PutCluster("storage", 3);
  ReconcileOk();
  for (const auto& [resource, name] :
       {std::pair(kStatefulSets, "storage"), std::pair(kServices, "storage"),
        std::pair(kServiceAccounts, "storage-daemon"), std::pair(kRoles, "storage-daemon"),
        std::pair(kRoleBindings, "storage-daemon"), std::pair(kBudgets, "storage-daemon"),
        std::pair(kNetworkPolicies, "storage-daemon"), std::pair(kube::kLeases, "storage")}) {
    EXPECT_TRUE(world_.server.Find({resource, "ns"}, name).has_value()) << resource.resource;
  }
  EXPECT_THAT(links_.learned["ns/storage"].endpoints, testing::SizeIs(3));
  EXPECT_EQ(Condition("Progressing"), "True Applying");
  const size_t applied = world_.client.count("apply");
  ReconcileOk();
  EXPECT_EQ(world_.client.count("apply"), applied);
  const size_t patched = world_.client.count("patch-status");
  ReconcileOk();
  EXPECT_EQ(world_.client.count("patch-status"), patched) << "a status that is no news is not sent";
}

// promise: O-11
TEST_F(DeviceClusterReconcilerTest, MendsWhatSomebodyElseChanged) {
  PutCluster("storage", 1);
  ReconcileOk();
  kube::Object set = *world_.server.Find({kStatefulSets, "ns"}, "storage");
  set.mutable_spec()["replicas"] = 0;
  world_.Put(kStatefulSets, set);
  ReconcileOk();
  EXPECT_EQ(world_.server.Find({kStatefulSets, "ns"}, "storage")->spec()["replicas"], 1);
}

// What it writes, it looks at once more: a replica may be lost and back before the cache knows that
// it was said to be lost, and then there seemed to be nothing to write.
// promise: O-11
TEST_F(DeviceClusterReconcilerTest, LooksAgainWhenTheCacheKnowsWhatItWrote) {
  PutCluster("storage", 1);
  ReconcileOk();
  ReconcileOk();
  ASSERT_TRUE(IsEnqueued());
  while (queue_.Len() > 0) queue_.Done(*queue_.Get());
  Hear("storage", 0, 1);
  const size_t written = world_.client.count("patch-status");
  ReconcileOk();
  ASSERT_GT(world_.client.count("patch-status"), written);
  EXPECT_TRUE(IsEnqueued());
}

// promise: O-16
TEST_F(DeviceClusterReconcilerTest, LeavesAloneWhatIsNotItsOwn) {
  kube::Object theirs("v1", "Service", "ns", "storage");
  theirs.mutable_spec()["clusterIP"] = "10.0.0.1";
  world_.server.Put({kServices, "ns"}, theirs);
  PutCluster("storage", 1);
  const absl::StatusOr<ctrl::Result> result = reconciler_->Reconcile({{"ns", "storage"}}, {});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(Condition("Accepted"), "False NameTaken");
  EXPECT_EQ(Condition("Progressing"), "False NameTaken");
  EXPECT_EQ(world_.server.Find({kServices, "ns"}, "storage")->spec()["clusterIP"], "10.0.0.1");
  // Nobody watches what is not the operator's, so it looks again by itself.
  EXPECT_EQ(result->requeue_after, seconds(30));
  world_.server.Remove({kServices, "ns"}, "storage");
  ReconcileOk();
  EXPECT_EQ(Condition("Accepted"), "True Accepted");
}

// The daemons' right to a Lease goes by its name: another controller's is none of theirs to win.
// promise: O-16
TEST_F(DeviceClusterReconcilerTest, ALeaseOfSomebodyElseIsNotStoodForElectionWith) {
  kube::Object theirs(kube::kLeases.ApiVersion(), "Lease", "ns", "storage");
  theirs.mutable_spec()["holderIdentity"] = "another controller";
  world_.server.Put({kube::kLeases, "ns"}, theirs);
  PutCluster("storage", 1);
  const absl::StatusOr<ctrl::Result> result = reconciler_->Reconcile({{"ns", "storage"}}, {});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(Condition("Accepted"), "False NameTaken");
  EXPECT_FALSE(world_.server.Find({kRoles, "ns"}, "storage-daemon").has_value());
  EXPECT_FALSE(world_.server.Find({kStatefulSets, "ns"}, "storage").has_value());
}

// promise: O-24
TEST_F(DeviceClusterReconcilerTest, WhatTheApiServerRefusesIsNotAccepted) {
  int replicas = 0;
  for (const absl::Status& refused :
       {kube::InvalidError("spec.template.spec.containers[1].volumeMounts[2].mountPath: must be "
                           "unique"),
        kube::MakeError({.code = 400, .reason = kube::kReasonBadRequest, .message = "mountPath"}),
        kube::MakeError({.code = 500,
        .message = "failed to create typed patch object (ns/storage; apps/v1, Kind=StatefulSet): "
                   ".spec.template.spec.containers[name=\"adaptor\"].volumeMounts: duplicate "
                   "entries for key [mountPath=\"/tmp\"]"})}) {
    PutCluster("storage", ++replicas);
    world_.client.Inject(Failing("apply", "statefulsets", refused, -1));
    const absl::StatusOr<ctrl::Result> result = Reconcile();
    EXPECT_FALSE(result.ok()) << "it is tried again, later each time";
    EXPECT_EQ(Condition("Accepted"), "False InvalidSpec");
    EXPECT_EQ(Condition("Progressing"), "False InvalidSpec");
    const kube::Object cluster = *world_.server.Find({kDeviceClusters, "ns"}, "storage");
    EXPECT_THAT(kube::StringMember(FindCondition(cluster.status(), "Accepted"), "message"),
                HasSubstr("mountPath"));
    const size_t written = world_.client.count("patch-status");
    EXPECT_FALSE(Reconcile().ok());
    EXPECT_EQ(world_.client.count("patch-status"), written) << "its own words are no news to it";
    world_.client.ClearFaults();
    ReconcileOk();
    EXPECT_EQ(Condition("Accepted"), "True Accepted");
    EXPECT_EQ(Condition("Progressing"), "True Applying");
  }
}

// promise: O-14
TEST_F(DeviceClusterReconcilerTest, NeverTouchesWhatTheDaemonsWrite) {
  PutCluster("storage", 1);
  ReconcileOk();
  kube::Object led = *world_.server.Find({kDeviceClusters, "ns"}, "storage");
  led.mutable_status()["leaderEpoch"] = 7;
  led.mutable_status()["leader"] = {{"pod", "storage-0"}, {"endpoint", "e"}};
  // The cache does not know yet.
  world_.server.Put({kDeviceClusters, "ns"}, led);
  Hear("storage", 0, 7);
  ReconcileOk();
  const Json status = world_.server.Find({kDeviceClusters, "ns"}, "storage")->status();
  EXPECT_EQ(status["leaderEpoch"], 7);
  EXPECT_EQ(status["leader"]["pod"], "storage-0");
  EXPECT_EQ(status["operations"][0]["name"], "get");
  EXPECT_EQ(Condition("Ready"), "True Leading");
}

// promise: O-26
TEST_F(DeviceClusterReconcilerTest, IsReadyOnceTheLeadersOwnAdaptorHasDescribedItself) {
  PutCluster("storage", 2);
  ReconcileOk();
  Hear("storage", 1, 0);
  const PeerInfo silent{{{"ns/storage", 0}, BootId()}, 3, "", ""};
  directory_.OnPeer(silent);
  ReconcileOk();
  EXPECT_EQ(Condition("Ready"), "False NotDescribed");
  Hear("storage", 0, 3);
  ReconcileOk();
  EXPECT_EQ(Condition("Ready"), "True Leading");
}

// promise: O-20
TEST_F(DeviceClusterReconcilerTest, RollsOnePodAtATimeAndTheLeaderLast) {
  PutCluster("storage", 2);
  ReconcileOk();
  Hear("storage", 1, 3);
  PutPod("storage", 0, "old");
  PutPod("storage", 1, "old");
  SetRevision("storage", "new");
  ReconcileOk();
  EXPECT_FALSE(HasPod("storage-0"));
  EXPECT_TRUE(HasPod("storage-1"));
  EXPECT_EQ(Condition("Progressing"), "True RollingUpdate");

  // The cache still has the pod that was deleted: nothing more is deleted on its word.
  ReconcileOk();
  EXPECT_TRUE(HasPod("storage-1"));

  PutPod("storage", 0, "new", /*ready=*/false);
  ReconcileOk();
  EXPECT_TRUE(HasPod("storage-1"));
  PutPod("storage", 0, "new");
  ReconcileOk();
  EXPECT_FALSE(HasPod("storage-1"));
  PutPod("storage", 1, "new");
  ReconcileOk();
  EXPECT_EQ(Condition("Progressing"), "False Complete");
}

// promise: O-23
TEST_F(DeviceClusterReconcilerTest, ManualLeavesThePodsToTheUser) {
  PutCluster("storage", 1, {{"updatePolicy", "Manual"}});
  ReconcileOk();
  PutPod("storage", 0, "old");
  SetRevision("storage", "new");
  ReconcileOk();
  EXPECT_TRUE(HasPod("storage-0"));
  EXPECT_EQ(Condition("Progressing"), "False Manual");
}

// promise: O-21
TEST_F(DeviceClusterReconcilerTest, OneClusterRollsAtATime) {
  for (const char* name : {"storage", "math"}) {
    PutCluster(name, 1);
    ReconcileOk(name);
    PutPod(name, 0, "old");
    SetRevision(name, "new");
  }
  ReconcileOk("storage");
  EXPECT_FALSE(HasPod("storage-0"));
  const absl::StatusOr<ctrl::Result> waits = Reconcile("math");
  ASSERT_TRUE(waits.ok());
  EXPECT_EQ(waits->requeue_after, seconds(5));
  EXPECT_TRUE(HasPod("math-0"));
  EXPECT_EQ(Condition("Progressing", "math"), "True WaitingForTurn");
  PutPod("storage", 0, "new");
  ReconcileOk("storage");
  ReconcileOk("math");
  EXPECT_FALSE(HasPod("math-0"));
}

// promise: O-21
TEST_F(DeviceClusterReconcilerTest, WhoeverWaitsInItsTurnSaysSoonThatItLostIt) {
  for (const int replicas : {1, 2}) {  // the last pod to replace, and one of those before
    const std::string name = absl::StrCat("rolls", replicas);
    PutCluster(name, replicas);
    ReconcileOk(name);
    for (int i = 0; i < replicas; ++i) PutPod(name, i, "old");
    SetRevision(name, "new");
    PutCluster("math", 1);
    ReconcileOk("math");
    PutPod("math", 0, "old");
    SetRevision("math", "new");

    ReconcileOk(name);
    const int replaced = HasPod(absl::StrCat(name, "-0")) ? 1 : 0;
    PutPod(name, replaced, "new", /*ready=*/false);
    const absl::StatusOr<ctrl::Result> holds = Reconcile(name);
    ASSERT_TRUE(holds.ok());
    EXPECT_EQ(holds->requeue_after, seconds(5));
    EXPECT_EQ(Condition("Progressing", name), "True RollingUpdate");
    world_.time.Advance(std::chrono::minutes(10));
    ReconcileOk("math");
    EXPECT_FALSE(HasPod("math-0")) << "it got nowhere";
    ReconcileOk(name);
    EXPECT_NE(Condition("Progressing", name), "True RollingUpdate");
    PutPod("math", 0, "new");
    ReconcileOk("math");
  }
}

// promise: O-21
TEST_F(DeviceClusterReconcilerTest, AnOperatorThatTakesOverLetsTheOneThatRollsGoOn) {
  for (const char* name : {"math", "storage"}) {
    PutCluster(name, 1);
    ReconcileOk(name);
    PutPod(name, 0, "old");
    SetRevision(name, "new");
  }
  ReconcileOk("storage");
  ASSERT_FALSE(HasPod("storage-0"));
  PutPod("storage", 0, "new", /*ready=*/false);
  ReconcileOk("storage");
  EXPECT_EQ(Condition("Progressing"), "True RollingUpdate") << "it is not well yet";
  std::swap(reconciler_, next_);
  ReconcileOk("math");
  ReconcileOk("math");
  EXPECT_TRUE(HasPod("math-0"));
  EXPECT_EQ(Condition("Progressing", "math"), "True WaitingForTurn");
  PutPod("storage", 0, "new");
  for (int i = 0; i < 2; ++i) ReconcileOk("storage");
  ReconcileOk("math");
  EXPECT_FALSE(HasPod("math-0"));
}

// promise: O-22
TEST_F(DeviceClusterReconcilerTest, LetsGoOfAPodOnADeadNodeUnlessItHasAVolume) {
  PutCluster("storage", 1);
  PutCluster("kept", 1, {{"volume", {{"claimName", "c"}}}});
  const Json claimed = {{"name", "c"}, {"persistentVolumeClaim", {{"claimName", "c"}}}};
  PutCluster("claimed", 1, {{"template", {{"volumes", Json::array({claimed})}}}});
  for (const char* name : {"storage", "kept", "claimed"}) {
    ReconcileOk(name);
    LosePod(name);
  }
  const absl::StatusOr<ctrl::Result> early = Reconcile("storage");
  ASSERT_TRUE(early.ok());
  EXPECT_GT(early->requeue_after, seconds(10));
  EXPECT_EQ(world_.client.count("delete"), 0u);
  world_.time.Advance(seconds(12));
  ReconcileOk("storage");
  ASSERT_EQ(world_.client.count("delete"), 1u);
  EXPECT_EQ(world_.client.calls("delete")[0].name, "storage-0");
  ReconcileOk("kept");
  ReconcileOk("claimed");
  EXPECT_EQ(world_.client.count("delete"), 1u);
}

// promise: O-22
TEST_F(DeviceClusterReconcilerTest, LetsGoOfAPodOnADeadNodeThoughNothingCanBeApplied) {
  PutCluster("storage", 1);
  ReconcileOk();
  LosePod("storage");
  PutCluster("storage", 2);
  world_.client.Inject(
      Failing("apply", "statefulsets", kube::InternalError("failed calling webhook"), -1));
  EXPECT_FALSE(Reconcile().ok());
  EXPECT_EQ(world_.client.count("delete"), 0u);
  while (queue_.Len() > 0) queue_.Done(*queue_.Get());
  world_.time.Advance(seconds(12));
  EXPECT_TRUE(IsEnqueued()) << "when its time has come, not when the next try has";
  EXPECT_FALSE(Reconcile().ok());
  ASSERT_EQ(world_.client.count("delete"), 1u);
  EXPECT_EQ(world_.client.calls("delete")[0].name, "storage-0");
}

// promise: O-27
TEST_F(DeviceClusterReconcilerTest, WhatStandsIsPublishedThoughNothingCanBeApplied) {
  PutCluster("storage", 3);
  ReconcileOk();
  const kube::Fault refused =
      Failing("apply", "statefulsets", kube::InternalError("failed calling webhook"), -1);
  for (const int wanted : {5, 2}) {
    // The next operator, which knows of nothing that was applied or heard.
    directory_.Withdraw("ns/storage");
    PutCluster("storage", wanted);
    world_.client.Inject(refused);
    EXPECT_FALSE(Reconcile().ok());
    EXPECT_THAT(links_.learned["ns/storage"].endpoints, testing::SizeIs(3)) << "those there are";
  }
  world_.client.ClearFaults();
  ReconcileOk();
  EXPECT_THAT(links_.learned["ns/storage"].endpoints, testing::SizeIs(2));
}

// promise: O-29
TEST_F(DeviceClusterReconcilerTest, AReplicaThatIsToGoIsLinkedUntilItHasGone) {
  PutCluster("storage", 3);
  ReconcileOk();
  for (const int ordinal : {0, 1, 2}) PutPod("storage", ordinal, "r");
  PutPod("storage-more", 7, "r");
  Hear("storage", 2, 1);
  PutCluster("storage", 1);
  ReconcileOk();
  EXPECT_EQ(world_.server.Find({kStatefulSets, "ns"}, "storage")->spec()["replicas"], 1);
  EXPECT_THAT(links_.learned["ns/storage"].endpoints, testing::SizeIs(3)) << "it leads, and drains";
  EXPECT_EQ(directory_.Find("ns/storage")->leader, 2u);
  // The next operator has none of it to lose, and none of it to miss.
  directory_.Withdraw("ns/storage");
  world_.client.Inject(Failing("get", "leases", kube::InternalError("away")));
  EXPECT_FALSE(Reconcile().ok());
  EXPECT_THAT(links_.learned["ns/storage"].endpoints, testing::SizeIs(3));

  world_.Remove(kPods, {"ns", "storage-1"});
  ReconcileOk();
  EXPECT_THAT(links_.learned["ns/storage"].endpoints, testing::SizeIs(3)) << "its end may be first";
  while (queue_.Len() > 0) queue_.Done(*queue_.Get());
  world_.Remove(kPods, {"ns", "storage-2"});
  EXPECT_TRUE(IsEnqueued());
  ReconcileOk();
  EXPECT_THAT(links_.learned["ns/storage"].endpoints, testing::SizeIs(1));
}

// promise: O-27
TEST_F(DeviceClusterReconcilerTest, WhatStandsIsPublishedThoughTheSpecMakesNoSense) {
  PutCluster("storage", 2);
  ReconcileOk();
  directory_.Withdraw("ns/storage");
  PutCluster("storage", 2, {{"adaptor", {{"command", Json::array()}}}});
  ReconcileOk();
  EXPECT_EQ(Condition("Accepted"), "False InvalidSpec");
  EXPECT_THAT(links_.learned["ns/storage"].endpoints, testing::SizeIs(2));
}

// promise: O-28
TEST_F(DeviceClusterReconcilerTest, AChangeOfOperatorsDoesNotMakeADeviceUnready) {
  PutCluster("storage", 1);
  ReconcileOk();
  EXPECT_EQ(Condition("Ready"), "False NoReplica") << "nothing of it stood before";
  Hear("storage", 0, 1);
  ReconcileOk();
  const Json ready =
      FindCondition(world_.server.Find({kDeviceClusters, "ns"}, "storage")->status(), "Ready");
  world_.time.Advance(seconds(5));
  const auto take_over = [this] {
    directory_.Withdraw("ns/storage");
    const absl::StatusOr<ctrl::Result> result = Reconcile();
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_EQ(result->requeue_after, seconds(10));
  };
  take_over();
  EXPECT_EQ(
      FindCondition(world_.server.Find({kDeviceClusters, "ns"}, "storage")->status(), "Ready"),
      ready);
  Hear("storage", 0, 1);
  directory_.OnPeerLost({"ns/storage", 0});
  ReconcileOk();
  EXPECT_EQ(Condition("Ready"), "False NoReplica") << "it was heard, and lost";

  Hear("storage", 0, 1);
  ReconcileOk();
  take_over();
  EXPECT_EQ(Condition("Ready"), "True Leading");
  world_.time.Advance(seconds(10));
  ReconcileOk();
  EXPECT_EQ(Condition("Ready"), "False NoReplica");
}

// promise: O-16
TEST_F(DeviceClusterReconcilerTest, WhatIsSomebodyElsesIsNotPublished) {
  PutCluster("storage", 1);
  ReconcileOk();
  world_.Remove(kServices, {"ns", "storage"});
  kube::Object theirs("v1", "Service", "ns", "storage");
  world_.server.Put({kServices, "ns"}, theirs);
  for (int i = 0; i < 2; ++i) {
    directory_.Withdraw("ns/storage");
    ASSERT_TRUE(reconciler_->Reconcile({{"ns", "storage"}}, {}).ok());
    EXPECT_EQ(Condition("Accepted"), "False NameTaken");
    EXPECT_TRUE(links_.learned.empty());
    world_.CatchUp(kDeviceClusters, {"ns", "storage"});
  }
}

// Its pods are another's, and go with it.
TEST_F(DeviceClusterReconcilerTest, WhatAnEarlierClusterLeftIsNotPublished) {
  PutCluster("storage", 1);
  ReconcileOk();
  world_.Remove(kDeviceClusters, {"ns", "storage"});
  ReconcileOk();
  PutCluster("storage", 1);
  EXPECT_TRUE(absl::IsUnavailable(Reconcile().status()));
  EXPECT_TRUE(links_.learned.empty());
}

// promise: O-15
TEST_F(DeviceClusterReconcilerTest, ADeviceThatKeepsStateIsLeftOneReplicaWithoutASharedVolume) {
  PutCluster("storage", 3);
  ReconcileOk();
  Hear("storage", 0, 1, /*stateful=*/true);
  ReconcileOk();
  EXPECT_EQ(Condition("Accepted"), "False NeedsSharedVolume");
  EXPECT_EQ(world_.server.Find({kStatefulSets, "ns"}, "storage")->spec()["replicas"], 1);
  // The next operator has not heard from the device yet, and starts no more replicas meanwhile.
  directory_.Withdraw("ns/storage");
  ReconcileOk();
  EXPECT_EQ(world_.server.Find({kStatefulSets, "ns"}, "storage")->spec()["replicas"], 1);
}

TEST_F(DeviceClusterReconcilerTest, TheClaimIsMadeOnceAndTheBudgetGoesWithTheReplicas) {
  const Json volume = Json::parse(
      R"({"claimTemplate":{"accessModes":["ReadWriteMany"],"resources":{"requests":{"storage":"1Gi"}}}})");
  PutCluster("storage", 2, {{"volume", volume}});
  ReconcileOk();
  world_.CatchUp(kClaims, {"ns", "storage-data"});
  EXPECT_TRUE(world_.server.Find({kBudgets, "ns"}, "storage-daemon").has_value());
  PutCluster("storage", 1, {{"volume", volume}});
  ReconcileOk();
  EXPECT_FALSE(world_.server.Find({kBudgets, "ns"}, "storage-daemon").has_value());
  EXPECT_TRUE(world_.server.Find({kClaims, "ns"}, "storage-data").has_value());
}

// promise: O-17
TEST_F(DeviceClusterReconcilerTest, ALeaseThatWasDeletedIsMadeAgain) {
  PutCluster("storage", 1);
  ReconcileOk();
  Hear("storage", 0, 1);
  world_.server.Remove({kube::kLeases, "ns"}, "storage");
  ReconcileOk();
  Hear("storage", 0, 0);  // its leader could not renew
  ReconcileOk();
  EXPECT_TRUE(world_.server.Find({kube::kLeases, "ns"}, "storage").has_value());
}

TEST_F(DeviceClusterReconcilerTest, SaysWhatItHasNoRightTo) {
  PutCluster("storage", 1);
  world_.client.Inject(
      Failing("apply", "roles", kube::ForbiddenError(kRoles, "patch", "storage-daemon"), -1));
  const absl::StatusOr<ctrl::Result> result = reconciler_->Reconcile({{"ns", "storage"}}, {});
  ASSERT_FALSE(result.ok());
  EXPECT_THAT(std::string(result.status().message()), HasSubstr("roles"));
  ASSERT_TRUE(events_client_.AwaitCalls("create", 1));
  EXPECT_EQ(events_client_.calls("create")[0].body["reason"], "FailedApply");
  world_.client.ClearFaults();
  ReconcileOk();
}

TEST_F(DeviceClusterReconcilerTest, BeingToldToStopIsNoFault) {
  PutCluster("storage", 1);
  std::stop_source stop;
  kube::Fault told = Failing("apply", "roles", absl::CancelledError("request"));
  told.before = [&stop] { stop.request_stop(); };
  world_.client.Inject(told);
  EXPECT_FALSE(reconciler_->Reconcile({{"ns", "storage"}}, stop.get_token()).ok());
  events_.reset();
  EXPECT_EQ(events_client_.count("create"), 0u) << "nothing is said of it";
}

TEST_F(DeviceClusterReconcilerTest, ADeletedClusterIsForgotten) {
  PutCluster("storage", 1);
  ReconcileOk();
  world_.Remove(kDeviceClusters, {"ns", "storage"});
  ASSERT_TRUE(reconciler_->Reconcile({{"ns", "storage"}}, {}).ok());
  EXPECT_TRUE(links_.learned.empty());
}

TEST_F(DeviceClusterReconcilerTest, ASpecThatMakesNoSenseIsSaid) {
  kube::Object cluster("fractos.dev/v1alpha1", "DeviceCluster", "ns", "storage");
  cluster.mutable_spec() = {{"adaptor", {{"command", Json::array()}}}};
  world_.Put(kDeviceClusters, cluster);
  ReconcileOk();
  EXPECT_EQ(Condition("Accepted"), "False InvalidSpec");
}

}  // namespace
}  // namespace fractos
