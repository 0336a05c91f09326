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
    OperationSignature multiply;
    multiply.cluster = "default/a";
    multiply.operation = "multiply";
    signatures_ = {multiply};
    std::shared_ptr<Step> power = NewStep("power", {"base"});
    power->refines_to = {multiply.Key()};
    steps_ = {NewStep("base"), power, NewStep("print", {"power"})};
    base_ = NewResult(kRun, *steps_[0], {}, InlineValue("7"));
    Refinement two(2);
    for (RefinedStep& one : two) {
      one.cluster = ".";
      one.operation = "multiply";
    }
    two[0].inputs = {{"a", -1, "base"}};
    two[1].inputs = {{"a", 0, ""}};
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
  std::vector<OperationSignature> signatures_;
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
