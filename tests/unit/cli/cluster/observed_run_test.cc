#include "cli/cluster/observed_run.h"

#include "cli/progress_view.h"
#include "cli/report.h"
#include "lib/api/task_graph_record.h"
#include "tests/unit/cli/cluster/cluster_test.h"

namespace fractos::cluster {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

ObservedRun Observe(const kube::Json& status) {
  kube::Object object = Classify();
  object.mutable_status() = status;
  return ObserveRun(object);
}

// promise: C-52
TEST(ObservedRunTest, ARunLooksAndIsReportedAsOneOnThisMachine) {
  const ObservedRun run = Observe(Succeeded());
  EXPECT_EQ(FormatReport({run.plan, run.snapshot}, ReportFormat::kText, false),
            "write: cat\n"
            "succeeded in 43 ms · hops 3 · 240 534 bytes moved (through a coordinator: 481 068)\n");
  const ProgressModel model = BuildProgress(run.plan, run.snapshot, 43'000);
  EXPECT_EQ(model.title, "classify-x7k2p · run 0123abcd");
  ASSERT_EQ(model.steps.size(), 3u);
  EXPECT_EQ(model.steps[0].bytes, 240531u);
  EXPECT_EQ(run.snapshot.record.steps.at("read")->value.digest, Digest::Of(""));
  EXPECT_EQ(run.snapshot.record.steps.at("read")->id.ToHex(), "00000000000000000000000000000001");
  EXPECT_EQ(model.steps[1].operation, "cnn.classify");
  EXPECT_EQ(model.steps[1].executor, "cnn-1");
  EXPECT_EQ(model.steps[1].attempts, 2u);
  EXPECT_EQ(model.steps[2].executor, "files/storage-0");
  EXPECT_EQ(run.code(), kExitSucceeded);
}

TEST(ObservedRunTest, AStepThatHasAllItNeedsRuns) {
  const ObservedRun run = Observe(Running());
  EXPECT_FALSE(run.snapshot.finished);
  EXPECT_THAT(run.snapshot.executing, ElementsAre("classify"));
  const ProgressModel model = BuildProgress(run.plan, run.snapshot, 0);
  EXPECT_EQ(model.steps[0].look, StepLook::kSucceeded);
  EXPECT_EQ(model.steps[1].look, StepLook::kRunning);
  EXPECT_EQ(model.steps[2].look, StepLook::kWaiting);
  EXPECT_EQ(run.accepted, ObservedRun::Accepted::kYes);
  EXPECT_EQ(run.note, "");
  EXPECT_EQ(run.snapshot.record.start_us, 1'700'000'000'000'000);
}

// promise: C-51
TEST(ObservedRunTest, ExitCodesAreThoseOfThisMachine) {
  EXPECT_EQ(Observe(Failed("Failed", "NotAnImage", "no JPEG")).code(), kExitFailed);
  EXPECT_EQ(Observe(Failed("Failed", "DeadlineExceeded", "late")).code(), kExitDeadline);
  EXPECT_EQ(Observe(Failed("Cancelled", "Cancelled", "")).code(), kExitInterrupted);
  EXPECT_EQ(Observe(Refused("spec.steps[0].operation: there is none")).code(), kExitBadInput);
  kube::Json waited = Refused("there is no DeviceCluster default/cnn");
  waited["failure"] = {{"reason", "UnknownDevice"}, {"message", "waited"}};
  EXPECT_EQ(Observe(waited).code(), kExitDeadline);
}

TEST(ObservedRunTest, AFailureNamesStepReasonAndMessage) {
  const ObservedRun run = Observe(Failed("Failed", "NotAnImage", "no JPEG"));
  const std::string text = FormatReport({run.plan, run.snapshot}, ReportFormat::kText, false);
  EXPECT_THAT(text, HasSubstr("step     classify"));
  EXPECT_THAT(text, HasSubstr("reason   NotAnImage"));
  EXPECT_THAT(text, HasSubstr("message  no JPEG"));
}

TEST(ObservedRunTest, ASinkWithoutValueIsSaidToHaveNone) {
  kube::Json status = Failed("Failed", "NotAnImage", "no JPEG");
  status["steps"].push_back({{"name", "write"}, {"state", "Skipped"}, {"ref", "InputFailed"}});
  const ObservedRun run = Observe(status);
  EXPECT_THAT(FormatReport({run.plan, run.snapshot}, ReportFormat::kText, false),
              HasSubstr("write: (skipped)"));
}

TEST(ObservedRunTest, BinaryOutputsComeWithTheirDigest) {
  kube::Json status = Succeeded();
  status["steps"][2]["ref"] = RefTo("\xff\xfe");
  status["outputs"] = {{{"name", "write"},
                        {"size", 2},
                        {"digest", "sha256:" + Digest::Of("\xff\xfe").ToHex()},
                        {"base64", "//4="}}};
  const ObservedRun run = Observe(status);
  ASSERT_EQ(run.snapshot.outputs.size(), 1u);
  EXPECT_EQ(*run.snapshot.outputs[0].value.inline_bytes, "\xff\xfe");
  EXPECT_EQ(run.snapshot.outputs[0].value.digest, Digest::Of("\xff\xfe"));
}

TEST(ObservedRunTest, WhatARunWaitsForIsItsNote) {
  kube::Json status = {
      {"conditions",
       {Condition("Accepted", "Unknown", "Waiting", "there is no DeviceCluster default/cnn")}}};
  EXPECT_EQ(Observe(status).note, "there is no DeviceCluster default/cnn");
  status = Running();
  status["conditions"][1] = Condition("Succeeded", "Unknown", "Waiting", "storage-0, cnn-1");
  EXPECT_EQ(Observe(status).note, "storage-0, cnn-1");
}

TEST(ObservedRunTest, WhatMakesNoSenseIsLeftOut) {
  const ObservedRun run = ObserveRun(kube::Object(kube::Json::parse(R"({
    "metadata": {"name": 7, "uid": "x"},
    "spec": {"steps": [{"name": "a"}, 3, {"inputs": [1], "after": "x"}], "deadline": []},
    "status": {"phase": "Dancing", "steps": ["x", {"name": "a", "state": "Odd"},
               {"name": "a", "state": "Succeeded", "executor": "@/x", "attempts": -3}],
               "conditions": {"a": 1}, "outputs": [3], "transfer": [], "startTime": "noon",
               "durationMilliseconds": "long"}})")));
  EXPECT_EQ(run.snapshot.record.phase, RunPhase::kPending);
  EXPECT_FALSE(run.snapshot.finished);
  EXPECT_EQ(run.snapshot.record.steps.size(), 1u);
  EXPECT_THAT(run.snapshot.executing, IsEmpty());
}

// What the log of a daemon calls the run, whatever made the object.
TEST(ObservedRunTest, TheRunIsCalledAsTheOperatorCallsIt) {
  kube::Object object = Classify();
  for (const char* uid : {kUid, "uid-1"}) {
    object.mutable_metadata()["uid"] = uid;
    EXPECT_EQ(ObserveRun(object).snapshot.record.run, RunIdOf(uid));
  }
}

}  // namespace
}  // namespace fractos::cluster
