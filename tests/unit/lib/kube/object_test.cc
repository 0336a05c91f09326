#include "lib/kube/object.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/status/status.h"

namespace fractos::kube {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

Object Sample() {
  return Object::Parse(R"({
    "apiVersion": "apps/v1", "kind": "StatefulSet",
    "metadata": {
      "name": "storage", "namespace": "default", "uid": "u-1", "resourceVersion": "42",
      "generation": 7, "creationTimestamp": "2026-01-02T03:04:05Z",
      "labels": {"app": "fractos", "odd": 1}, "annotations": {"note": "x"},
      "finalizers": ["fractos.dev/a", "fractos.dev/b"],
      "ownerReferences": [
        {"apiVersion": "v1", "kind": "Node", "name": "n", "uid": "u-n"},
        {"apiVersion": "fractos.dev/v1alpha1", "kind": "DeviceCluster", "name": "storage",
         "uid": "u-d", "controller": true, "blockOwnerDeletion": true}]},
    "spec": {"replicas": 3}, "status": {"readyReplicas": 2}})")
      .value();
}

TEST(ObjectTest, ReadsMetadata) {
  const Object object = Sample();
  EXPECT_EQ(object.api_version(), "apps/v1");
  EXPECT_EQ(object.kind(), "StatefulSet");
  EXPECT_EQ(object.name(), "storage");
  EXPECT_EQ(object.ns(), "default");
  EXPECT_EQ(object.key().ToString(), "default/storage");
  EXPECT_EQ(object.uid(), "u-1");
  EXPECT_EQ(object.resource_version(), "42");
  EXPECT_EQ(object.generation(), 7);
  EXPECT_EQ(object.creation_timestamp(), "2026-01-02T03:04:05Z");
  EXPECT_FALSE(object.deleting());
  EXPECT_EQ(object.label("app"), "fractos");
  EXPECT_EQ(object.annotation("note"), "x");
  EXPECT_THAT(object.labels(), ElementsAre(Pair("app", "fractos")));
  EXPECT_THAT(object.finalizers(), ElementsAre("fractos.dev/a", "fractos.dev/b"));
  EXPECT_EQ(IntegerMember(object.spec(), "replicas"), 3);
  EXPECT_EQ(IntegerMember(object.status(), "readyReplicas"), 2);
  ASSERT_EQ(object.owner_references().size(), 2u);
  EXPECT_EQ(object.controller_of()->kind, "DeviceCluster");
}

// promise: K-01
TEST(ObjectTest, WhatIsAbsentOrOfAnotherTypeIsEmpty) {
  for (const char* text :
       {"{}", R"({"metadata": null})", R"({"metadata": []})", R"({"metadata": "x", "spec": 3})",
        R"({"kind": 5, "metadata": {"name": {}, "namespace": 1, "generation": "7", "labels": [1],
            "finalizers": {"a": "b"}, "ownerReferences": "x", "deletionTimestamp": 3}})",
        R"({"metadata": {"labels": {"app": ["x"]}, "finalizers": [1, null],
            "ownerReferences": [1, "x", null, []]}})"}) {
    const Object object = Object::Parse(text).value();
    EXPECT_EQ(object.kind(), "") << text;
    EXPECT_EQ(object.name(), "") << text;
    EXPECT_EQ(object.ns(), "") << text;
    EXPECT_EQ(object.generation(), 0) << text;
    EXPECT_FALSE(object.deleting()) << text;
    EXPECT_EQ(object.label("app"), "") << text;
    EXPECT_THAT(object.labels(), IsEmpty()) << text;
    EXPECT_THAT(object.finalizers(), IsEmpty()) << text;
    EXPECT_FALSE(object.controller_of().has_value()) << text;
    EXPECT_TRUE(object.spec().empty() || object.spec().is_number()) << text;
  }
  EXPECT_EQ(Object(Json("text")).json(), Json::object());
}

// promise: K-01
TEST(ObjectTest, RefusesWhatIsNoObject) {
  EXPECT_TRUE(absl::IsInvalidArgument(Object::Parse("").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(Object::Parse("[]").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(Object::Parse("{\"a\": }").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(Object::Parse("{} x").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(Object::Parse("{\"a\": \"\xff\"}").status()));
}

// promise: K-01
TEST(ObjectTest, BoundsTheDepthOfJson) {
  const auto nested = [](size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  EXPECT_TRUE(ParseJson(nested(kMaxJsonDepth)).ok());
  EXPECT_TRUE(absl::IsInvalidArgument(ParseJson(nested(kMaxJsonDepth + 1)).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(ParseJson(std::string(1 << 20, '[')).status()));
  // Brackets within a text do not nest.
  EXPECT_TRUE(ParseJson('"' + std::string(1000, '[') + "\\\"" + std::string(1000, '{') + '"').ok());
}

TEST(ObjectTest, WritesTextThatIsUtf8) {
  Object object("v1", "ConfigMap", "ns", "name");
  object.json()["data"]["bad"] = "a\xff";
  EXPECT_TRUE(Object::Parse(object.ToText()).ok());
}

TEST(ObjectTest, KeepsWhatItDoesNotKnow) {
  const char text[] = R"({"a":[1,-2,18446744073709551615,1.5,"\u0000x"],"kind":"K"})";
  EXPECT_EQ(Object::Parse(text)->ToText(), text);
}

TEST(ObjectTest, ChangesMetadata) {
  Object object("v1", "ConfigMap", "ns", "name");
  object.SetLabel("a", "1");
  object.SetAnnotation("b", "2");
  object.set_resource_version("9");
  EXPECT_EQ(object.label("a"), "1");
  EXPECT_EQ(object.annotation("b"), "2");
  EXPECT_EQ(object.resource_version(), "9");
}

TEST(ObjectTest, NamesResources) {
  const GroupVersionResource pods{"", "v1", "pods"};
  const GroupVersionResource sets{"apps", "v1", "statefulsets"};
  EXPECT_EQ(pods.ApiVersion(), "v1");
  EXPECT_EQ(pods.GroupResource(), "pods");
  EXPECT_EQ(sets.ApiVersion(), "apps/v1");
  EXPECT_EQ(sets.GroupResource(), "statefulsets.apps");
}

TEST(ObjectTest, ParsesKeys) {
  EXPECT_EQ(ObjectKey::Parse("ns/name").value(), (ObjectKey{"ns", "name"}));
  EXPECT_EQ(ObjectKey::Parse("name").value(), (ObjectKey{"", "name"}));
  for (const char* bad : {"", "/", "a/", "/b", "a/b/c"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(ObjectKey::Parse(bad).status())) << bad;
  }
}

}  // namespace
}  // namespace fractos::kube
