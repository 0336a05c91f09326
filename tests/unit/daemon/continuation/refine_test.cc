// Refinements at a daemon: "its last step replaces the refining step on every outgoing edge".
#include <gtest/gtest.h>

#include "lib/base/limits.h"
#include "tests/unit/daemon/continuation/core_harness.h"

namespace fractos {
namespace {

class RefineTest : public CoreTest {
 protected:
  RefineTest() {
    OperationSignature multiply;
    multiply.cluster = "default/a";
    multiply.operation = "multiply";
    signatures_ = {multiply};
    power_->refines_to = {multiply.Key()};
  }

  static RefinedStep Multiply() {
    RefinedStep step;
    step.cluster = ".";
    step.operation = "multiply";
    return step;
  }
  // Two steps, of which the second takes the first's result and an input of `power`.
  static Refinement Squared() {
    Refinement steps = {Multiply(), Multiply()};
    steps[0].inputs = {{"a", -1, "base"}};
    steps[1].inputs = {{"a", 0, ""}, {"b", -1, "base"}};
    return steps;
  }
  void Refine(const Refinement& steps) {
    Executed("power", {Outcome::Refined{steps, InlineValue(EncodeRefinement(steps), kSelf)}});
  }
  // The step that was just started.
  StepPath Started() const {
    const std::vector<Execute> executes = All<Execute>();
    EXPECT_EQ(executes.size(), 1u);
    return executes.empty() ? "" : executes.front().attempt.step;
  }

  std::shared_ptr<Step> power_ = NewStep("power", {"base"});
  ResultPtr base_ = NewResult(kRun, *NewStep("base"), {}, InlineValue("7", kB));
};

// promise: G-20, G-21
TEST_F(RefineTest, InTheMiddleTheLastStepsResultTravelsOnUnderTheOldName) {
  Receive(Hand({power_, NewStep("print", {"power"}, "default/b")}, base_));
  Refine(Squared());
  EXPECT_EQ(All<Commit>().size(), 1u);
  const StepPath first = Started();
  EXPECT_EQ(RootStepName(first), "power");
  EXPECT_EQ(*All<Execute>()[0].inputs[0].value.inline_bytes, "7");
  Produce(first, "49");
  const StepPath second = Started();
  ASSERT_EQ(All<Execute>()[0].inputs.size(), 2u);
  EXPECT_EQ(*All<Execute>()[0].inputs[0].value.inline_bytes, "49");
  EXPECT_EQ(*All<Execute>()[0].inputs[1].value.inline_bytes, "7");
  Produce(second, "343");
  const HandOver onward = SentTo("print");
  EXPECT_EQ(onward.edge, "power");
  EXPECT_EQ(onward.result->path, second);
  EXPECT_EQ(*onward.result->value.inline_bytes, "343");
  EXPECT_TRUE(onward.continuation->signatures.empty()) << "nothing left may refine";
}

// promise: G-20
TEST_F(RefineTest, AtTheEndTheLastRefinedStepIsTheSink) {
  Receive(Hand({power_}, base_));
  Refine({Multiply()});
  Produce(Started(), "7");
  Advance(Duration::zero());
  const Report report = TheSent<Report>();
  ASSERT_EQ(report.results.size(), 3u) << "the input, the refinement, and what it gave";
  EXPECT_EQ(report.results[1]->path, "power");
  EXPECT_EQ(report.results[1]->state, ResultState::kRefined);
  EXPECT_TRUE(report.results[1]->value.IsInline()) << "the driver must know the steps";
  EXPECT_EQ(report.results[2]->state, ResultState::kSucceeded);
}

// promise: B-24
TEST_F(RefineTest, OutsideOfRefinesToItFailsTheStep) {
  Receive(Hand({power_, NewStep("print", {"power"}, "default/b")}, base_));
  RefinedStep shutdown = Multiply();
  shutdown.operation = "shutdown";
  Refine({shutdown});
  const StepResult& result = *SentTo("print").result;
  EXPECT_EQ(result.state, ResultState::kFailed);
  EXPECT_EQ(result.failure.reason, "InvalidRefinement");
  EXPECT_NE(result.failure.message.find("default/a:shutdown"), std::string::npos);
  EXPECT_TRUE(All<Commit>().empty());
  EXPECT_EQ(All<Release>().size(), 1u);
}

// promise: B-23
TEST_F(RefineTest, WithMoreStepsThanARunMayHaveItFailsTheStep) {
  Receive(Hand({power_, NewStep("print", {"power"}, "default/b")}, base_));
  Refinement chain(kMaxSteps, Multiply());
  for (size_t i = 1; i < chain.size(); ++i) chain[i].after = {static_cast<int>(i) - 1};
  Refine(chain);
  EXPECT_EQ(SentTo("print").result->failure.reason, "InvalidRefinement");
}

TEST_F(RefineTest, AsBytesThatAreNoneItFailsTheStep) {
  Receive(Hand({power_, NewStep("print", {"power"}, "default/b")}, base_));
  Executed("power", {Outcome::Refined{Squared(), InlineValue("not what it says", kSelf)}});
  EXPECT_EQ(SentTo("print").result->failure.reason, "InvalidRefinement");
}

TEST_F(RefineTest, TooLargeToTravelItFailsTheStep) {
  Receive(Hand({power_, NewStep("print", {"power"}, "default/b")}, base_));
  Executed("power", {Outcome::Refined{Squared(), LargeValue(EncodeRefinement(Squared()), kSelf)}});
  EXPECT_EQ(SentTo("print").result->failure.reason, "InvalidRefinement");
}

// A refinement of as many steps as there may be, all on this daemon, must not nest as deep.
// promise: L-01, H-14
TEST_F(RefineTest, AsLongAsARunMayBeItIsExecutedStepByStep) {
  Receive(Hand({power_}, base_));
  Refinement chain(kMaxSteps - 1, Multiply());
  for (size_t i = 1; i < chain.size(); ++i) chain[i].after = {static_cast<int>(i) - 1};
  Refine(chain);
  for (size_t i = 0; i < chain.size(); ++i) Produce(Started());
  Advance(Duration::zero());
  EXPECT_EQ(TheSent<Report>().results.size(), kMaxSteps + 1);
}

}  // namespace
}  // namespace fractos
