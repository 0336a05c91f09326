#include "operator/reconcilers/device_cluster_objects.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "lib/api/names.h"

namespace fractos {
namespace {

using kube::Json;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

const ReleaseDefaults kDefaults{"r/daemon:1", "r/adaptor:1", "r/cnn:1"};

kube::Object Cluster(Json spec) {
  kube::Object cluster("fractos.dev/v1alpha1", "DeviceCluster", "ns", "storage");
  cluster.mutable_metadata()["uid"] = "u-1";
  cluster.mutable_metadata()["generation"] = 4;
  cluster.mutable_spec() = std::move(spec);
  return cluster;
}

DeviceClusterSpec Read(Json spec) {
  return ReadDeviceClusterSpec(Cluster(std::move(spec))).value();
}

Json Small() { return {{"adaptor", {{"command", {"fractos-adaptor", "storage"}}}}}; }

Json Full() {
  return Json::parse(R"json({
    "replicas": 3,
    "adaptor": {"command": ["fractos-adaptor", "storage", "$(HOME)"], "options": {"root": "/data"},
                "env": [{"name": "A", "value": "b"}],
                "volumeMounts": [{"name": "models", "mountPath": "/models"}]},
    "leaderElection": {"leaseDurationSeconds": 9, "renewDeadlineSeconds": 6, "retryPeriodSeconds": 2},
    "maxInFlight": 8,
    "volume": {"claimTemplate": {"accessModes": ["ReadWriteMany"],
                                 "resources": {"requests": {"storage": "1Gi"}}}},
    "template": {"metadata": {"labels": {"team": "x"}, "annotations": {"note": "y"}},
                 "resources": {"limits": {"cpu": "1"}},
                 "nodeSelector": {"disk": "ssd"},
                 "tolerations": [{"key": "node.kubernetes.io/unreachable", "operator": "Exists",
                                  "effect": "NoExecute", "tolerationSeconds": 300}],
                 "imagePullSecrets": [{"name": "pull"}],
                 "volumes": [{"name": "models", "configMap": {"name": "m"}}]}})json");
}

std::string ReadGolden(const std::string& name) {
  std::ifstream in(
      absl::StrCat(FRACTOS_SOURCE_DIR, "/tests/unit/operator/reconcilers/golden/", name));
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

const kube::Object& Find(const std::vector<DesiredObject>& objects, const std::string& kind) {
  static const kube::Object none;
  for (const DesiredObject& each : objects) {
    if (each.object.kind() == kind) return each.object;
  }
  ADD_FAILURE() << "no " << kind;
  return none;
}

std::vector<std::string> Kinds(const std::vector<DesiredObject>& objects) {
  std::vector<std::string> kinds;
  for (const DesiredObject& each : objects) kinds.push_back(each.object.kind());
  return kinds;
}

// The whole of what is made of two DeviceClusters, so that every change of it is seen in review.
// FRACTOS_UPDATE_GOLDEN=1 writes the files.
// promise: O-11
TEST(DeviceClusterObjectsTest, AreAsTheGoldenFilesHaveThem) {
  for (const auto& [name, spec] : {std::pair("small", Small()), std::pair("full", Full())}) {
    SCOPED_TRACE(name);
    const DeviceClusterSpec read = Read(spec);
    Json list = Json::array();
    for (const DesiredObject& each : BuildObjects(read, kDefaults, read.replicas)) {
      list.push_back(each.object.json());
    }
    list.push_back(BuildLease(read).object.json());
    if (const auto claim = BuildClaim(read); claim.has_value()) {
      list.push_back(claim->object.json());
    }
    std::string text = list.dump(1) + "\n";
    const std::string version = FRACTOS_VERSION;
    for (size_t at = text.find(version); at != std::string::npos; at = text.find(version, at)) {
      text.replace(at, version.size(), "VERSION");
    }
    const std::string file = absl::StrCat(name, ".json");
    if (std::getenv("FRACTOS_UPDATE_GOLDEN") != nullptr) {
      std::ofstream(
          absl::StrCat(FRACTOS_SOURCE_DIR, "/tests/unit/operator/reconcilers/golden/", file))
          << text;
    }
    EXPECT_EQ(text, ReadGolden(file));
  }
}

// promise: O-11
TEST(DeviceClusterObjectsTest, AllBelongToTheClusterSaveTheClaim) {
  const DeviceClusterSpec spec = Read(Full());
  for (const DesiredObject& each : BuildObjects(spec, kDefaults, 3)) {
    SCOPED_TRACE(each.object.kind());
    ASSERT_TRUE(each.object.controller_of().has_value());
    EXPECT_EQ(each.object.controller_of()->uid, "u-1");
    EXPECT_EQ(each.object.label(kManagedByLabel), "fractos-operator");
    EXPECT_EQ(each.object.label(kClusterLabel), "storage");
  }
  EXPECT_TRUE(BuildLease(spec).object.controller_of().has_value());
  EXPECT_FALSE(BuildClaim(spec)->object.controller_of().has_value()) << "its data outlives it";
}

TEST(DeviceClusterObjectsTest, OneReplicaHasNoBudget) {
  EXPECT_THAT(Kinds(BuildObjects(Read(Small()), kDefaults, 1)),
              Not(Contains("PodDisruptionBudget")));
  EXPECT_THAT(Kinds(BuildObjects(Read(Full()), kDefaults, 3)), Contains("PodDisruptionBudget"));
  EXPECT_EQ(Kinds(BuildObjects(Read(Full()), kDefaults, 3)).back(), "StatefulSet");
}

// promise: O-13
TEST(DeviceClusterObjectsTest, TheDaemonMayDoLittleAndTheAdaptorNothing) {
  const std::vector<DesiredObject> objects = BuildObjects(Read(Full()), kDefaults, 3);
  for (const Json& rule : Find(objects, "Role").json()["rules"]) {
    EXPECT_THAT(rule["resourceNames"], ElementsAre("storage"));
    for (const Json& verb : rule["verbs"]) EXPECT_NE(verb, "*");
  }
  const Json& pod = Find(objects, "StatefulSet").spec()["template"]["spec"];
  EXPECT_EQ(pod["automountServiceAccountToken"], false);
  for (const Json& container : pod["containers"]) {
    bool has_token = false;
    for (const Json& mount : container["volumeMounts"]) {
      has_token = has_token || mount["name"] == "fractos-token";
    }
    EXPECT_EQ(has_token, container["name"] == "daemon");
  }
}

// promise: O-25
TEST(DeviceClusterObjectsTest, AMountAtTmpTakesThePlaceOfTheDefault) {
  Json full = Full();
  for (const char* path : {"/tmp", "/tmp/"}) {
    full["adaptor"]["volumeMounts"] = Json::array({{{"name", "models"}, {"mountPath", path}}});
    std::vector<std::string> mounted;
    const Json pod = BuildPodTemplate(Read(full), kDefaults)["spec"];
    for (const Json& container : pod["containers"]) {
      if (container["name"] != "adaptor") continue;
      for (const Json& mount : container["volumeMounts"]) {
        mounted.push_back(kube::StringMember(mount, "name"));
      }
    }
    EXPECT_THAT(mounted, ElementsAre("fractos", "data", "models"));
  }
}

// promise: O-13
TEST(DeviceClusterObjectsTest, PodsFitPodSecurityRestricted) {
  const Json pod = BuildPodTemplate(Read(Full()), kDefaults)["spec"];
  EXPECT_EQ(pod["securityContext"]["runAsNonRoot"], true);
  EXPECT_EQ(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
  ASSERT_EQ(pod["containers"].size(), 2u);
  for (const Json& container : pod["containers"]) {
    const Json& context = container["securityContext"];
    EXPECT_EQ(context["allowPrivilegeEscalation"], false);
    EXPECT_EQ(context["readOnlyRootFilesystem"], true);
    EXPECT_EQ(context["runAsNonRoot"], true);
    EXPECT_EQ(context["capabilities"]["drop"], Json::array({"ALL"}));
  }
}

TEST(DeviceClusterObjectsTest, TheImageIsGivenOrTheReleases) {
  const auto image = [](Json adaptor) {
    const Json pod = BuildPodTemplate(Read({{"adaptor", std::move(adaptor)}}), kDefaults)["spec"];
    return pod["containers"][1]["image"].get<std::string>();
  };
  EXPECT_EQ(image({{"command", {"fractos-adaptor", "storage"}}}), "r/adaptor:1");
  EXPECT_EQ(image({{"command", {"fractos-adaptor", "cnn"}}}), "r/cnn:1");
  EXPECT_EQ(image({{"command", {"mine", "cnn"}}, {"image", "me/mine"}}), "me/mine");
}

// promise: S-06
TEST(DeviceClusterObjectsTest, DaemonsSendSpansWhereTheOperatorDoes) {
  const auto arguments = [](const ReleaseDefaults& defaults) {
    return BuildPodTemplate(Read(Full()), defaults)["spec"]["containers"][0]["args"].dump();
  };
  EXPECT_THAT(arguments(kDefaults), Not(HasSubstr("otlp")));
  ReleaseDefaults traced = kDefaults;
  traced.otlp_endpoint = "http://collector:4318";
  EXPECT_THAT(arguments(traced), HasSubstr("\"--otlp-endpoint=http://collector:4318\""));
}

TEST(DeviceClusterObjectsTest, DaemonsAreVerboseWhereTheOperatorIs) {
  const auto arguments = [](const ReleaseDefaults& defaults) {
    return BuildPodTemplate(Read(Full()), defaults)["spec"]["containers"][0]["args"];
  };
  EXPECT_THAT(arguments(kDefaults), Not(Contains("--verbose")));
  ReleaseDefaults verbose = kDefaults;
  verbose.verbose = true;
  EXPECT_THAT(arguments(verbose), Contains("--verbose"));
}

// promise: O-22
TEST(DeviceClusterObjectsTest, DeadNodesAreBorneForThirtySecondsUnlessToldOtherwise) {
  const Json pod = BuildPodTemplate(Read(Full()), kDefaults)["spec"];
  ASSERT_EQ(pod["tolerations"].size(), 2u);
  EXPECT_EQ(pod["tolerations"][0]["tolerationSeconds"], 300);
  EXPECT_EQ(pod["tolerations"][1]["key"], "node.kubernetes.io/not-ready");
  EXPECT_EQ(pod["tolerations"][1]["tolerationSeconds"], 30);
}

// promise: O-22
TEST(DeviceClusterObjectsTest, WhetherAPodWritesWhatStaysGoesByItsVolumes) {
  EXPECT_TRUE(Read(Full()).WritesWhatStays());
  EXPECT_FALSE(Read(Small()).WritesWhatStays());
  const auto writes = [](const char* volume) {
    Json spec = Small();
    spec["template"]["volumes"] = Json::array({Json::parse(volume)});
    return Read(spec).WritesWhatStays();
  };
  EXPECT_TRUE(writes(R"({"name":"v","persistentVolumeClaim":{"claimName":"c"}})"));
  EXPECT_TRUE(writes(R"({"name":"v","csi":{"driver":"d"}})"));
  EXPECT_FALSE(writes(R"({"name":"v","persistentVolumeClaim":{"claimName":"c","readOnly":true}})"));
  EXPECT_FALSE(writes(R"({"name":"v","csi":{"driver":"d","readOnly":true}})"));
  EXPECT_FALSE(writes(R"({"name":"v","ephemeral":{"volumeClaimTemplate":{"spec":{}}}})"));
  EXPECT_FALSE(writes(R"({"name":"v","configMap":{"name":"m"}})"));
}

TEST(DeviceClusterObjectsTest, WhatCannotDoWithoutIsNamed) {
  EXPECT_EQ(ReadDeviceClusterSpec(Cluster({{"adaptor", Json::object()}})).status().message(),
            "spec.adaptor.command: must name a program");
  Json many = Small();
  many["replicas"] = 65;
  EXPECT_FALSE(ReadDeviceClusterSpec(Cluster(many)).ok());
}

TEST(DeviceClusterObjectsTest, ReplicasAreReachedByTheNamesOfTheirPods) {
  EXPECT_THAT(ViewOf(Read(Full()), 2).endpoints,
              ElementsAre("storage-0.storage.ns.svc:7447", "storage-1.storage.ns.svc:7447"));
}

}  // namespace
}  // namespace fractos
