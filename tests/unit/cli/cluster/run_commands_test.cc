#include "cli/cluster/run_commands.h"

#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

#include "lib/kube/errors.h"
#include "nlohmann/json.hpp"
#include "tests/unit/cli/cluster/cluster_test.h"

namespace fractos::cluster {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr char kGraph[] = R"(apiVersion: fractos.dev/v1alpha1
kind: TaskGraph
metadata: {name: classify}
spec:
  parameters: [{name: image}]
  steps:
  - {name: read, device: storage, operation: get, arguments: {key: $(parameters.image)}}
)";

class RunCommandsTest : public ClusterTest {
 protected:
  RunCommandsTest()
      : folder_(::testing::TempDir() + "run_commands_test." + std::to_string(::getpid())) {
    std::filesystem::create_directories(folder_);
    ::signal(SIGINT, SIG_DFL);  // it stays ignored otherwise, where tests run in the background
    options_.files = {folder_ + "/g.yaml"};
    options_.parameters = {"image=cat.png"};
    std::ofstream(options_.files[0]) << kGraph;
  }
  ~RunCommandsTest() override { std::filesystem::remove_all(folder_); }

  Printed RunIt() {
    return Capture([this] { return cluster::Run(target_, options_); });
  }
  // The operator: what the status is after the `n`-th call of `verb`.
  void AfterCall(const std::string& verb, const kube::Json& status) {
    After(verb, "taskgraphs", [this, status] {
      for (const kube::Object& object : server_.All(TaskGraphs("default"))) Put(object, status);
    });
  }

  // An event of every run that tells nothing.
  void Wake() {
    for (const kube::Object& object : server_.All(TaskGraphs("default"))) {
      Put(object, kube::Json::object());
    }
  }

  const std::string folder_;
  RunOptions options_;
};

// promise: C-50, C-51
TEST_F(RunCommandsTest, MakesAnObjectAndShowsItToItsEnd) {
  PutStorage();
  AfterCall("create", Running());
  AfterCall("watch", Succeeded());
  const Printed printed = RunIt();
  EXPECT_EQ(printed.code, kExitSucceeded) << printed.err;
  EXPECT_THAT(printed.out, HasSubstr("succeeded in 43 ms · hops 3"));
  EXPECT_THAT(printed.err, HasSubstr("read: succeeded"));
  const std::vector<kube::Object> made = server_.All(TaskGraphs("default"));
  ASSERT_EQ(made.size(), 1u);
  EXPECT_THAT(made[0].name(), ::testing::StartsWith("classify-"));
  EXPECT_EQ(kube::StringMember(made[0].spec()["parameters"][0], "value"), "cat.png");
}

TEST_F(RunCommandsTest, TheReportIsJsonWhenAsked) {
  PutStorage();
  options_.show.format = ReportFormat::kJson;
  options_.show.quiet = true;
  AfterCall("create", Failed("Failed", "NotAnImage", "no JPEG"));
  const Printed printed = RunIt();
  EXPECT_EQ(printed.code, kExitFailed);
  const nlohmann::json report = nlohmann::json::parse(printed.out);
  EXPECT_EQ(report["phase"], "Failed");
  EXPECT_EQ(report["failure"]["reason"], "NotAnImage");
  EXPECT_EQ(printed.err, "");
}

// promise: C-53
TEST_F(RunCommandsTest, WhatCanBeKnownToBeWrongMakesNoObject) {
  PutStorage();
  std::string text = kGraph;
  text.replace(text.find("get"), 3, "got");
  std::ofstream(options_.files[0]) << text;
  const Printed printed = RunIt();
  EXPECT_EQ(printed.code, kExitBadInput);
  EXPECT_THAT(printed.err, HasSubstr("g.yaml:7:46: spec.steps[0].operation: "));
  options_.parameters = {};
  EXPECT_THAT(RunIt().err, HasSubstr("the parameter \"image\" has no value"));
  EXPECT_THAT(server_.All(TaskGraphs("default")), IsEmpty());
}

// promise: C-53
TEST_F(RunCommandsTest, ARefusalHasItsFieldAndIsExitCodeTwo) {
  PutStorage();
  Fail("create", "taskgraphs",
       kube::MakeError(kube::ApiStatus{
           .code = 422,
           .reason = kube::kReasonInvalid,
           .message = "invalid",
           .causes = {{"FieldValueInvalid", "must be lower", "spec.steps[0].name"}}}));
  const Printed printed = RunIt();
  EXPECT_EQ(printed.code, kExitBadInput);
  EXPECT_THAT(printed.err, HasSubstr("g.yaml: spec.steps[0].name: must be lower\n"));
}

