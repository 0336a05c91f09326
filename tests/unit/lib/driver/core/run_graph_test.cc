#include "lib/driver/core/run_graph.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lib/base/limits.h"
#include "tests/unit/lib/protocol/builders.h"

namespace fractos {
namespace {

using ::testing::ElementsAre;

const RunId kRun = NamedId<RunId>("run");

// base -> power -> print, where power may refine.
class RunGraphTest : public ::testing::Test {
 protected:
  RunGraphTest() {
    std::shared_ptr<Step> power = NewStep("power", {"base"});
    power->refines_to = {signatures_[0].Key()};
    steps_ = {NewStep("base"), power, NewStep("print", {"power"})};
    base_ = NewResult(kRun, *steps_[0], {}, InlineValue("7"));
    const Refinement two = {NewMultiply({{"a", -1, "base"}}), NewMultiply({{"a", 0, ""}})};
    refined_ =
        NewResult(kRun, *power, {base_}, InlineValue(EncodeRefinement(two)), ResultState::kRefined);
    first_ = RefinedPath("power", 0, refined_->id);
    last_ = RefinedPath("power", 1, refined_->id);
  }
  void Record(const ResultPtr& result) { recorded_[result->path] = result; }
  RunGraph Grow() const {
    const absl::StatusOr<RunGraph> graph = RunGraph::Grow(steps_, {}, signatures_, recorded_);
    EXPECT_TRUE(graph.ok()) << graph.status();
    return graph.ok() ? *graph : RunGraph();
  }
  static std::vector<StepPath> Paths(const std::vector<StepPtr>& steps) {
    std::vector<StepPath> paths;
    for (const StepPtr& step : steps) paths.push_back(step->path);
    return paths;
  }

