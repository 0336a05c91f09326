// Bytes that the driver asks for: refinements, outputs, and everything in Centralized mode.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lib/base/limits.h"
#include "tests/unit/lib/driver/core/run_core_harness.h"

namespace fractos {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class PulledTest : public RunCoreTest {
 protected:
  // power (a), which refines into one step, -> print (b).
  PulledTest() { refining_ = {NewRefiningStep("power"), NewStep("print", {"power"}, "default/b")}; }
  static std::string Steps(const std::string& arguments = "{}") {
    RefinedStep step = NewMultiply();
    step.arguments = arguments;
    return EncodeRefinement({step});
  }
  ResultPtr Refined(bool with_bytes) const {
    auto result = std::make_shared<StepResult>(*Given("power", Steps(), {}, ResultState::kRefined));
    if (!with_bytes) result->value.inline_bytes = nullptr;
    return result;
  }
  std::vector<StepPtr> refining_;
};

// promise: G-20
TEST_F(PulledTest, ARefinementIsRecordedOnceItsBytesAreHere) {
  plan_.steps = refining_;
  Run();
  ReportFrom(kA, {Refined(false)});
  ASSERT_EQ(All<PullValue>().size(), 1u);
  EXPECT_EQ(All<PullValue>()[0].step, "power");
  EXPECT_THAT(record().steps, IsEmpty());
  ReportFrom(kA, {Refined(false)});
  EXPECT_TRUE(All<PullValue>().empty()) << "once is enough";
  Pulled("power", InlineValue(Steps(), kDriver));
  EXPECT_EQ(record().steps.size(), 1u);
  const StepPath grown = RefinedPath("power", 0, Refined(true)->id);
  std::shared_ptr<Step> step = NewStep(grown);
  step->after = {"power"};
  ReportFrom(kA, {NewResult(kRun, *step, {Refined(true)}, InlineValue("7", kA))});
  EXPECT_TRUE(record().steps.contains(grown)) << "the graph has grown by it";
}

// promise: G-20
TEST_F(PulledTest, ARefinementWhoseBytesComeByThemselvesIsRecorded) {
  plan_.steps = refining_;
  Run();
  ReportFrom(kA, {Refined(false)});
  ReportFrom(kA, {Refined(true)});
  EXPECT_EQ(record().steps.size(), 1u);
}

// promise: R-06
TEST_F(PulledTest, WhileOthersHaveYetToAnswerBytesDecideNothing) {
  for (const bool came : {true, false}) {
    plan_.steps = refining_;
    Run();
    Receive(kA, Passed{{kRun, "power", ResultId()}, 1});
    ReportFrom(kA, {Refined(false)});
    Probe();
    Hold(kA, 1);
    Pulled("power", came ? absl::StatusOr<Value>(InlineValue(Steps(), kDriver))
                         : absl::UnavailableError("the connection broke"));
    EXPECT_EQ(record().redrive, 1u);
    Hold(kB, 1);
    EXPECT_EQ(record().redrive, 2u);
  }
}

TEST_F(PulledTest, BytesAreThoseOfTheStepTheyWereAskedForAlone) {
  plan_.steps = refining_;
  plan_.steps.push_back(NewRefiningStep("other"));
  Run();
  auto second =
      std::make_shared<StepResult>(*Given("other", Steps(R"({"n":2})"), {}, ResultState::kRefined));
  second->value.inline_bytes = nullptr;
  ReportFrom(kA, {Refined(false), second});
  ASSERT_EQ(All<PullValue>().size(), 2u);
  Pulled("other", InlineValue(Steps(R"({"n":2})"), kDriver));
  EXPECT_THAT(Paths(record()), ElementsAre("other"));
  Pulled("power", InlineValue(Steps(), kDriver));
  EXPECT_THAT(Paths(record()), ElementsAre("other", "power"));
}

// promise: L-07
TEST_F(PulledTest, OutputsArePulledIfTogetherTheyAreSmallEnough) {
  plan_.steps = {NewStep("one"), NewStep("two", {}, "default/b")};
  for (const size_t more : {0, 1}) {
    Run();
    const size_t half = kMaxInlineOutputBytes / 2;
    ReportFrom(kA, {GivenLarge("one", std::string(half, 'a'), {}),
                    GivenLarge("two", std::string(half + more, 'b'), {})});
    EXPECT_EQ(All<PullValue>().size(), more == 0 ? 2u : 0u);
    EXPECT_EQ(IsEnd(record().phase), more == 1) << "by digest and size";
  }
}

// promise: L-07
TEST_F(PulledTest, AnOutputOf16KiBIsGivenInline) {
  plan_.steps = {NewStep("one")};
  for (const size_t more : {0, 1}) {
    Run();
    ReportFrom(kA, {GivenLarge("one", std::string(kMaxInlineOutputBytes + more, 'a'), {})});
    EXPECT_EQ(All<PullValue>().size(), more == 0 ? 1u : 0u);
  }
}

// promise: R-05
TEST_F(PulledTest, AnOutputThatCouldNotBePulledIsAskedForAgain) {
  plan_.steps = {NewStep("read")};
  Run();
  const ResultPtr read = GivenLarge("read", "cat", {});
  ReportFrom(kA, {read});
  Pulled("read", absl::UnavailableError("the connection broke"));
  EXPECT_TRUE(Sent<Query>().empty()) << "if its owner is gone, that will be seen";
  LetWrite();
  Written();
  Advance(kHoldWindow);
  ASSERT_EQ(Sent<Query>().size(), 4u);
  Hold(kA, 1, {}, {}, {read->value.object});
  Hold(kB, 1);
  EXPECT_EQ(TheWrite().redrive, 2u);
  EXPECT_THAT(Paths(TheWrite()), ElementsAre("read")) << "it is still there";
  Written();
  Hold(kA, 2, {}, {}, {read->value.object});
  Hold(kB, 2);
  ASSERT_EQ(All<PullValue>().size(), 1u);
  Pulled("read", InlineValue("cat", kDriver));
  EXPECT_EQ(TheWrite().phase, RunPhase::kSucceeded);
}

}  // namespace
}  // namespace fractos
