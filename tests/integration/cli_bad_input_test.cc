// What bad input gets: a clear error on stderr, exit code 2, nothing started and nothing written.
// Through the real fractosctl, beside programs that leave a mark when they are started.
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/integration/cli_process.h"

namespace fractos {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using Json = nlohmann::json;

// A copy of fractosctl with traps in the place of what it could start.
class BadInputTest : public ::testing::Test {
 protected:
  BadInputTest() : bin_(TrappedBin()), cli_(bin_) {}
  ~BadInputTest() override { fs::remove_all(bin_); }

  static std::string TrappedBin() {
    char path[] = "/tmp/fractos-bin-XXXXXX";
    const std::string bin = ::mkdtemp(path);
    fs::copy_file(absl::StrCat(FRACTOS_BIN_DIR, "/fractosctl"), absl::StrCat(bin, "/fractosctl"));
    for (const char* program : {"fractos-daemon", "fractos-adaptor"}) {
      const std::string trap = absl::StrCat(bin, "/", program);
      FILE* const file = std::fopen(trap.c_str(), "w");
      std::fprintf(file, "#!/bin/sh\ntouch %s/started\nexit 1\n", bin.c_str());
      std::fclose(file);
      ::chmod(trap.c_str(), 0755);
    }
    return bin;
  }

  bool AnythingStarted() const { return Exists(absl::StrCat(bin_, "/started")); }

  void Refused(const std::vector<std::string>& arguments, const std::string& expected,
               const std::string& directory = "") {
    const CommandResult result = cli_.Run(arguments, directory);
    EXPECT_EQ(result.code, 2) << result.err;
    EXPECT_EQ(result.out, "");
    for (const absl::string_view line : absl::StrSplit(expected, '\n', absl::SkipEmpty())) {
      EXPECT_THAT(result.err, HasSubstr(std::string(line)));
    }
    EXPECT_FALSE(AnythingStarted());
    EXPECT_FALSE(Exists(cli_.home())) << "something was written";
  }

  std::string bin_;
  Cli cli_;
};

// The traps do catch: a graph that is right starts a daemon.
TEST_F(BadInputTest, AGoodGraphWouldStartSomething) {
  const std::string graph = cli_.Write("good.yaml",
                                       "apiVersion: fractos.dev/v1alpha1\n"
                                       "kind: TaskGraph\n"
                                       "metadata: {name: good}\n"
                                       "spec:\n"
                                       "  steps:\n"
                                       "  - {name: a, device: echo, operation: generate,"
                                       " arguments: {size: 1}}\n");
  EXPECT_EQ(cli_.Run({"validate", graph}).code, 0);
  EXPECT_FALSE(AnythingStarted()) << "validate started a process";
  EXPECT_FALSE(Exists(cli_.home()));
  const CommandResult result = cli_.Run({"run", graph});
  EXPECT_EQ(result.code, 1) << result.err;
  EXPECT_TRUE(AnythingStarted());
}

// promise: C-10, B-16, B-01, B-02, B-03, B-04, B-05, B-06, B-07
// promise: B-08, B-09, B-10, B-11, B-12, B-13, B-14, B-15
TEST_F(BadInputTest, EveryInvalidFileIsRefusedWithItsMessageAndStartsNothing) {
  const fs::path folder = fs::path(FRACTOS_SOURCE_DIR) / "tests" / "invalid";
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() == ".yaml") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  ASSERT_GE(files.size(), 60u);
  for (const fs::path& file : files) {
    SCOPED_TRACE(file.filename().string());
    const std::string expected = ReadFile(fs::path(file).replace_extension(".expected").string());
    ASSERT_NE(expected, "");
    Refused({"validate", file.filename().string()}, expected, folder.string());
    Refused({"run", file.filename().string()}, expected, folder.string());
  }
}

