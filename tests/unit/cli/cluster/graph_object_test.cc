#include "cli/cluster/graph_object.h"

#include "absl/strings/str_cat.h"
#include "tests/unit/cli/cluster/cluster_test.h"

namespace fractos::cluster {
namespace {

using ::testing::HasSubstr;

constexpr char kGraph[] = R"(apiVersion: fractos.dev/v1alpha1
kind: TaskGraph
metadata: {name: classify, labels: {team: vision}}
spec:
  ttlSecondsAfterFinished: 60
  parameters: [{name: image, value: cat.png}, {name: label}]
  steps:
  - {name: read, device: storage, operation: get, arguments: {key: $(parameters.image), part: 3}}
)";

GraphRequest Request(std::string text = kGraph) {
  GraphRequest request;
  request.sources = {{"g.yaml", std::move(text), "/"}};
  request.default_ns = "vision";
  return request;
}

// promise: C-50
TEST(GraphObjectTest, IsTheDocumentWithAGeneratedNameAndTheParametersPutIn) {
  GraphRequest request = Request();
  request.parameters = {{"image", "dog.png"}, {"label", "7"}};
  request.mode = Mode::kCentralized;
  request.deadline = std::chrono::seconds(90);
  const absl::StatusOr<GraphObject> made = MakeGraphObject(request);
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ(made->object.json(), kube::Json::parse(R"json({
    "apiVersion": "fractos.dev/v1alpha1", "kind": "TaskGraph",
    "metadata": {"generateName": "classify-", "namespace": "vision", "labels": {"team": "vision"}},
    "spec": {
      "ttlSecondsAfterFinished": 60, "mode": "Centralized", "deadline": "90s",
      "parameters": [{"name": "image", "value": "dog.png"}, {"name": "label", "value": "7"}],
      "steps": [{"name": "read", "device": "storage", "operation": "get",
                 "arguments": {"key": "$(parameters.image)", "part": 3}}]}})json"));
  EXPECT_EQ(made->graph.ns, "vision");
  EXPECT_TRUE(Validate(made->graph, {}, request.parameters, {"vision/storage"}).empty());
}

// promise: S-02
TEST(GraphObjectTest, SaysInWhichTraceItWasAskedFor) {
  GraphRequest request = Request();
  request.traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  EXPECT_EQ(MakeGraphObject(request)->object.annotation("fractos.dev/traceparent"),
            request.traceparent);
}

TEST(GraphObjectTest, ANameThatIsGivenIsTheNameAndALongOneIsCut) {
  GraphRequest request = Request();
  request.name = "just-so";
  EXPECT_EQ(MakeGraphObject(request)->object.name(), "just-so");
  EXPECT_FALSE(MakeGraphObject(request)->object.metadata().contains("generateName"));
  std::string text = kGraph;
  text.replace(text.find("classify"), 8, std::string(40, 'a'));
  EXPECT_EQ(kube::StringMember(MakeGraphObject(Request(text))->object.metadata(), "generateName"),
            std::string(34, 'a') + "-");
}

TEST(GraphObjectTest, TheNamespaceIsTheUsersOrTheFilesOrTheContexts) {
  std::string text = kGraph;
  text.replace(text.find("labels"), 6, "namespace: mine, labels");
  EXPECT_EQ(MakeGraphObject(Request(text))->object.ns(), "mine");
  GraphRequest request = Request(text);
  request.ns = "mine";
  EXPECT_EQ(MakeGraphObject(request)->object.ns(), "mine");
  request.ns = "yours";
  EXPECT_EQ(MakeGraphObject(request).status().message(),
            "g.yaml: metadata.namespace: is mine, but -n says yours\n");
  request = Request();
  request.ns = "yours";
  EXPECT_EQ(MakeGraphObject(request)->object.ns(), "yours");
}

TEST(GraphObjectTest, DeviceClustersAreReadAndNotPartOfIt) {
  const auto text = [](absl::string_view volume) {
    return absl::StrCat(kGraph, R"(---
apiVersion: fractos.dev/v1alpha1
kind: DeviceCluster
metadata: {name: storage}
spec: {adaptor: {command: [fractos-adaptor, storage]}, volume: )",
                        volume, "}\n");
  };
  const absl::StatusOr<GraphObject> made = MakeGraphObject(Request(text("{claimName: photos}")));
  ASSERT_TRUE(made.ok()) << made.status();
  ASSERT_EQ(made->clusters.size(), 1u);
  EXPECT_EQ(made->clusters[0].FullName(), "default/storage");
  EXPECT_THAT(std::string(MakeGraphObject(Request(text("{}"))).status().message()),
              HasSubstr("spec.volume: must have exactly one of claimName and claimTemplate"));
}

TEST(GraphObjectTest, WhatIsWrongHasItsPlace) {
  std::string text = kGraph;
  text.replace(text.find("device:"), 7, "devise:");
  EXPECT_THAT(std::string(MakeGraphObject(Request(text)).status().message()),
              HasSubstr("g.yaml:8:18: spec.steps[0].devise: "));
  EXPECT_THAT(std::string(MakeGraphObject(Request("{}")).status().message()), HasSubstr("g.yaml"));
  EXPECT_THAT(
      std::string(
          MakeGraphObject(Request(absl::StrCat(kGraph, "---\n", kGraph))).status().message()),
      HasSubstr("g.yaml"));
}

}  // namespace
}  // namespace fractos::cluster
