#include "cli/progress_view.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/random.h"

namespace fractos {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

StepLine Line(std::string name, std::string operation, StepLook look) {
  StepLine line;
  line.name = std::move(name);
  line.operation = std::move(operation);
  line.look = look;
  return line;
}

ProgressModel Sample() {
  ProgressModel model;
  model.title = "classify · run 3f2a91c4";
  model.elapsed_microseconds = 43'210;
  StepLine read = Line("read", "storage.get", StepLook::kSucceeded);
  read.executor = "storage-0";
  read.microseconds = 2'140;
  read.bytes = 240'531;
  StepLine classify = Line("classify", "cnn.classify", StepLook::kRunning);
  StepLine write = Line("write", "storage.put", StepLook::kWaiting);
  model.steps = {read, classify, write};
  return model;
}

ViewOptions Plain() {
  ViewOptions options;
  options.colour = false;
  return options;
}

// promise: C-03
TEST(ProgressViewTest, ShowsWhatIsDoneWhatIsAtWorkAndWhatWaits) {
  EXPECT_THAT(RenderProgress(Sample(), Plain()),
              ElementsAre("classify · run 3f2a91c4  43 ms",
                          " ✓ read      storage.get   storage-0  2.1 ms · 240.5 kB",
                          " ⠋ classify  cnn.classify", " · write     storage.put"));
}

TEST(ProgressViewTest, TheSpinnerTurnsWithTheFrames) {
  ViewOptions options = Plain();
  options.frame = 2;
  EXPECT_THAT(RenderProgress(Sample(), options)[2], HasSubstr("⠹ classify"));
  options.frame = 12;
  EXPECT_THAT(RenderProgress(Sample(), options)[2], HasSubstr("⠹ classify"));
}

TEST(ProgressViewTest, FailuresSkipsGrowthAndAttemptsAreTold) {
  ProgressModel model = Sample();
  model.failing = true;
  model.steps[0].look = StepLook::kFailed;
  model.steps[0].reason = "NotFound";
  model.steps[1].grown = 63;
  model.steps[1].grown_done = 12;
  model.steps[1].microseconds = 1'500'000;
  model.steps[1].attempts = 2;
  model.steps[2].look = StepLook::kSkipped;
  model.steps[2].reason = "InputFailed";
  EXPECT_THAT(
      RenderProgress(model, Plain()),
      ElementsAre("classify · run 3f2a91c4  43 ms  on failure",
                  " ✗ read      storage.get   storage-0  failed: NotFound",
                  " ⠋ classify  cnn.classify             1.50 s · growing 12/63 · 2 attempts",
                  " – write     storage.put              skipped: InputFailed"));
}

TEST(ProgressViewTest, LinesAreCutAtTheTerminalsWidth) {
  ViewOptions options = Plain();
  options.width = 20;
  for (const std::string& line : RenderProgress(Sample(), options)) {
    size_t columns = 0;
    for (const char c : line) columns += (static_cast<unsigned char>(c) & 0xc0) != 0x80 ? 1 : 0;
    EXPECT_LE(columns, 20u) << line;
  }
}

TEST(ProgressViewTest, WhatDoesNotFitIsCountedAndWhatIsAtWorkIsKept) {
  ProgressModel model;
  model.title = "many";
  for (int i = 0; i < 256; ++i) {
    model.steps.push_back(Line(absl::StrCat("step-", i), "echo.identity",
                               i == 200 ? StepLook::kRunning : StepLook::kSucceeded));
  }
  ViewOptions options = Plain();
  options.height = 10;
  const std::vector<std::string> lines = RenderProgress(model, options);
  ASSERT_THAT(lines, SizeIs(9));
  EXPECT_THAT(lines[7], HasSubstr("step-200"));
  EXPECT_EQ(lines[8], "   … and 249 more steps");
}

TEST(ProgressViewTest, ColoursTakeNoRoomAndAreEndedOnEveryLine) {
  ViewOptions options;
  for (const std::string& line : RenderProgress(Sample(), options)) {
    EXPECT_THAT(line, HasSubstr("\x1b["));
    EXPECT_THAT(line, HasSubstr("\x1b[0m"));
  }
}

// promise: C-03
TEST(ProgressViewTest, PlainLinesComeOncePerStepThatEnds) {
  PlainProgress plain;
  ProgressModel model = Sample();
  EXPECT_THAT(plain.Update(model), ElementsAre("read: succeeded (2.1 ms · 240.5 kB) on storage-0"));
  EXPECT_THAT(plain.Update(model), IsEmpty());
  model.steps[1].look = StepLook::kFailed;
  model.steps[1].reason = "NotAnImage";
  EXPECT_THAT(plain.Update(model), ElementsAre("classify: failed: NotAnImage"));
}

class BuildProgressTest : public ::testing::Test {
 protected:
  BuildProgressTest() {
    plan_.name = "power";
    auto power = std::make_shared<Step>();
    power->path = "power";
    power->cluster = "default/math";
    power->operation = "power";
    auto write = std::make_shared<Step>();
    write->path = "write";
    write->cluster = "other/storage";
    write->operation = "put";
    write->after = {"power"};
    plan_.steps = {power, write};
    snapshot_.record.run = RunId::FromBytesOrDie("0123456789abcdef");
  }

