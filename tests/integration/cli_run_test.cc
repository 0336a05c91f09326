// fractosctl with real daemons and adaptors.
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/integration/cli_process.h"

namespace fractos {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::json;

class CliRunTest : public ::testing::Test {
 protected:
  CliRunTest() : cli_(FRACTOS_BIN_DIR) {}

  std::string Graph(const std::string& steps, const std::string& rest = "") {
    return cli_.Write("graph.yaml", absl::StrCat("apiVersion: fractos.dev/v1alpha1\n"
                                                 "kind: TaskGraph\n"
                                                 "metadata: {name: test}\n"
                                                 "spec:\n",
                                                 rest, "  steps:\n", steps));
  }
  std::string Sleep(int ms) {
    return Graph(absl::StrCat(
        "  - {name: nap, device: echo, operation: sleep, arguments: {ms: ", ms, "}}\n"));
  }
  // Whether the one run there is has been recorded as running.
  bool IsRunning() {
    const Json list = Json::parse(cli_.Run({"runs", "-o", "json"}).out);
    return list.size() == 1 && list[0]["phase"] == "Running";
  }

  Cli cli_;
};

// What `command` gives to a shell, in which $CTL is fractosctl.
int Shell(const Cli& cli, const std::string& command) {
  const std::string file =
      cli.Write("script.sh", absl::StrCat("set -o pipefail\nexport FRACTOS_HOME=", cli.home(),
                                          " XDG_RUNTIME_DIR=", cli.folder(),
                                          " FRACTOS_TEST_FOLDER=", cli.folder(),
                                          "\nCTL=" FRACTOS_BIN_DIR "/fractosctl\n", command));
  const int status = ::system(absl::StrCat("bash ", file).c_str());
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

const char* const kPower =
    "  - {name: power, device: math, operation: power, arguments: {base: 3, exponent: 20}}\n";

// promise: C-12, C-02
TEST_F(CliRunTest, RunsOverTheAdaptorsThatShipAndPrintsTheResultAlone) {
  const CommandResult result = cli_.Run({"run", Graph(kPower), "-o", "json"});
  ASSERT_EQ(result.code, 0) << result.err;
  const Json json = Json::parse(result.out);
  EXPECT_EQ(json["phase"], "Succeeded");
  EXPECT_EQ(json["outputs"][0]["text"], "3486784401");
  EXPECT_EQ(json["steps"].size(), 20u) << "power and the 19 it grew into";
  EXPECT_TRUE(cli_.AllGone());
}

TEST_F(CliRunTest, TextAndYamlSayTheSame) {
  const CommandResult text = cli_.Run({"run", Graph(kPower)});
  EXPECT_THAT(text.out, HasSubstr("power: 3486784401\nsucceeded in "));
  EXPECT_THAT(text.err, HasSubstr("power: succeeded"));  // promise: C-03
  const CommandResult yaml = cli_.Run({"run", Graph(kPower), "-o", "yaml", "-q"});
  EXPECT_THAT(yaml.out, HasSubstr("3486784401"));
  EXPECT_EQ(yaml.err, "");
}

TEST_F(CliRunTest, TakesAnyNumberOfParametersAndFilesAfterThem) {
  const std::string graph = Graph(
      "  - {name: power, device: math, operation: power,"
      " arguments: {base: $(parameters.base), exponent: $(parameters.exponent)}}\n",
      "  parameters: [{name: base}, {name: exponent}]\n");
  const CommandResult result = cli_.Run({"run", "-q", "-p", "base=2", "-p", "exponent=8", graph});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("power: 256\n"));
}

// What only a cluster has does nothing here.
// promise: G-23
TEST_F(CliRunTest, AFileWithEveryFieldThatAClusterHasRuns) {
  const std::string every_field =
      ReadFile(absl::StrCat(FRACTOS_SOURCE_DIR, "/tests/crds/every_field.yaml"));
  const CommandResult result =
      cli_.Run({"run", "-o", "json", cli_.Write("every_field.yaml", every_field)});
  ASSERT_EQ(result.code, 0) << result.err;
  const Json json = Json::parse(result.out);
  EXPECT_EQ(json["phase"], "Succeeded");
  EXPECT_EQ(json["mode"], "Centralized");
  EXPECT_EQ(ReadFile(cli_.folder() + "/data/word"), "cat") << "the path of options, not of a mount";
  EXPECT_EQ(cli_.Run({"validate", "every_field.yaml"}, cli_.folder()).code, 0);
}

// promise: R-14
TEST_F(CliRunTest, CentralizedGivesTheSameThroughTheDriver) {
  Json transfers[2];
  for (const bool centralized : {false, true}) {
    const std::string mode = centralized ? "Centralized" : "Distributed";
    const CommandResult result = cli_.Run({"run", Graph(kPower), "-o", "json", "--mode", mode});
    ASSERT_EQ(result.code, 0) << result.err;
    const Json json = Json::parse(result.out);
    EXPECT_EQ(json["mode"], mode);
    EXPECT_EQ(json["outputs"][0]["text"], "3486784401");
    transfers[centralized] = json["transfer"];
  }
  // One device does all of it: alone it needs to be handed the first step only, and no value ever
  // leaves it.
  EXPECT_EQ(transfers[0]["hops"], 1);
  EXPECT_EQ(transfers[0]["bytes"], 0);
  EXPECT_GE(transfers[1]["hops"], 20) << "power and the 19 it grew into";
  EXPECT_GT(transfers[1]["bytes"], 0);
}

// promise: C-01
TEST_F(CliRunTest, AStepThatFailsIsExitCodeOne) {
  const CommandResult result = cli_.Run(
      {"run", Graph("  - {name: d, device: math, operation: divide, arguments: {a: 1, b: 0}}\n")});
  EXPECT_EQ(result.code, 1) << result.err;
  EXPECT_THAT(result.out, HasSubstr("step     d\n"));
  EXPECT_THAT(result.out, HasSubstr("reason   DivisionByZero\n"));
  EXPECT_THAT(result.out, HasSubstr("way out  "));
}

TEST_F(CliRunTest, TheDeadlineIsExitCodeThree) {
  const CommandResult result = cli_.Run({"run", Sleep(60'000), "--deadline", "300ms"});
  EXPECT_EQ(result.code, 3) << result.err << result.out;
  EXPECT_THAT(result.out, HasSubstr("DeadlineExceeded"));
  EXPECT_TRUE(cli_.AllGone());
}

// A socket's path has little room.
TEST_F(CliRunTest, WhatCannotStartLeavesNoRunBehind) {
  const std::string deep = absl::StrCat(cli_.folder(), "/", std::string(120, 'd'));
  ASSERT_TRUE(std::filesystem::create_directory(deep));
  cli_.set_runtime_folder(deep);
  const CommandResult result = cli_.Run({"run", Graph(kPower)});
  EXPECT_EQ(result.code, 1) << result.err;
  EXPECT_THAT(result.err, HasSubstr("set XDG_RUNTIME_DIR to a shorter folder"));
  EXPECT_TRUE(std::filesystem::is_empty(cli_.home() + "/runs"));
  EXPECT_TRUE(std::filesystem::is_empty(deep));
}

// promise: C-11
TEST_F(CliRunTest, CtrlCCancelsTheRunIsExitCode130AndLeavesNoProcess) {
  const pid_t pid = cli_.Start({"run", Sleep(60'000), "--trace", cli_.folder() + "/trace.json"});
  ASSERT_TRUE(Eventually([this] { return IsRunning(); }));
  ::kill(pid, SIGINT);
  const CommandResult result = cli_.Finish(pid);
  EXPECT_EQ(result.code, 130) << result.err;
  EXPECT_TRUE(cli_.AllGone());
}

// As `timeout` ends it.
// promise: C-22
TEST_F(CliRunTest, SigtermSentTwiceCancelsTheRun) {
  const pid_t pid = cli_.Start({"run", Sleep(60'000)});
  ASSERT_TRUE(Eventually([this] { return IsRunning(); }));
  ::kill(pid, SIGTERM);
  ::kill(pid, SIGTERM);
  EXPECT_EQ(cli_.Finish(pid).code, 130);
  EXPECT_EQ(Json::parse(cli_.Run({"runs", "-o", "json"}).out)[0]["phase"], "Cancelled");
  EXPECT_TRUE(cli_.AllGone());
}

// promise: C-11, R-13
TEST_F(CliRunTest, AKilledRunLeavesNoProcessAndIsResumed) {
  const std::string graph =
      Graph(absl::StrCat(kPower,
                         "  - {name: nap, device: echo, operation: sleep, arguments: {ms: 500},"
                         " inputs: {data: power}}\n"
                         "  - {name: both, device: math, operation: add, inputs: {a: power},"
                         " arguments: {b: 1}, after: [nap]}\n"));
  const pid_t pid = cli_.Start({"run", graph});
  ASSERT_TRUE(Eventually([this] { return IsRunning(); }));
  ::kill(pid, SIGKILL);
  EXPECT_EQ(cli_.Finish(pid).code, -1);
  EXPECT_TRUE(cli_.AllGone());

  const Json list = Json::parse(cli_.Run({"runs", "-o", "json"}).out);
  EXPECT_EQ(list[0]["resumable"], true);
  const std::string run = list[0]["run"];
  const CommandResult resumed = cli_.Run({"resume", run.substr(0, 8), "-o", "json"});
  ASSERT_EQ(resumed.code, 0) << resumed.err << resumed.out;
  EXPECT_EQ(Json::parse(resumed.out)["outputs"][0]["text"], "3486784402");
  EXPECT_THAT(cli_.PrivateFolders(), ::testing::IsEmpty()) << "the killed one's is gone, too";
  EXPECT_TRUE(cli_.AllGone());
  EXPECT_EQ(cli_.Run({"resume", run}).code, 0) << "it has ended";
  EXPECT_EQ(cli_.Run({"resume", "ffff"}).code, 2);
}

// promise: E-05, E-06, G-18
TEST_F(CliRunTest, ALeaderThatIsStoppedIsKilledAndAnotherOneLeads) {
  cli_.Write("devices.yaml",
             "apiVersion: fractos.dev/v1alpha1\n"
             "kind: DeviceCluster\n"
             "metadata: {name: echo}\n"
             "spec: {replicas: 2, adaptor: {command: [fractos-adaptor, echo]}}\n");
  const CommandResult up = cli_.Run({"up", "--devices", "devices.yaml", "--no-restart"});
  ASSERT_EQ(up.code, 0) << up.err;
  const auto status = [this] { return Json::parse(cli_.Run({"status", "-o", "json"}).out); };
  EXPECT_THAT(up.out, HasSubstr("up: 1 device, 2 daemons;"));
  const Json before = status()["devices"][0];
  EXPECT_EQ(before["ready"], 2) << "up waits for all";
  const std::string leader = before["leader"];
  for (const pid_t pid : cli_.Processes()) {
    const std::string command = ReadFile(absl::StrCat("/proc/", pid, "/cmdline"));
    // /proc/PID/cmdline has a zero byte after each word.
    const std::string zero(1, '\0');
    const std::string mark =
        absl::StrCat("--replica", zero, leader.substr(leader.size() - 1), zero);
    if (absl::StrContains(command, "fractos-daemon") && absl::StrContains(command, mark)) {
      ::kill(pid, SIGSTOP);
    }
  }
  Json after;
  ASSERT_TRUE(Eventually([&] {
    after = status()["devices"][0];
    return after["leader"] != "" && after["leader"] != leader;
  }));
  EXPECT_GT(after["epoch"], before["epoch"]);
  EXPECT_EQ(after["ready"], 1) << "the one that was killed stays dead";
  EXPECT_EQ(cli_.Run({"down"}).code, 0);
  EXPECT_TRUE(cli_.AllGone());
}

TEST_F(CliRunTest, TwoFractosctlCannotDriveOneRun) {
  const pid_t pid = cli_.Start({"run", Sleep(60'000)});
  ASSERT_TRUE(Eventually([this] {
    return Json::parse(cli_.Run({"runs", "-o", "json"}).out).size() == 1;
  }));
  const std::string run = Json::parse(cli_.Run({"runs", "-o", "json"}).out)[0]["run"];
  const CommandResult second = cli_.Run({"resume", run});
  EXPECT_EQ(second.code, 1);
  EXPECT_THAT(second.err, HasSubstr("is being driven by another fractosctl"));
  ::kill(pid, SIGINT);
  EXPECT_EQ(cli_.Finish(pid).code, 130);
}

// promise: C-05
TEST_F(CliRunTest, WritesATrace) {
  const std::string trace = cli_.folder() + "/trace.json";
  ASSERT_EQ(cli_.Run({"run", Graph(kPower), "--trace", trace}).code, 0);
  const Json json = Json::parse(ReadFile(trace));
  int steps = 0;
  for (const Json& event : json["traceEvents"]) steps += event.value("cat", "") == "step" ? 1 : 0;
  EXPECT_EQ(steps, 20);
}

TEST_F(CliRunTest, ATraceThatCannotBeWrittenIsKnownBeforeTheRun) {
  const CommandResult result =
      cli_.Run({"run", Graph(kPower), "--trace", cli_.folder() + "/no/such/folder/trace.json"});
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, HasSubstr("cannot write the trace to"));
  EXPECT_EQ(result.out, "");
  EXPECT_THAT(cli_.Run({"runs"}).out, HasSubstr("no runs yet"));
}

// How often `word` is in `text`.
size_t Count(const std::string& text, const std::string& word) {
  size_t times = 0;
  for (size_t at = 0; (at = text.find(word, at)) != std::string::npos; ++at) ++times;
  return times;
}

TEST_F(CliRunTest, AnAdaptorThatCannotStartIsGivenUpSoonAndItsLastWordsAreSaidOnce) {
  cli_.Write("adaptor.py", "import no_such_module\n");
  for (const char* command : {"[python3, adaptor.py]", "[no-such-program]"}) {
    SCOPED_TRACE(command);
    cli_.Write("broken.yaml", absl::StrCat("apiVersion: fractos.dev/v1alpha1\n"
                                           "kind: DeviceCluster\n"
                                           "metadata: {name: broken}\n"
                                           "spec: {adaptor: {command: ",
                                           command, "}}\n"));
    const std::string graph =
        Graph("  - {name: a, device: broken, operation: anything, arguments: {}}\n");
    const auto start = std::chrono::steady_clock::now();
    const CommandResult run = cli_.Run({"run", graph, "--devices", "broken.yaml"});
    EXPECT_EQ(run.code, 1) << run.out;
    EXPECT_THAT(run.err, HasSubstr("the last daemon of DeviceCluster default/broken ended"));
    EXPECT_EQ(Count(run.err, "its last words"), 1u) << run.err;
    // With daemons that are started again when they die, too.
    const CommandResult up = cli_.Run({"up", "--devices", "broken.yaml"});
    EXPECT_EQ(up.code, 1) << up.out;
    EXPECT_THAT(up.err, HasSubstr("default/broken"));
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20));
    EXPECT_TRUE(cli_.AllGone());
  }
}

// promise: C-08
TEST_F(CliRunTest, ADataCentreIsKeptUsedAndEnded) {
  EXPECT_EQ(cli_.Run({"status"}).code, 1);
  const CommandResult up = cli_.Run({"up"});
  ASSERT_EQ(up.code, 0) << up.err;
  EXPECT_EQ(cli_.Run({"up"}).code, 1) << "it is up already";
  const size_t processes = cli_.Processes().size();
  const CommandResult status = cli_.Run({"status"});
  EXPECT_EQ(status.code, 0);
  EXPECT_THAT(status.out, HasSubstr("math"));
  EXPECT_THAT(status.out, HasSubstr("1/1"));
  const CommandResult run = cli_.Run({"run", Graph(kPower)});
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(cli_.Processes().size(), processes);
  EXPECT_EQ(cli_.Run({"down"}).code, 0);
  EXPECT_TRUE(cli_.AllGone());
  EXPECT_EQ(cli_.Run({"down"}).code, 0);
}

// promise: C-20
TEST_F(CliRunTest, ADataCentreThatIsStartingCanBeEnded) {
  cli_.Write("mute.yaml",
             "apiVersion: fractos.dev/v1alpha1\n"
             "kind: DeviceCluster\n"
             "metadata: {name: mute}\n"
             "spec: {adaptor: {command: [sleep, '600']}}\n");
  const auto is_starting = [this] { return cli_.Processes().size() >= 4; };
  const std::vector<std::string> up = {"up", "--devices", "mute.yaml"};
  pid_t pid = cli_.Start(up);
  ASSERT_TRUE(Eventually(is_starting));
  EXPECT_EQ(cli_.Run({"down"}).out, "the data centre is down\n");
  const CommandResult ended = cli_.Finish(pid);
  EXPECT_EQ(ended.code, 1);
  EXPECT_THAT(ended.err, HasSubstr("the data centre was ended before it was up"));
  EXPECT_TRUE(cli_.AllGone());

  pid = cli_.Start(up);
  ASSERT_TRUE(Eventually(is_starting));
  ::kill(pid, SIGINT);
  EXPECT_EQ(cli_.Finish(pid).code, -1);
  EXPECT_TRUE(cli_.AllGone()) << "nobody would hear that it is up";

  pid = cli_.Start({"up", "--foreground", "--devices", "mute.yaml"});
  ASSERT_TRUE(Eventually([this] { return cli_.Processes().size() >= 3; }));
  ::kill(pid, SIGINT);
  EXPECT_EQ(cli_.Finish(pid).code, 130);
  EXPECT_TRUE(cli_.AllGone());
}

// promise: C-21
TEST_F(CliRunTest, WhatTheCallerIgnoresEndsNoSupervisor) {
  EXPECT_EQ(Shell(cli_, "trap '' HUP INT; $CTL up"), 0);
  const pid_t supervisor =
      Json::parse(cli_.Run({"status", "-o", "json"}).out)["supervisor"].get<pid_t>();
  ::kill(supervisor, SIGHUP);
  ::kill(supervisor, SIGINT);
  EXPECT_EQ(cli_.Run({"status"}).code, 0);
  EXPECT_EQ(cli_.Run({"down"}).out, "the data centre is down\n");
  EXPECT_TRUE(cli_.AllGone());
}

TEST_F(CliRunTest, ValidateJudgesByTheDevicesThatRunWouldUse) {
  const std::string graph = Graph(kPower);
  EXPECT_EQ(cli_.Run({"validate", graph}).code, 0);
  cli_.Write("devices.yaml",
             "apiVersion: fractos.dev/v1alpha1\n"
             "kind: DeviceCluster\n"
             "metadata: {name: echo}\n"
             "spec: {adaptor: {command: [fractos-adaptor, echo]}}\n");
  const CommandResult up = cli_.Run({"up", "--devices", "devices.yaml"});
  ASSERT_EQ(up.code, 0) << up.err;
  for (const char* command : {"validate", "run"}) {
    const CommandResult result = cli_.Run({command, graph});
    EXPECT_EQ(result.code, 2) << command;
    EXPECT_THAT(result.err, HasSubstr("the data centre that is up has echo; `fractosctl down`"));
  }
  EXPECT_EQ(cli_.Run({"down"}).code, 0);
}

TEST_F(CliRunTest, NothingIsEndedThatIsNoSupervisor) {
  const std::string centre = cli_.home() + "/centre";
  std::filesystem::create_directories(centre);
  const int lock = ::open((centre + "/lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  ASSERT_EQ(::flock(lock, LOCK_EX), 0);  // as if one were up
  // A process group that there is not, should it be believed all the same.
  cli_.Write("home/centre/centre.json",
             R"({"supervisor": -2147483647, "folder": "", "sources": []})");
  const CommandResult down = cli_.Run({"down"});
  EXPECT_EQ(down.code, 1);
  EXPECT_THAT(down.err, HasSubstr("is no supervisor"));
  ::close(lock);
}

TEST_F(CliRunTest, ASupervisorThatIsKilledTakesItsDaemonsWithIt) {
  ASSERT_EQ(cli_.Run({"up"}).code, 0);
  const Json status = Json::parse(cli_.Run({"status", "-o", "json"}).out);
  ::kill(status["supervisor"].get<pid_t>(), SIGKILL);
  EXPECT_TRUE(cli_.AllGone());
  EXPECT_EQ(cli_.Run({"status"}).code, 1);
  EXPECT_EQ(cli_.Run({"run", Graph(kPower)}).code, 0) << "it starts its own";
}

// promise: C-09
TEST_F(CliRunTest, CopiesIntoStorageAndBack) {
  const std::string bytes("\0photo\xff", 7);
  const std::string file = cli_.Write("in.bin", bytes);
  ASSERT_EQ(cli_.Run({"cp", file, "storage:pictures/a.bin"}).code, 0);
  const std::string back = cli_.folder() + "/out.bin";
  ASSERT_EQ(cli_.Run({"cp", "storage:pictures/a.bin", back}).code, 0);
  EXPECT_EQ(ReadFile(back), bytes);
  EXPECT_EQ(cli_.Run({"cp", "storage:pictures/a.bin", "-"}).out, bytes);
  EXPECT_EQ(cli_.Run({"cp", "storage:no-such", back}).code, 1);
  EXPECT_EQ(ReadFile(back), bytes) << "a failed copy changes nothing";
  EXPECT_NE(cli_.Run({"cp", file, "storage:../escape"}).code, 0);
}

// promise: C-16, C-17
TEST_F(CliRunTest, CopiesThroughLinksAndPipesAndNoFolders) {
  ASSERT_EQ(cli_.Run({"cp", cli_.Write("in.txt", "photo"), "storage:a"}).code, 0);
  const std::string file = cli_.Write("out.txt", "before");
  const std::string link = cli_.folder() + "/link";
  std::filesystem::create_symlink("out.txt", link);
  EXPECT_EQ(cli_.Run({"cp", "storage:a", link}).code, 0);
  EXPECT_TRUE(std::filesystem::is_symlink(link));
  EXPECT_EQ(ReadFile(file), "photo");

  const std::string pipe = cli_.folder() + "/pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  const int ends = ::open(pipe.c_str(), O_RDWR | O_CLOEXEC);
  EXPECT_EQ(cli_.Run({"cp", "storage:a", pipe}).code, 0);
  char bytes[16];
  EXPECT_EQ(::read(ends, bytes, sizeof(bytes)), 5);
  ::close(ends);

  const CommandResult onto = cli_.Run({"cp", "storage:a", cli_.folder()});
  EXPECT_EQ(onto.code, 2);
  EXPECT_THAT(onto.err, HasSubstr("is a folder; name the file that is to be made in it"));
  const CommandResult from = cli_.Run({"cp", cli_.folder(), "storage:b"});
  EXPECT_EQ(from.code, 2);
  EXPECT_THAT(from.err, HasSubstr("is a folder; cp copies one file"));
}

// promise: C-24
TEST_F(CliRunTest, ACopyWhoseDeviceCannotBeStartedSaysWhy) {
  const std::string folder = cli_.folder() + "/devices";
  ASSERT_TRUE(std::filesystem::create_directory(folder));
  cli_.Write("devices/devices.yaml",
             "apiVersion: fractos.dev/v1alpha1\n"
             "kind: DeviceCluster\n"
             "metadata: {name: storage}\n"
             "spec: {adaptor: {command: [fractos-adaptor, storage], options: {root: .}}}\n");
  ASSERT_EQ(cli_.Run({"up", "--devices", folder + "/devices.yaml"}).code, 0);
  std::filesystem::remove_all(folder);
  const CommandResult copy = cli_.Run({"cp", "storage:a", cli_.folder() + "/a"});
  EXPECT_EQ(copy.code, 1);
  EXPECT_THAT(copy.err, HasSubstr(absl::StrCat("fractos-adaptor in ", folder,
                                               ": No such file or directory")));
  EXPECT_EQ(cli_.Run({"down"}).code, 0);
}

// promise: C-07
TEST_F(CliRunTest, DevicesListsWhatEachOffers) {
  const CommandResult result = cli_.Run({"devices"});
  EXPECT_EQ(result.code, 0);
  for (const char* word : {"storage", "math", "cnn", "echo", "classify", "power", "grows"}) {
    EXPECT_THAT(result.out, HasSubstr(word));
  }
  EXPECT_TRUE(Json::parse(cli_.Run({"devices", "-o", "json"}).out).is_array());
}

// promise: C-06
TEST_F(CliRunTest, DrawsGraphs) {
  const std::string graph = Graph(kPower);
  EXPECT_THAT(cli_.Run({"graph", graph}).out, HasSubstr("flowchart LR"));
  EXPECT_THAT(cli_.Run({"graph", graph, "-o", "dot"}).out, HasSubstr("digraph"));
  const CommandResult svg = cli_.Run({"graph", graph, "-o", "svg"});
  if (svg.code == 0) {
    EXPECT_THAT(svg.out, HasSubstr("<svg"));
  } else {
    EXPECT_THAT(svg.err, HasSubstr("install the package graphviz"));
  }
}

// promise: C-14
TEST_F(CliRunTest, CompletionIsAcceptedByBash) {
  const CommandResult script = cli_.Run({"completion", "bash"});
  ASSERT_EQ(script.code, 0);
  const std::string file = cli_.Write("completion.bash", script.out);
  const std::string check = absl::StrCat(
      "bash -c 'set -e; . ", file,
      "; COMP_WORDS=(fractosctl re); COMP_CWORD=1; _fractosctl; [ \"${COMPREPLY[0]}\" = resume ]'");
  EXPECT_EQ(::system(check.c_str()), 0);
  EXPECT_THAT(cli_.Run({"completion", "zsh"}).out, HasSubstr("#compdef fractosctl"));
  EXPECT_THAT(cli_.Run({"completion", "fish"}).out, HasSubstr("complete -c fractosctl"));
}

TEST_F(CliRunTest, AnOutputThatCannotBeWrittenIsNoticed) {
  const std::string graph = Graph(kPower);
  const std::string error = cli_.folder() + "/error";
  EXPECT_EQ(Shell(cli_, absl::StrCat("$CTL run -q -o json ", graph, " >/dev/full 2>", error)), 1);
  EXPECT_THAT(ReadFile(error), HasSubstr("cannot write standard output"));
  EXPECT_EQ(Shell(cli_, absl::StrCat("$CTL devices >/dev/full 2>", error)), 1);
}

// promise: C-19
TEST_F(CliRunTest, ADataCentreHoldsNothingOfWhoeverStartedIt) {
  // Ends only when nobody holds the pipe any more.
  EXPECT_EQ(Shell(cli_, "($CTL up 3>&1 >/dev/null) | timeout 10 cat"), 0);
  EXPECT_EQ(cli_.Run({"status"}).code, 0);
  EXPECT_EQ(cli_.Run({"down"}).code, 0);
}

// promise: C-19
TEST_F(CliRunTest, ARelativeHomeIsTheSameForTheSupervisor) {
  const std::string here = absl::StrCat("cd ", cli_.folder(), "; ");
  EXPECT_EQ(Shell(cli_, here + "export FRACTOS_HOME=home; $CTL up && $CTL status && $CTL down"), 0);
  EXPECT_TRUE(cli_.AllGone());
}

// promise: C-18
TEST_F(CliRunTest, AStandardDescriptorThatIsClosedIsNoFileOfOurs) {
  const std::string graph = Graph(kPower);
  EXPECT_EQ(Shell(cli_, absl::StrCat("$CTL run -q ", graph, " >&-")), 1);
  const std::string error = cli_.folder() + "/error";
  EXPECT_EQ(Shell(cli_, absl::StrCat("$CTL run - <&- 2>", error)), 2);
  EXPECT_THAT(ReadFile(error), HasSubstr("cannot read standard input: Bad file descriptor"));
  for (const auto& file : std::filesystem::recursive_directory_iterator(cli_.home() + "/runs")) {
    EXPECT_THAT(ReadFile(file.path().string()), ::testing::Not(HasSubstr("succeeded in")));
  }
  EXPECT_EQ(Shell(cli_, "$CTL up 2>&-"), 0);
  EXPECT_EQ(cli_.Run({"status"}).code, 0) << "its lock is no standard error";
  EXPECT_EQ(cli_.Run({"down"}).code, 0);
  EXPECT_TRUE(cli_.AllGone());
}

TEST_F(CliRunTest, AReaderThatHasGoneIsAQuietEndWithNothingLeftBehind) {
  const std::string error = cli_.folder() + "/error";
  // `true` reads nothing, and has gone long before the run ends.
  EXPECT_EQ(
      Shell(cli_, absl::StrCat("$CTL run -q -o json ", Graph(kPower), " 2>", error, " | true")),
      141);
  EXPECT_EQ(ReadFile(error), "");
  EXPECT_THAT(cli_.PrivateFolders(), ::testing::IsEmpty());
  EXPECT_TRUE(cli_.AllGone());
}

// Root may read everything, so the folder is made one that nobody can.
TEST_F(CliRunTest, RunsThatCannotBeReadAreNotTakenForNone) {
  std::filesystem::create_directories(cli_.home());
  cli_.Write("home/runs", "");
  const CommandResult runs = cli_.Run({"runs"});
  EXPECT_EQ(runs.code, 1) << runs.out;
  EXPECT_THAT(runs.err, HasSubstr(absl::StrCat("cannot read ", cli_.home(), "/runs: ")));
}

}  // namespace
}  // namespace fractos