  std::vector<StepPtr> steps_;
  std::vector<OperationSignature> signatures_ = {MultiplyOf("default/a")};
  RecordedSteps recorded_;
  ResultPtr base_, refined_;
  StepPath first_, last_;
};

TEST_F(RunGraphTest, WithoutRefinementsItIsThePlan) {
  const RunGraph graph = Grow();
  EXPECT_THAT(Paths(graph.steps()), ElementsAre("base", "power", "print"));
  EXPECT_TRUE(graph.IsSink(*graph.Find("print")));
  EXPECT_FALSE(graph.IsSink(*graph.Find("power")));
  EXPECT_EQ(graph.Find("stranger"), nullptr);
}

// promise: G-20
TEST_F(RunGraphTest, ARecordedRefinementTakesThePlaceOfItsStep) {
  Record(base_);
  Record(refined_);
  const RunGraph graph = Grow();
  EXPECT_THAT(Paths(graph.steps()), ElementsAre("base", "power", first_, last_, "print"));
  const Step& power = *graph.Find("power");
  EXPECT_THAT(Paths(graph.SuccessorsOf(power, /*refined=*/true)), ElementsAre(first_));
  EXPECT_THAT(Paths(graph.SuccessorsOf(*graph.Find(last_), /*refined=*/false)),
              ElementsAre("print"));
  EXPECT_EQ(graph.ResultAlong(*graph.Find(first_), "power", recorded_), refined_);
  EXPECT_EQ(graph.Find(first_)->bound.at(0).value, base_->value);
}

// promise: G-20
TEST_F(RunGraphTest, OnlyWhatStandsForAStepTravelsOnUnderItsName) {
  Record(base_);
  Record(refined_);
  const RunGraph graph = Grow();
  EXPECT_EQ(graph.Terminal("power", recorded_), nullptr) << "a refinement is no answer";
  EXPECT_EQ(graph.ResultAlong(*graph.Find("print"), "power", recorded_), nullptr);
  const ResultPtr first = NewResult(kRun, *graph.Find(first_), {refined_}, InlineValue("49"));
  const ResultPtr last = NewResult(kRun, *graph.Find(last_), {first}, InlineValue("343"));
  Record(first);
  EXPECT_EQ(graph.Terminal("power", recorded_), nullptr);
  Record(last);
  EXPECT_EQ(graph.Terminal("power", recorded_), last);
  EXPECT_EQ(graph.ResultAlong(*graph.Find("print"), "power", recorded_), last);
  EXPECT_THAT(graph.Ancestors(*graph.Find("print"), recorded_),
              ElementsAre(base_, refined_, first, last))
      << "predecessors first";
}

TEST_F(RunGraphTest, TheLastStepOfARefinedSinkIsTheSink) {
  steps_.pop_back();
  Record(base_);
  Record(refined_);
  const RunGraph graph = Grow();
  EXPECT_TRUE(graph.IsSink(*graph.Find(last_)));
  EXPECT_FALSE(graph.IsSink(*graph.Find(first_)));
}

TEST_F(RunGraphTest, ARefinementWhoseBytesAreMissingDoesNotGrowIt) {
  auto bare = std::make_shared<StepResult>(*refined_);
  bare->value.inline_bytes = nullptr;
  Record(base_);
  Record(bare);
  EXPECT_EQ(Grow().steps().size(), 3u);
}

// A predecessor's refinement has yet to be fetched; until then this one cannot grow either.
TEST_F(RunGraphTest, NorDoesOneWhoseInputsAreMissing) {
  std::shared_ptr<Step> base = NewStep("base");
  base->refines_to = steps_[1]->refines_to;
  steps_[0] = base;
  auto bare = std::make_shared<StepResult>(
      *NewResult(kRun, *base, {}, InlineValue("[]"), ResultState::kRefined));
  bare->value.inline_bytes = nullptr;
  Record(bare);
  Record(refined_);
  EXPECT_EQ(Grow().steps().size(), 3u);
}

// promise: G-21
TEST_F(RunGraphTest, ARefinedStepMayRefineAndHandOnWhatItTookOver) {
  OperationSignature again = signatures_[0];
  again.operation = "power";
  again.refines_to = {signatures_[0].Key()};
  signatures_.push_back(again);
  std::shared_ptr<Step> power = NewStep("power", {"base"});
  power->refines_to = {again.Key()};
  steps_[1] = power;
  Refinement outer = {NewMultiply({{"taken", -1, "base"}})};
  outer[0].operation = "power";
  const Refinement inner = {NewMultiply({{"over", -1, "taken"}})};
  const ResultPtr first =
      NewResult(kRun, *power, {base_}, InlineValue(EncodeRefinement(outer)), ResultState::kRefined);
  std::shared_ptr<Step> nested = NewStep(RefinedPath("power", 0, first->id));
  const ResultPtr second = NewResult(kRun, *nested, {first}, InlineValue(EncodeRefinement(inner)),
                                     ResultState::kRefined);
  Record(base_);
  Record(first);
  Record(second);
  const RunGraph graph = Grow();
  ASSERT_EQ(graph.steps().size(), 5u);
  const Step& last = *graph.steps()[3];
  EXPECT_EQ(last.alias(), "power");
  ASSERT_EQ(last.bound.size(), 1u);
  EXPECT_EQ(last.bound[0].value, base_->value);
}

TEST_F(RunGraphTest, AncestorsAreNamedOnce) {
  steps_ = {NewStep("base"), NewStep("left", {"base"}), NewStep("right", {"base", "left"}),
            NewStep("join", {"left", "right"})};
  const ResultPtr left = NewResult(kRun, *steps_[1], {base_}, InlineValue("l"));
  const ResultPtr right = NewResult(kRun, *steps_[2], {base_, left}, InlineValue("r"));
  Record(base_);
  Record(left);
  Record(right);
  EXPECT_THAT(Grow().Ancestors(*steps_[3], recorded_), ElementsAre(base_, left, right));
}

TEST_F(RunGraphTest, ContextIsKnownButNotToBeDone) {
  const StepPtr mend = NewStep("mend", {"base"});
  Record(base_);
  const auto graph = RunGraph::Grow({mend}, steps_, signatures_, recorded_);
  ASSERT_TRUE(graph.ok());
  EXPECT_THAT(Paths(graph->steps()), ElementsAre("mend"));
  EXPECT_TRUE(graph->Contains(*mend));
  EXPECT_FALSE(graph->Contains(*steps_[0]));
  EXPECT_EQ(graph->ResultAlong(*mend, "base", recorded_), base_);
}

// promise: G-11, G-20
TEST_F(RunGraphTest, ContextGrowsToo) {
  const StepPtr mend = NewStep("mend", {"power"});
  Record(base_);
  Record(refined_);
  const auto graph = RunGraph::Grow({mend}, steps_, signatures_, recorded_);
  ASSERT_TRUE(graph.ok()) << graph.status();
  EXPECT_THAT(Paths(graph->steps()), ElementsAre("mend"));
  EXPECT_EQ(graph->Owing("power", recorded_)->path, last_);
  const ResultPtr first = NewResult(kRun, *graph->Find(first_), {refined_}, InlineValue("49"));
  const ResultPtr last = NewResult(kRun, *graph->Find(last_), {first}, InlineValue("343"));
  Record(first);
  Record(last);
  EXPECT_EQ(graph->ResultAlong(*mend, "power", recorded_), last);
  EXPECT_THAT(graph->Ancestors(*mend, recorded_), ElementsAre(base_, refined_, first, last));
  EXPECT_EQ(graph->Owing("power", recorded_), nullptr);
  EXPECT_EQ(graph->Owing("mend", recorded_), nullptr) << "that is to be done";
  EXPECT_FALSE(graph->IsSink(*graph->Find("base")));
  EXPECT_TRUE(graph->IsSink(*graph->Find("print")));
}

// promise: R-21
TEST_F(RunGraphTest, WhileARefinementsBytesAreMissingNobodyIsKnownToOweItsResult) {
  auto bare = std::make_shared<StepResult>(*refined_);
  bare->value.inline_bytes = nullptr;
  Record(base_);
  Record(bare);
  const auto graph = RunGraph::Grow({NewStep("mend", {"power"})}, steps_, signatures_, recorded_);
  ASSERT_TRUE(graph.ok());
  EXPECT_EQ(graph->Owing("power", recorded_), nullptr);
  EXPECT_EQ(graph->Owing("print", recorded_)->path, "print");
  EXPECT_EQ(graph->Owing("stranger", recorded_), nullptr);
}

// What adaptors and records say is hostile.
TEST_F(RunGraphTest, RefusesARefinementThatIsNone) {
  Record(base_);
  Record(NewResult(kRun, *steps_[1], {base_}, InlineValue("nonsense"), ResultState::kRefined));
  EXPECT_TRUE(absl::IsInvalidArgument(RunGraph::Grow(steps_, {}, signatures_, recorded_).status()));
  signatures_.clear();
  Record(refined_);
  EXPECT_TRUE(absl::IsInvalidArgument(RunGraph::Grow(steps_, {}, signatures_, recorded_).status()));
}

// promise: L-01
TEST_F(RunGraphTest, CountsRefinedAndContextStepsAgainstTheBound) {
  Record(base_);
  Record(refined_);  // two more steps
  std::vector<StepPtr> context;
  while (context.size() + steps_.size() + 2 < kMaxSteps) {
    context.push_back(NewStep("main" + std::to_string(context.size())));
  }
  EXPECT_TRUE(RunGraph::Grow(steps_, context, signatures_, recorded_).ok());
  context.push_back(NewStep("one too many"));
  EXPECT_TRUE(
      absl::IsResourceExhausted(RunGraph::Grow(steps_, context, signatures_, recorded_).status()));
}

}  // namespace
}  // namespace fractos
