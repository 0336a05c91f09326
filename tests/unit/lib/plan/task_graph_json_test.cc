#include "lib/plan/task_graph_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lib/base/limits.h"
#include "lib/plan/json_text.h"
#include "tests/unit/lib/plan/shipped.h"

namespace fractos {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

json Object() {
  return json::parse(R"json({
    "apiVersion": "fractos.dev/v1alpha1", "kind": "TaskGraph",
    "metadata": {"name": "sum-x7k2p", "generateName": "sum-", "namespace": "ns", "uid": "u",
                 "managedFields": [{"f:x": null}]},
    "spec": {"cancel": true, "ttlSecondsAfterFinished": 5, "deadline": "5m",
             "parameters": [{"name": "a", "value": "1"}],
             "steps": [{"name": "one", "device": "math", "operation": "add",
                        "arguments": {"a": "$(parameters.a)", "b": 2, "c": 1.5, "d": true}}]},
    "status": {"phase": null}})json");
}

TEST(TaskGraphJsonTest, ReadsWhatIsTheGraphs) {
  const TaskGraphObject read = ReadTaskGraphObject(Object());
  EXPECT_THAT(read.diagnostics, IsEmpty());
  EXPECT_EQ(read.graph.name, "sum-x7k2p");
  EXPECT_EQ(read.graph.generate_name, "");
  EXPECT_EQ(read.graph.ns, "ns");
  EXPECT_EQ(read.graph.deadline, std::chrono::minutes(5));
  EXPECT_TRUE(read.graph.cancel);
  ASSERT_THAT(read.graph.steps, SizeIs(1));
  EXPECT_EQ(read.graph.steps[0].arguments,
            R"json({"a":"$(parameters.a)","b":2,"c":1.5,"d":true})json");
}

TEST(TaskGraphJsonTest, TextThatLooksLikeANumberStaysText) {
  json object = Object();
  object["spec"]["steps"][0]["arguments"] = {{"key", "007"}, {"yes", "no"}};
  EXPECT_EQ(ReadTaskGraphObject(object).graph.steps[0].arguments, R"({"key":"007","yes":"no"})");
}

TEST(TaskGraphJsonTest, FieldsAreNamedAsInFiles) {
  json object = Object();
  object["spec"]["steps"][0]["inputz"] = json::object();
  object["spec"]["mode"] = 5;
  const TaskGraphObject read = ReadTaskGraphObject(object);
  ASSERT_THAT(read.diagnostics, SizeIs(2));
  EXPECT_EQ(read.diagnostics[0].field, "spec.steps[0].inputz");
  EXPECT_THAT(read.diagnostics[0].message, HasSubstr("did you mean \"inputs\"?"));
  EXPECT_EQ(read.diagnostics[1].field, "spec.mode");
}

TEST(TaskGraphJsonTest, WhatIsNoObjectIsSaid) {
  for (const json& wrong : {json(), json(5), json::array(), json{{"spec", 1}}}) {
    EXPECT_FALSE(ReadTaskGraphObject(wrong).diagnostics.empty()) << wrong;
  }
}

TEST(TaskGraphJsonTest, DepthAndSizeAreBounded) {
  json deep = 1;
  for (int i = 0; i < 40; ++i) deep = {{"x", deep}};
  json object = Object();
  object["spec"]["steps"][0]["arguments"]["a"] = deep;
  ASSERT_THAT(ReadTaskGraphObject(object).diagnostics, SizeIs(1));
  EXPECT_THAT(ReadTaskGraphObject(object).diagnostics[0].message, HasSubstr("32 deep"));
  object = Object();
  object["spec"]["steps"][0]["arguments"]["a"] = std::string(kMaxSpecBytes, 'x');
  ASSERT_THAT(ReadTaskGraphObject(object).diagnostics, SizeIs(1));
  EXPECT_EQ(ReadTaskGraphObject(object).diagnostics[0].field, "spec");
}

}  // namespace
}  // namespace fractos