TEST_F(RunCommandsTest, WhatTheOperatorDoesNotAcceptIsExitCodeTwo) {
  PutStorage();
  AfterCall("create", Refused("spec.steps[0].operation: the device has no operation \"got\""));
  const Printed printed = RunIt();
  EXPECT_EQ(printed.code, kExitBadInput);
  EXPECT_THAT(printed.err, HasSubstr("was not accepted: spec.steps[0].operation: "));
}

TEST_F(RunCommandsTest, ADeviceThatIsNotThereIsSaidAndWaitedFor) {
  PutStorage("store");
  AfterCall("create", Failed("Failed", "DeadlineExceeded", "there is no DeviceCluster"));
  const Printed printed = RunIt();
  EXPECT_EQ(printed.code, kExitDeadline);
  EXPECT_THAT(printed.err, HasSubstr("note: there is no DeviceCluster default/storage yet"));
}

TEST_F(RunCommandsTest, ADeviceThatIsNotThereIsSaidBesidesOtherFaults) {
  PutStorage("store");
  options_.parameters = {"imag=cat.png"};
  const Printed printed = RunIt();
  EXPECT_EQ(printed.code, kExitBadInput);
  EXPECT_THAT(printed.err, HasSubstr("the graph has no such parameter"));
  EXPECT_THAT(printed.err, HasSubstr("note: there is no DeviceCluster default/storage yet, did you "
                                     "mean \"default/store\"?; a run would wait for it"));
}

TEST_F(RunCommandsTest, WhoNamedADeviceThatIsNotThereHearsWhoListsThem) {
  PutStorage();
  AfterCall("create", Refused("spec.steps[0].device: there is no device \"gpu\""));
  EXPECT_THAT(RunIt().err, HasSubstr("there is no device \"gpu\"\n`kubectl fractos status` lists "
                                     "those there are; `kubectl apply` makes one\n"));
}

// The operator may not run, or not look after this namespace; nobody would ever end the run.
// promise: C-64
TEST_F(RunCommandsTest, ARunThatNoOperatorTakesUpIsNotWaitedForForEver) {
  PutStorage();
  After("watch", "taskgraphs", [this] {
    time_.Advance(std::chrono::hours(2));
    Wake();
  });
  const Printed printed = RunIt();
  EXPECT_EQ(printed.code, kExitDeadline);
  const std::string name = server_.All(TaskGraphs("default"))[0].name();
  EXPECT_THAT(printed.err, HasSubstr("no operator has taken up default/" + name +
                                     " yet: is one running, and does it watch this namespace"));
  EXPECT_THAT(printed.err, HasSubstr("`kubectl delete taskgraph " + name + " -n default`"));
}

// promise: C-64
TEST_F(RunCommandsTest, ThatNoOperatorTakesARunUpIsSaidAndCtrlCLeavesAtOnce) {
  PutStorage();
  After("watch", "taskgraphs", [this] {
    time_.Advance(std::chrono::seconds(6));
    ::raise(SIGINT);
    Wake();
  });
  const Printed printed = RunIt();
  EXPECT_EQ(printed.code, kExitInterrupted);
  EXPECT_THAT(printed.err, HasSubstr("note: no operator has taken up default/classify-"));
  EXPECT_THAT(printed.err, HasSubstr("is left there: `kubectl delete taskgraph classify-"));
  EXPECT_TRUE(kube::BoolMember(server_.All(TaskGraphs("default"))[0].spec(), "cancel"));
}

TEST_F(RunCommandsTest, DevicesThatMayNotBeListedAreLeftToTheOperator) {
  Fail("list", "deviceclusters", kube::ForbiddenError(DeviceClusters("").resource, "list", ""));
  AfterCall("create", Succeeded());
  const Printed printed = RunIt();
  EXPECT_EQ(printed.code, kExitSucceeded);
  EXPECT_THAT(printed.err, Not(HasSubstr("note")));
}

// promise: C-54
TEST_F(RunCommandsTest, CtrlCCancelsTheRunAndWaitsForItsEnd) {
  PutStorage();
  AfterCall("create", Running());
  After("watch", "taskgraphs", [] { ::raise(SIGINT); });
  AfterCall("patch", Failed("Cancelled", "Cancelled", "cancelled"));
  const Printed printed = RunIt();
  EXPECT_EQ(printed.code, kExitInterrupted);
  EXPECT_THAT(printed.err, HasSubstr("cancelling"));
  EXPECT_TRUE(kube::BoolMember(server_.All(TaskGraphs("default"))[0].spec(), "cancel"));
}

