#include "operator/reconcilers/device_cluster_status.h"

#include <gtest/gtest.h>

#include "lib/api/conditions.h"

namespace fractos {
namespace {

using kube::Json;

class DeviceClusterStatusTest : public ::testing::Test {
 protected:
  DeviceClusterStatusTest() {
    spec_.key = {"ns", "storage"};
    spec_.generation = 3;
    spec_.replicas = 2;
    observed_.settled = true;
    for (const char* name : {"storage-0", "storage-1"}) {
      PodState pod;
      pod.name = name;
      pod.ready = true;
      pod.version = "1";
      observed_.pods.push_back(pod);
    }
    DeviceState device;
    device.linked = 2;
    device.leader = 1;
    device.leader_described = true;
    device.epoch = 4;
    device.description =
        ParseDeviceDescription(
            R"({"device":"storage","operations":[{"name":"get","effect":"none"}]})")
            .value();
    observed_.device = device;
  }

  std::string Reason(const char* type) {
    const Json& condition = FindCondition(Build(), type);
    return kube::StringMember(condition, "status") + " " + kube::StringMember(condition, "reason");
  }
  const Json& Build() {
    return built_ = BuildDeviceClusterStatus(spec_, before_, refusal_, observed_, WallTime());
  }

  DeviceClusterSpec spec_;
  Json before_ = Json::object();
  SpecRefusal refusal_;
  Observed observed_;
  Json built_;
};

// promise: O-10
TEST_F(DeviceClusterStatusTest, SaysThatAllIsWell) {
  const Json& status = Build();
  EXPECT_EQ(status["observedGeneration"], 3);
  EXPECT_EQ(status["replicas"], 2);
  EXPECT_EQ(status["readyReplicas"], 2);
  EXPECT_EQ(status["version"], "1");
  EXPECT_EQ(status["operations"][0]["name"], "get");
  EXPECT_EQ(status["selector"],
            "app.kubernetes.io/component=daemon,app.kubernetes.io/name=fractos,"
            "fractos.dev/devicecluster=storage");
  EXPECT_EQ(Reason("Accepted"), "True Accepted");
  EXPECT_EQ(Reason("Ready"), "True Leading");
  EXPECT_EQ(Reason("Progressing"), "False Complete");
  EXPECT_EQ(Reason("Degraded"), "False AsExpected");
}

// promise: O-14
TEST_F(DeviceClusterStatusTest, LeaderAndEpochAreNotTheOperators) {
  EXPECT_FALSE(Build().contains("leaderEpoch"));
  EXPECT_FALSE(Build().contains("leader"));
}

TEST_F(DeviceClusterStatusTest, IsReadyOnlyWithALeaderThatHasDescribedItsDevice) {
  observed_.device->description.reset();
  EXPECT_EQ(Reason("Ready"), "False NotDescribed");
  observed_.device->leader.reset();
  EXPECT_EQ(Reason("Ready"), "False NoLeader");
  observed_.device->linked = 0;
  EXPECT_EQ(Reason("Ready"), "False NoReplica");
  observed_.device.reset();
  EXPECT_EQ(Reason("Ready"), "False NoReplica");
}

// promise: O-28
TEST_F(DeviceClusterStatusTest, StaysAsReadyAsItWasUntilThisOperatorHasHeard) {
  before_ = Build();
  const Json ready = FindCondition(before_, "Ready");
  observed_.device->linked = 0;
  observed_.unheard = true;
  EXPECT_EQ(FindCondition(Build(), "Ready"), ready);
  ++spec_.generation;
  EXPECT_EQ(Reason("Ready"), "Unknown NotHeard") << "what stands is of another generation";
  before_ = Json::object();
  EXPECT_EQ(Reason("Ready"), "Unknown NotHeard");
  refusal_ = {"NameTaken", "of somebody else"};
  EXPECT_EQ(Reason("Ready"), "False NameTaken");
}

// promise: O-12
TEST_F(DeviceClusterStatusTest, IsDegradedForThePodsReason) {
  observed_.pods[1].ready = false;
  observed_.pods[1].trouble = "CrashLoopBackOff";
  observed_.pods[1].trouble_message = "pod storage-1, container adaptor: back-off";
  EXPECT_EQ(Reason("Degraded"), "True CrashLoopBackOff");
  EXPECT_EQ(kube::StringMember(FindCondition(built_, "Degraded"), "message"),
            "pod storage-1, container adaptor: back-off");
}

TEST_F(DeviceClusterStatusTest, SaysHowARollOutGoes) {
  observed_.rollout.outdated = 1;
  observed_.pods[0].version = "0";
  before_["version"] = "0";
  EXPECT_EQ(Reason("Progressing"), "True RollingUpdate");
  EXPECT_EQ(built_["version"], "0") << "the old one until the last is replaced";
  observed_.rollout.outdated = 0;
  observed_.ends_turn = true;
  EXPECT_EQ(Reason("Progressing"), "True RollingUpdate");
  observed_.rollout.outdated = 1;
  observed_.waits_for_turn = true;
  EXPECT_EQ(Reason("Progressing"), "True WaitingForTurn");
  spec_.manual = true;
  EXPECT_EQ(Reason("Progressing"), "False Manual");
  observed_.settled = false;
  EXPECT_EQ(Reason("Progressing"), "True Applying");
}

// promise: O-15
TEST_F(DeviceClusterStatusTest, ADeviceThatKeepsStateNeedsASharedVolumeForItsReplicas) {
  EXPECT_EQ(CheckVolume(spec_, /*stateful=*/false).reason, "");
  refusal_ = CheckVolume(spec_, /*stateful=*/true);
  EXPECT_EQ(Reason("Accepted"), "False NeedsSharedVolume");
  EXPECT_EQ(Reason("Ready"), "False NeedsSharedVolume");
  EXPECT_NE(refusal_.message.find("spec.volume"), std::string::npos);
  EXPECT_EQ(Reason("Progressing"), "True Scaling") << "down to one";
  observed_.pods.pop_back();
  EXPECT_EQ(Reason("Progressing"), "False Complete") << "nothing more is done";

  spec_.volume = Json::parse(R"({"claimTemplate":{"accessModes":["ReadWriteOnce"]}})");
  EXPECT_EQ(CheckVolume(spec_, true).reason, "NeedsSharedVolume");
  spec_.volume["claimTemplate"]["accessModes"] = {"ReadWriteMany"};
  EXPECT_EQ(CheckVolume(spec_, true).reason, "");
  spec_.volume = {{"claimName", "mine"}};
  EXPECT_EQ(CheckVolume(spec_, true).reason, "");
  spec_.volume = Json();
  spec_.replicas = 1;
  EXPECT_EQ(CheckVolume(spec_, true).reason, "");
}

}  // namespace
}  // namespace fractos
