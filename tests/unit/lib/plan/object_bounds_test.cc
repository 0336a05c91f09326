// The bounds of a TaskGraph object, each at the bound and beyond.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "lib/base/limits.h"
#include "lib/plan/json_text.h"
#include "lib/plan/plan.h"
#include "lib/plan/task_graph_json.h"
#include "lib/plan/yaml_node.h"

namespace fractos {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// One step, with `argument`.
json Object(const json& argument) {
  return {{"metadata", {{"generateName", "sum-"}}},
          {"spec",
           {{"steps",
             {{{"name", "one"},
               {"device", "math"},
               {"operation", "add"},
               {"arguments", {{"a", argument}}}}}}}}};
}

size_t Count(const json& value) {
  size_t count = 1;
  if (value.is_structured()) {
    for (const json& child : value) count += Count(child);
  }
  return count;
}

TEST(ObjectBoundsTest, AGeneratedNameIsEnough) {
  const TaskGraphObject read = ReadTaskGraphObject(Object("x"));
  EXPECT_THAT(read.diagnostics, IsEmpty());
  EXPECT_EQ(read.graph.name, "");
  EXPECT_EQ(read.graph.generate_name, "sum-");
  EXPECT_EQ(read.graph.ns, "default");
}

// promise: L-09
TEST(ObjectBoundsTest, ANamespaceHasSixtyThreeCharacters) {
  const auto faults = [](const std::string& ns) {
    json object = Object("x");
    object["metadata"]["namespace"] = ns;
    object["spec"]["steps"][0]["device"] = ns + "/math";
    const TaskGraphObject read = ReadTaskGraphObject(object);
    std::string all;
    for (const Diagnostic& fault : read.diagnostics) all += fault.ToString();
    for (const Diagnostic& fault : Validate(read.graph, {}, {}, {ns + "/math"})) {
      all += fault.ToString();
    }
    return all;
  };
  EXPECT_EQ(faults("1" + std::string(62, 'n')), "");
  EXPECT_THAT(faults(std::string(64, 'n')), HasSubstr("at most 63 characters"));
  EXPECT_THAT(faults(std::string(64, 'n')), HasSubstr("spec.steps[0].device"));
}

TEST(ObjectBoundsTest, MetadataThatIsNoneIsSaid) {
  json object = Object("x");
  object["metadata"] = 5;
  EXPECT_THAT(ReadTaskGraphObject(object).diagnostics, SizeIs(1));
}

TEST(ObjectBoundsTest, ThirtyTwoDeep) {
  const auto faults = [](int lists, bool maps) {
    json deep = 1;
    for (int i = 0; i < lists; ++i) deep = maps ? json{{"x", deep}} : json::array({deep});
    return ReadTaskGraphObject(Object(deep)).diagnostics;
  };
  // The object, its spec, the steps, the step, its arguments, and the number within.
  constexpr int kOthers = 6;
  for (const bool maps : {false, true}) {
    EXPECT_THAT(faults(static_cast<int>(kMaxYamlDepth) - kOthers, maps), IsEmpty());
    const std::vector<Diagnostic> found =
        faults(static_cast<int>(kMaxYamlDepth) - kOthers + 1, maps);
    ASSERT_THAT(found, SizeIs(1));
    EXPECT_THAT(found[0].message, HasSubstr("nested more than 32 deep"));
  }
}

TEST(ObjectBoundsTest, AsManyValuesAsAFile) {
  json list = json::array();
  const size_t others = Count(Object(list));
  while (list.size() + others < kMaxYamlNodes) list.push_back(1);
  EXPECT_THAT(ReadTaskGraphObject(Object(list)).diagnostics, IsEmpty());
  list.push_back(1);
  const std::vector<Diagnostic> found = ReadTaskGraphObject(Object(list)).diagnostics;
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_EQ(found[0].ToString(), "more than 65536 values");
}

// promise: L-03
TEST(ObjectBoundsTest, AsManyBytesAsAFile) {
  const size_t others = JsonText(Object("")).size();
  const std::string most(kMaxSpecBytes - others, 'x');
  EXPECT_THAT(ReadTaskGraphObject(Object(most)).diagnostics, IsEmpty());
  const std::vector<Diagnostic> found = ReadTaskGraphObject(Object(most + "x")).diagnostics;
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_THAT(found[0].message, HasSubstr("is 262145 bytes long, at most 262144"));
}

}  // namespace
}  // namespace fractos
