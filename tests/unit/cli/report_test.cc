#include "cli/report.h"

#include <memory>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/plan/reasons.h"
#include "nlohmann/json.hpp"
#include "yaml-cpp/yaml.h"

namespace fractos {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class ReportTest : public ::testing::Test {
 protected:
  ReportTest() {
    plan_.name = "classify";
    auto step = std::make_shared<Step>();
    step->path = "classify";
    step->cluster = "default/cnn";
    step->operation = "classify";
    plan_.steps = {step};
    RunRecord& record = snapshot_.record;
    record.run = RunId::FromBytesOrDie("0123456789abcdef");
    record.name = "classify";
    record.phase = RunPhase::kSucceeded;
    record.redrive = 1;
    record.start_us = 1'000'000;
    record.end_us = 1'041'000;
    auto result = std::make_shared<StepResult>();
    result->path = "classify";
    result->value = Bytes("cat");
    result->executor.address = {"default/cnn", 0};
    record.steps["classify"] = result;
    snapshot_.outputs = {{"classify", ResultState::kSucceeded, Bytes("cat\n")}};
    snapshot_.transfer = {3, 9, 1'240'531};
    snapshot_.centralized_bytes = 3'711'000;
    snapshot_.finished = true;
  }

  static Value Bytes(const std::string& bytes) {
    Value value;
    value.size = bytes.size();
    value.digest = Digest::Of(bytes);
    value.inline_bytes = std::make_shared<const std::string>(bytes);
    return value;
  }

  std::string Text() { return FormatReport({plan_, snapshot_}, ReportFormat::kText, false); }

  Plan plan_;
  RunSnapshot snapshot_;
};

TEST_F(ReportTest, TextIsTheOutputsAndOneLineOfWhatItCost) {
  EXPECT_EQ(Text(),
            "classify: cat\n"
            "succeeded in 41 ms · hops 3 · 1 240 531 bytes moved (through a coordinator: "
            "3 711 000)\n");
}

TEST_F(ReportTest, LongAndBinaryValuesAreShownBySizeAndDigest) {
  snapshot_.outputs[0].value = Bytes(std::string("\x89PNG\r\n\x1a\n", 8));
  EXPECT_THAT(Text(), HasSubstr("classify: 8 bytes, sha256 4c4b6a3be1314ab8…\n"));
  snapshot_.outputs[0].value = Bytes(std::string(2001, 'x'));
  EXPECT_THAT(Text(), HasSubstr("classify: 2 001 bytes, sha256 "));
  snapshot_.outputs[0].value = Bytes("\xc3\x28");
  EXPECT_THAT(Text(), HasSubstr("classify: 2 bytes"));
  snapshot_.outputs[0].value = Bytes("\xe0\x80\xaf");  // an overlong slash
  EXPECT_THAT(Text(), HasSubstr("classify: 3 bytes"));
  snapshot_.outputs[0].value = Bytes("Straße");
  EXPECT_THAT(Text(), HasSubstr("classify: Straße\n"));
}

TEST_F(ReportTest, SeveralLinesAreIndented) {
  snapshot_.outputs[0].value = Bytes("a\nb\n");
  EXPECT_THAT(Text(), HasSubstr("classify:\n  a\n  b\n"));
}

TEST_F(ReportTest, ATerminalIsNotSentControlSequencesFromValues) {
  snapshot_.outputs[0].value = Bytes("\x1b[2J");
  EXPECT_THAT(Text(), Not(HasSubstr("\x1b")));
}

TEST_F(ReportTest, AFailureNamesStepReasonMessageAndWayOut) {
  RunRecord& record = snapshot_.record;
  record.phase = RunPhase::kFailed;
  record.failed_step = "read";
  record.failure = {"NotFound", "there is no key dog.png"};
  snapshot_.outputs.clear();
  const std::string text = Text();
  EXPECT_THAT(text, HasSubstr("failed after 41 ms"));
  EXPECT_THAT(text, HasSubstr("step     read\n"));
  EXPECT_THAT(text, HasSubstr("reason   NotFound\n"));
  EXPECT_THAT(text, HasSubstr("message  there is no key dog.png\n"));
  EXPECT_THAT(text, HasSubstr("way out  correct the key, or put a file there: `fractosctl cp"));
}

TEST(WayOutTest, WhatEndsRunsOnAClusterHasOne) {
  for (const char* reason :
       {reason::kInvalidGraph, reason::kUnknownDevice, reason::kDeviceChanged,
        reason::kRecordDamaged, reason::kMemoryExhausted, reason::kNoReplica}) {
    EXPECT_NE(WayOut(reason), "") << reason;
  }
}

TEST_F(ReportTest, CentralizedSaysThatEverythingWentThroughTheCoordinator) {
  plan_.mode = Mode::kCentralized;
  EXPECT_THAT(Text(), HasSubstr("1 240 531 bytes moved, all through the coordinator"));
}

TEST_F(ReportTest, JsonHasTheDocumentedShape) {
  const auto json =
      nlohmann::json::parse(FormatReport({plan_, snapshot_}, ReportFormat::kJson, true));
  EXPECT_EQ(json["run"], "30313233343536373839616263646566");
  EXPECT_EQ(json["phase"], "Succeeded");
  EXPECT_EQ(json["mode"], "Distributed");
  EXPECT_EQ(json["durationMilliseconds"], 41.0);
  EXPECT_EQ(json["outputs"][0]["step"], "classify");
  EXPECT_EQ(json["outputs"][0]["text"], "cat\n");
  EXPECT_EQ(json["steps"][0]["state"], "Succeeded");
  EXPECT_EQ(json["steps"][0]["device"], "default/cnn");
  EXPECT_EQ(json["transfer"]["hops"], 3);
  EXPECT_EQ(json["transfer"]["bytes"], 1'240'531);
  EXPECT_EQ(json["transfer"]["centralizedBytes"], 3'711'000);
  EXPECT_FALSE(json.contains("failure"));
}

TEST_F(ReportTest, YamlSaysTheSameAsJson) {
  const YAML::Node yaml = YAML::Load(FormatReport({plan_, snapshot_}, ReportFormat::kYaml, false));
  EXPECT_EQ(yaml["phase"].as<std::string>(), "Succeeded");
  EXPECT_EQ(yaml["outputs"][0]["text"].as<std::string>(), "cat\n");
  EXPECT_EQ(yaml["transfer"]["hops"].as<int>(), 3);
}

// Exit codes that scripts can use: 0 succeeded, 1 failed, 2 bad input, 3 deadline, 130 interrupted.
TEST_F(ReportTest, ExitCodesTellHowItEnded) {
  RunRecord record;
  record.phase = RunPhase::kSucceeded;
  EXPECT_EQ(ExitCodeOf(record), 0);
  record.phase = RunPhase::kFailed;
  record.failure.reason = "NotFound";
  EXPECT_EQ(ExitCodeOf(record), 1);
  for (const char* reason : {"DeadlineExceeded", "NoReplica"}) {
    record.failure.reason = reason;
    EXPECT_EQ(ExitCodeOf(record), 3) << reason;
  }
  record.phase = RunPhase::kCancelled;
  EXPECT_EQ(ExitCodeOf(record), 130);
}

}  // namespace
}  // namespace fractos
