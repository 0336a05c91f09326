// "A file is never half obeyed": what is not known is refused, in each of the maps there are.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "tests/unit/lib/plan/shipped.h"

namespace fractos {
namespace {

using ::testing::HasSubstr;

constexpr char kGraph[] =
    "apiVersion: fractos.dev/v1alpha1\nkind: TaskGraph\nmetadata: {name: x <metadata>}\n"
    "spec:\n"
    "  parameters: [{name: p, value: v <parameter>}]\n"
    "  steps:\n"
    "  - {name: a, device: d, operation: o <step>}\n"
    "  - {name: s, device: d, operation: o, inputs: {a: a},\n"
    "     when: {input: a, equals: x <when>}, retry: {limit: 1 <retry>}}\n"
    "  <spec>\n<document>\n";
constexpr char kCluster[] =
    "apiVersion: fractos.dev/v1alpha1\nkind: DeviceCluster\nmetadata: {name: x <metadata>}\n"
    "spec:\n"
    "  adaptor: {command: [x], env: [{name: A, value: x <env>}] <adaptor>}\n"
    "  <spec>\n<document>\n";

// Of `text` with an unknown field in the map `where`, and none in the others.
std::string FaultsWithOneIn(std::string text, const std::string& where) {
  const bool block = where == "spec" || where == "document";
  const std::string name = absl::StrCat("<", where, ">");
  EXPECT_THAT(text, HasSubstr(name));
  text = absl::StrReplaceAll(text, {{name, block ? "bogus: 1" : ", bogus: 1"}});
  for (size_t from; (from = text.find('<')) != std::string::npos;) {
    text.erase(from, text.find('>') + 1 - from);
  }
  return Faults(text, "f", {}, {}, {"default/d"});
}

// promise: B-03
TEST(KnownFieldsTest, InATaskGraph) {
  const std::pair<const char*, const char*> maps[] = {{"metadata", "metadata.bogus"},
                                                      {"parameter", "spec.parameters[0].bogus"},
                                                      {"step", "spec.steps[0].bogus"},
                                                      {"when", "spec.steps[1].when.bogus"},
                                                      {"retry", "spec.steps[1].retry.bogus"},
                                                      {"spec", "spec.bogus"},
                                                      {"document", "bogus"}};
  for (const auto& [map, field] : maps) {
    EXPECT_THAT(FaultsWithOneIn(kGraph, map), HasSubstr(absl::StrCat(field, ": unknown field")));
  }
}

// promise: B-03
TEST(KnownFieldsTest, InADeviceCluster) {
  const std::pair<const char*, const char*> maps[] = {{"metadata", "metadata.bogus"},
                                                      {"adaptor", "spec.adaptor.bogus"},
                                                      {"env", "spec.adaptor.env[0].bogus"},
                                                      {"spec", "spec.bogus"},
                                                      {"document", "bogus"}};
  for (const auto& [map, field] : maps) {
    EXPECT_THAT(FaultsWithOneIn(kCluster, map), HasSubstr(absl::StrCat(field, ": unknown field")));
  }
}

TEST(KnownFieldsTest, LabelsAndAnnotationsMayBeLong) {
  for (const char* field : {"labels", "annotations"}) {
    const auto faults = [field](size_t size) {
      return Faults(absl::StrCat("apiVersion: fractos.dev/v1alpha1\nkind: DeviceCluster\n"
                                 "metadata: {name: x, ",
                                 field, ": {a: ", std::string(size, 'x'),
                                 "}}\nspec: {adaptor: {command: [x]}}\n"),
                    "f", {});
    };
    EXPECT_EQ(faults(64 * 1024), "");
    EXPECT_THAT(faults(64 * 1024 + 1), HasSubstr("is 65537 bytes long, at most 65536"));
  }
}

}  // namespace
}  // namespace fractos
