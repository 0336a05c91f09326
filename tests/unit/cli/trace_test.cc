#include "cli/trace.h"

#include <map>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/random.h"
#include "nlohmann/json.hpp"

namespace fractos {
namespace {

using Json = nlohmann::json;

class TraceTest : public ::testing::Test {
 protected:
  TraceTest() {
    record_.run = RunId::FromBytesOrDie("0123456789abcdef");
    record_.name = "test";
    record_.start_us = 1000;
  }

  void AddStep(const std::string& path, std::vector<InputEdge> inputs) {
    auto step = std::make_shared<Step>();
    step->path = path;
    step->inputs = std::move(inputs);
    plan_.steps.push_back(step);
  }

  std::shared_ptr<StepResult> Record(const StepPath& path, const std::string& cluster,
                                     Timing timing) {
    auto result = std::make_shared<StepResult>();
    result->path = path;
    result->id = random_.NewId<ResultId>();
    result->executor.address = {cluster, 0};
    result->timing = timing;
    record_.steps[path] = result;
    return result;
  }

  // Spans by name.
  std::map<std::string, Json> Spans() {
    std::map<std::string, Json> spans;
    const Json trace = Json::parse(ChromeTrace(plan_, record_));
    for (const Json& event : trace["traceEvents"]) {
      if (event["ph"] == "X") spans[event["name"]] = event;
    }
    return spans;
  }

  SeededRandom random_{1};
  Plan plan_;
  RunRecord record_;
};

// Chrome trace JSON, one span per hop and step.
TEST_F(TraceTest, OneSpanForEveryStepAndHop) {
  AddStep("read", {});
  AddStep("classify", {{"image", "read"}});
  AddStep("label", {{"text", "classify"}});
  Record("read", "default/storage", {1010, 1020, 1030, 1040});
  Record("classify", "default/cnn", {1050, 1055, 1090, 1100});
  // On the same daemon as before: a step, and no hop.
  Record("label", "default/cnn", {1100, 1101, 1102, 1103});

  const std::map<std::string, Json> spans = Spans();
  ASSERT_EQ(spans.size(), 5u);
  EXPECT_EQ(spans.at("driver → read")["ts"], 0);
  EXPECT_EQ(spans.at("driver → read")["dur"], 10);
  EXPECT_EQ(spans.at("read")["ts"], 20);
  EXPECT_EQ(spans.at("read")["dur"], 20);
  EXPECT_EQ(spans.at("read → classify")["ts"], 40);
  EXPECT_EQ(spans.at("read → classify")["dur"], 10);
  EXPECT_EQ(spans.at("read → classify")["cat"], "hop");
  EXPECT_EQ(spans.at("classify")["cat"], "step");
  EXPECT_NE(spans.at("read")["pid"], spans.at("classify")["pid"]);
  EXPECT_EQ(spans.at("label")["pid"], spans.at("classify")["pid"]);
}

TEST_F(TraceTest, HopsFollowWhatAStepGrewInto) {
  AddStep("power", {});
  AddStep("write", {{"data", "power"}});
  Refinement refinement(2);
  refinement[1].inputs.push_back({"a", 0, ""});
  const auto power = Record("power", "default/math", {1010, 1011, 1012, 1013});
  power->state = ResultState::kRefined;
  power->value.inline_bytes = std::make_shared<const std::string>(EncodeRefinement(refinement));
  const StepPath first = RefinedPath("power", 0, power->id);
  const StepPath second = RefinedPath("power", 1, power->id);
  Record(first, "default/other", {1020, 1021, 1022, 1023});
  Record(second, "default/math", {1030, 1031, 1032, 1033});
  Record("write", "default/storage", {1040, 1041, 1042, 1043});

  const std::map<std::string, Json> spans = Spans();
  EXPECT_TRUE(spans.contains(absl::StrCat("power → ", first)));
  EXPECT_TRUE(spans.contains(absl::StrCat(first, " → ", second)));
  EXPECT_TRUE(spans.contains(absl::StrCat(second, " → write")));
  EXPECT_FALSE(spans.contains("power → write"));
}

TEST_F(TraceTest, StepsThatOverlapOnOneDaemonHaveLanesOfTheirOwn) {
  AddStep("a", {});
  AddStep("b", {});
  AddStep("c", {});
  Record("a", "default/echo", {1000, 1000, 1050, 1060});
  Record("b", "default/echo", {1000, 1010, 1050, 1060});
  Record("c", "default/echo", {1060, 1060, 1070, 1080});
  const std::map<std::string, Json> spans = Spans();
  EXPECT_NE(spans.at("a")["tid"], spans.at("b")["tid"]);
  EXPECT_EQ(spans.at("a")["tid"], spans.at("c")["tid"]);
}

TEST_F(TraceTest, ARunThatDidNothingIsAValidTrace) {
  EXPECT_TRUE(Json::parse(ChromeTrace(plan_, record_))["traceEvents"].empty());
}

}  // namespace
}  // namespace fractos
