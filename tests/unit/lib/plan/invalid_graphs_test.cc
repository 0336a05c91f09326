// The invalid graphs and what each is answered: tests/invalid.
#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/lib/plan/shipped.h"

namespace fractos {
namespace {

using ::testing::Ge;
using ::testing::SizeIs;

std::vector<std::filesystem::path> InvalidGraphs() {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry :
       std::filesystem::directory_iterator(absl::StrCat(FRACTOS_SOURCE_DIR, "/tests/invalid"))) {
    if (entry.path().extension() == ".yaml") paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

TEST(InvalidGraphsTest, ThereAreAtLeastSixty) { EXPECT_THAT(InvalidGraphs(), SizeIs(Ge(60u))); }

// promise: G-15, B-01, B-02, B-03, B-04, B-05, B-06, B-07, B-08
// promise: B-09, B-10, B-11, B-12, B-13, B-14, B-15
TEST(InvalidGraphsTest, EachGetsItsMessages) {
  const Descriptions devices = ShippedDevices();
  for (const std::filesystem::path& path : InvalidGraphs()) {
    SCOPED_TRACE(path.filename());
    const std::string faults = Faults(ReadFileOrDie(path), path.filename().string(), devices);
    const std::vector<std::string> lines = absl::StrSplit(faults, '\n', absl::SkipEmpty());
    const std::string expected =
        ReadFileOrDie(std::filesystem::path(path).replace_extension(".expected"));
    const std::vector<std::string> wanted = absl::StrSplit(expected, '\n', absl::SkipEmpty());
    EXPECT_FALSE(wanted.empty());
    // And nothing else: a second message about the same mistake only confuses.
    EXPECT_EQ(lines, wanted);
  }
}

// Diagnostics are about the file that was given, whatever is in it.
TEST(InvalidGraphsTest, NoneCompiles) {
  const Descriptions devices = ShippedDevices();
  for (const std::filesystem::path& path : InvalidGraphs()) {
    SCOPED_TRACE(path.filename());
    const Documents documents = ParseDocuments(ReadFileOrDie(path), "x");
    if (!documents.diagnostics.empty()) continue;
    for (const TaskGraph& graph : documents.graphs) {
      EXPECT_EQ(Compile(graph, devices, {}).status().code(), absl::StatusCode::kInvalidArgument);
    }
  }
}

}  // namespace
}  // namespace fractos