// No bad input, but here nothing can be started unnoticed.
// promise: G-24
TEST_F(BadInputTest, AGraphThatIsCancelledEndsSoAtOnceAndStartsNothing) {
  const std::string graph = cli_.Write("cancelled.yaml",
                                       "apiVersion: fractos.dev/v1alpha1\n"
                                       "kind: TaskGraph\n"
                                       "metadata: {name: cancelled}\n"
                                       "spec:\n"
                                       "  cancel: true\n"
                                       "  steps:\n"
                                       "  - {name: a, device: echo, operation: generate,"
                                       " arguments: {size: 1}}\n");
  EXPECT_EQ(cli_.Run({"validate", graph}).code, 0);
  const CommandResult result = cli_.Run({"run", graph, "-o", "json"});
  EXPECT_EQ(result.code, 130) << result.err;
  EXPECT_EQ(result.err, "note: spec.cancel is true, so nothing was started\n");
  const Json report = Json::parse(result.out);
  EXPECT_EQ(report["phase"], "Cancelled");
  EXPECT_EQ(report["failure"]["reason"], "Cancelled");
  EXPECT_EQ(report["failure"]["message"], "cancelled before it began");
  EXPECT_EQ(report["steps"][0]["state"], "Waiting");
  EXPECT_FALSE(AnythingStarted());

  const Json runs = Json::parse(cli_.Run({"runs", "-o", "json"}).out);
  ASSERT_EQ(runs.size(), 1u);
  EXPECT_EQ(runs[0]["phase"], "Cancelled");
  EXPECT_EQ(runs[0]["resumable"], false);
  const CommandResult resumed = cli_.Run({"resume", report["run"]});
  EXPECT_EQ(resumed.code, 130);
  EXPECT_THAT(resumed.out, HasSubstr("has ended: Cancelled"));

  EXPECT_EQ(cli_.Run({"run", graph, "--mode", "Sideways"}).code, 2) << "what is wrong goes first";
  EXPECT_EQ(cli_.Run({"run", "-q", graph}).err, "");
}

TEST_F(BadInputTest, HelpAndVersionAreWordsToo) {
  for (const auto& [words, option] :
       std::vector<std::pair<std::vector<std::string>, std::vector<std::string>>>{
           {{"version"}, {"--version"}},
           {{"help"}, {"--help"}},
           {{"help", "run"}, {"run", "--help"}}}) {
    const CommandResult result = cli_.Run(words);
    EXPECT_EQ(result.code, 0) << result.err;
    EXPECT_EQ(result.out, cli_.Run(option).out);
  }
}

// promise: C-04
TEST_F(BadInputTest, WhatIsWrongOnTheCommandLineIsBadInputToo) {
  const std::string graph = absl::StrCat(FRACTOS_SOURCE_DIR, "/examples/power/power.yaml");
  Refused({"run", graph, "-p", "base"}, "a parameter is given as name=value");
  Refused({"run", graph, "-p", "bas=2"}, "bas");
  Refused({"run", graph, "--name", "\x1b[2Jfirst\nsecond"}, "--name must be lower-case letters");
  Refused({"run", graph, "-p", "base=\xff"}, "-p \"base\": byte 6 of line 1 is not UTF-8");
  Refused({"run", graph, "--name", std::string(300, 'n')}, "at most 40 characters");
  Refused({"run", graph, "--mode", "Sideways"}, "Sideways");
  Refused({"run", graph, "--deadline", "2h"}, "at most 1h");
  Refused({"run", graph, "--deadline", "soon"}, "soon");
  Refused({"run", graph, "--no-such-option"}, "--no-such-option");
  Refused({"run"}, "FILE is required");
  Refused({"run", "no-such-file.yaml"}, "no-such-file.yaml");
  Refused({"graph", graph, "-o", "png"}, "png");
  Refused({"nonsense"}, "nonsense");
  Refused({"help", "nonsense"}, "nonsense");
  Refused({"cp", "a", "b"}, "cp FILE storage:KEY");
  Refused({"cp", "a", "nowhere:b"}, "there is no DeviceCluster default/nowhere");
  Refused({"cp", "a", "storag:b"},
          "there is no DeviceCluster default/storag, did you mean \"default/storage\"?");
}

}  // namespace
}  // namespace fractos