// promise: C-54
TEST_F(RunCommandsTest, CtrlCLeavesAWatchedRunAlone) {
  Put(Classify(), Running());
  After("watch", "taskgraphs", [] { ::raise(SIGINT); });
  const Printed printed = Capture([this] { return cluster::Watch(target_, "classify-x7k2p", {}); });
  EXPECT_EQ(printed.code, kExitInterrupted);
  EXPECT_THAT(printed.err, HasSubstr("the run goes on: `kubectl fractos watch classify-x7k2p"));
  EXPECT_EQ(client_.count("patch"), 0u);
}

TEST_F(RunCommandsTest, AWatchThatBreaksIsBegunAgain) {
  Put(Classify(), Running());
  After("watch", "taskgraphs", [this] {
    server_.Compact();
    server_.BreakWatches(kube::MakeError(kube::TransportFailure::kConnectionLost, "cut"));
    Put(Classify(), Succeeded());
  });
  const Printed printed = Capture([this] { return cluster::Watch(target_, "classify-x7k2p", {}); });
  EXPECT_EQ(printed.code, kExitSucceeded) << printed.err;
}

TEST_F(RunCommandsTest, ADeletedRunIsNotWaitedFor) {
  Put(Classify(), Running());
  After("watch", "taskgraphs", [this] { server_.Remove(TaskGraphs("default"), "classify-x7k2p"); });
  const Printed printed = Capture([this] { return cluster::Watch(target_, "classify-x7k2p", {}); });
  EXPECT_EQ(printed.code, kExitFailed);
  EXPECT_THAT(printed.err, HasSubstr("was deleted before it had ended"));
}

TEST_F(RunCommandsTest, ARunDeletedWhileTheServerWasAwayIsNotWaitedFor) {
  Put(Classify(), Running());
  After("watch", "taskgraphs", [this] {
    const absl::Status away = kube::MakeError(kube::TransportFailure::kConnectionLost, "away");
    Fail("get", "taskgraphs", away);
    server_.Compact();
    server_.BreakWatches(away);
    server_.Remove(TaskGraphs("default"), "classify-x7k2p");
  });
  std::thread time([this] {
    if (!time_.AwaitWaiter(std::chrono::seconds(1))) ::raise(SIGINT);  // it would wait for ever
    time_.Advance(std::chrono::seconds(1));
  });
  const Printed printed = Capture([this] { return cluster::Watch(target_, "classify-x7k2p", {}); });
  time.join();
  EXPECT_EQ(printed.code, kExitFailed);
  EXPECT_THAT(printed.err, HasSubstr("was deleted before it had ended"));
}

TEST_F(RunCommandsTest, ARunIsFoundByNameOrByTheBeginningOfItsId) {
  Put(Classify(), Succeeded());
  for (const char* run :
       {"classify-x7k2p", "taskgraph.fractos.dev/classify-x7k2p", "0123", "0123ABCD"}) {
    EXPECT_EQ(Capture([&] { return cluster::Watch(target_, run, {}); }).code, kExitSucceeded)
        << run;
  }
  const Printed none = Capture([this] { return cluster::Watch(target_, "no-such", {}); });
  EXPECT_EQ(none.code, kExitBadInput);
  EXPECT_THAT(none.err, HasSubstr("there is no run \"no-such\" in namespace default"));
  Put(Classify("another"), Succeeded());
  EXPECT_THAT(Capture([this] { return cluster::Watch(target_, "0123", {}); }).err,
              HasSubstr("begins the ids of 2 runs"));
}

// promise: C-56
TEST_F(RunCommandsTest, ATraceHasWhatTheStatusHasAndSaysWhatIsMissing) {
  Put(Classify(), Succeeded());
  const Printed printed = Capture([this] { return Trace(target_, "classify-x7k2p", "-"); });
  EXPECT_EQ(printed.code, kExitSucceeded);
  EXPECT_THAT(printed.err, HasSubstr("keeps no times of steps"));
  const nlohmann::json trace = nlohmann::json::parse(printed.out);
  EXPECT_THAT(trace["otherData"]["missing"].get<std::string>(), HasSubstr("no times"));
  int spans = 0;
  int steps = 0;
  for (const nlohmann::json& event : trace["traceEvents"]) {
    if (event["ph"] == "X") ++spans;
    if (event.contains("cat") && event["cat"] == "step") ++steps;
  }
  EXPECT_EQ(spans, 1);
  EXPECT_EQ(steps, 3);
  const std::string file = folder_ + "/trace.json";
  EXPECT_EQ(Capture([&] { return Trace(target_, "classify-x7k2p", file); }).out, "");
  EXPECT_TRUE(std::filesystem::exists(file));
}

}  // namespace
}  // namespace fractos::cluster