  std::shared_ptr<StepResult> Record(const StepPath& path, ResultState state) {
    auto result = std::make_shared<StepResult>();
    result->path = path;
    result->state = state;
    result->id = random_.NewId<ResultId>();
    result->executor.address = {"default/math", 1};
    result->timing = {100, 110, 120, 150};
    snapshot_.record.steps[path] = result;
    return result;
  }

  SeededRandom random_{3};
  Plan plan_;
  RunSnapshot snapshot_;
};

TEST_F(BuildProgressTest, CountsWhatAStepGrewInto) {
  Refinement refinement(3);
  for (RefinedStep& step : refinement) {
    step.cluster = ".";
    step.operation = "multiply";
  }
  const auto power = Record("power", ResultState::kRefined);
  power->value.inline_bytes = std::make_shared<const std::string>(EncodeRefinement(refinement));
  Record(RefinedPath("power", 0, power->id), ResultState::kSucceeded);
  snapshot_.executing = {RefinedPath("power", 1, power->id)};

  ProgressModel model = BuildProgress(plan_, snapshot_, 7);
  ASSERT_THAT(model.steps, SizeIs(2));
  EXPECT_EQ(model.title, "power · run 30313233");
  EXPECT_EQ(model.steps[0].look, StepLook::kRunning);
  EXPECT_EQ(model.steps[0].grown, 3u);
  EXPECT_EQ(model.steps[0].grown_done, 1u);
  EXPECT_EQ(model.steps[0].executor, "math-1");
  EXPECT_EQ(model.steps[0].microseconds, 100);
  EXPECT_EQ(model.steps[1].look, StepLook::kWaiting);
  EXPECT_EQ(model.steps[1].operation, "other/storage.put");

  Record(RefinedPath("power", 1, power->id), ResultState::kSucceeded);
  Record(RefinedPath("power", 2, power->id), ResultState::kSucceeded);
  snapshot_.executing = {"write"};
  model = BuildProgress(plan_, snapshot_, 7);
  EXPECT_EQ(model.steps[0].look, StepLook::kSucceeded);
  EXPECT_EQ(model.steps[1].look, StepLook::kRunning);
}

TEST_F(BuildProgressTest, WhatHasAllThatItNeedsIsAtWorkBeforeItsDaemonSaysSo) {
  ProgressModel model = BuildProgress(plan_, snapshot_, 7);
  EXPECT_EQ(model.steps[0].look, StepLook::kRunning);
  EXPECT_EQ(model.steps[1].look, StepLook::kWaiting);
  Record("power", ResultState::kSucceeded);
  EXPECT_EQ(BuildProgress(plan_, snapshot_, 7).steps[1].look, StepLook::kRunning);
  snapshot_.finished = true;
  EXPECT_EQ(BuildProgress(plan_, snapshot_, 7).steps[1].look, StepLook::kWaiting);
}

TEST_F(BuildProgressTest, TheErrorContinuationAppearsWhenItRuns) {
  auto report = std::make_shared<Step>();
  report->path = "report";
  report->cluster = "default/storage";
  report->operation = "put";
  plan_.on_failure = {report};
  EXPECT_THAT(BuildProgress(plan_, snapshot_, 0).steps, SizeIs(2));
  Record("power", ResultState::kFailed)->failure = {"DivisionByZero", ""};
  snapshot_.record.phase = RunPhase::kFailing;
  snapshot_.record.failed_step = "power";
  const ProgressModel model = BuildProgress(plan_, snapshot_, 0);
  EXPECT_TRUE(model.failing);
  ASSERT_THAT(model.steps, SizeIs(3));
  EXPECT_EQ(model.steps[0].reason, "DivisionByZero");
  EXPECT_TRUE(model.steps[2].on_failure);
}

TEST(FormatTest, NumbersAreForPeople) {
  EXPECT_EQ(FormatMicroseconds(0), "0.0 ms");
  EXPECT_EQ(FormatMicroseconds(9'949), "9.9 ms");
  EXPECT_EQ(FormatMicroseconds(41'000), "41 ms");
  EXPECT_EQ(FormatMicroseconds(1'240'000), "1.24 s");
  EXPECT_EQ(FormatMicroseconds(123'000'000), "2 min 3 s");
  EXPECT_EQ(GroupDigits(0), "0");
  EXPECT_EQ(GroupDigits(999), "999");
  EXPECT_EQ(GroupDigits(1'240'531), "1 240 531");
  EXPECT_EQ(FormatBytes(999), "999 B");
  EXPECT_EQ(FormatBytes(1'240'531), "1.2 MB");
  EXPECT_EQ(FormatBytes(999'960), "1.0 MB");
}

}  // namespace
}  // namespace fractos
