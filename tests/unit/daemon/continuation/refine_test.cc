// Refinements at a daemon: "its last step replaces the refining step on every outgoing edge".
#include <gtest/gtest.h>

#include "lib/base/limits.h"
#include "tests/unit/daemon/continuation/core_harness.h"

namespace fractos {
namespace {

class RefineTest : public CoreTest {
 protected:
  RefineTest() {
    signatures_ = {MultiplyOf("default/a")};
    power_->refines_to = {signatures_[0].Key()};
  }

  // Two steps, of which the second takes the first's result and an input of `power`.
  static Refinement Squared() {
    return {NewMultiply({{"a", -1, "base"}}), NewMultiply({{"a", 0, ""}, {"b", -1, "base"}})};
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

// promise: G-21, G-20
TEST_F(RefineTest, ARefinedStepMayItselfRefineAndStillStandsForTheFirst) {
  OperationSignature again = signatures_[0];
  again.operation = "power";
  again.refines_to = {signatures_[0].Key()};
  signatures_.push_back(again);
  power_->refines_to.push_back(again.Key());
  Receive(Hand({power_, NewStep("print", {"power"}, "default/b")}, base_));
  Refinement outer = {NewMultiply()};
  outer[0].operation = "power";
  outer[0].inputs = {{"taken", -1, "base"}};
  Refine(outer);
  const StepPath nested = Started();
  Refinement inner = {NewMultiply()};
  inner[0].inputs = {{"over", -1, "taken"}};
  Executed(nested, {Outcome::Refined{inner, InlineValue(EncodeRefinement(inner), kSelf)}});
  const StepPath last = Started();
  EXPECT_EQ(RootStepName(last), "power");
  ASSERT_EQ(All<Execute>()[0].inputs.size(), 1u);
  EXPECT_EQ(All<Execute>()[0].inputs[0].input, "over");
  EXPECT_EQ(*All<Execute>()[0].inputs[0].value.inline_bytes, "7");
  Produce(last, "7");
  EXPECT_EQ(SentTo("print").edge, "power");
  EXPECT_EQ(SentTo("print").result->path, last);
}

// promise: M-15, G-21
TEST_F(RefineTest, WhatARefinedStepTookOverIsKeptWhileItWaitsForOthers) {
  const ResultPtr base = NewResult(kRun, *NewStep("base"), {}, LargeValue("7", kB));
  Receive(Hand({power_}, base));
  Fetched(base);
  Refinement steps = {NewMultiply(), NewMultiply(), NewMultiply()};
  steps[0].inputs = {{"a", -1, "base"}};
  steps[2].inputs = {{"a", 0, ""}, {"b", 1, ""}, {"c", -1, "base"}};
  Refine(steps);
  ASSERT_EQ(All<Execute>().size(), 2u);
  const StepPath reads = All<Execute>()[0].attempt.step, other = All<Execute>()[1].attempt.step;
  Produce(reads, "1");
  EXPECT_TRUE(All<Release>().empty()) << "the third has yet to read it";
  Produce(other, "2");
  EXPECT_TRUE(All<Fetch>().empty());
  Produce(Started(), "3");
  ASSERT_EQ(All<Release>().size(), 1u);
  EXPECT_EQ(All<Release>()[0].object, base->value.object);
}

// promise: G-20
TEST_F(RefineTest, AtTheEndTheLastRefinedStepIsTheSink) {
  Receive(Hand({power_}, base_));
  Refine({NewMultiply()});
  Produce(Started(), "7");
  Advance(Duration::zero());
  const Report report = TheSent<Report>();
  ASSERT_EQ(report.results.size(), 3u) << "the input, the refinement, and what it gave";
  EXPECT_EQ(report.results[1]->path, "power");
  EXPECT_EQ(report.results[1]->state, ResultState::kRefined);
  EXPECT_TRUE(report.results[1]->value.IsInline()) << "the driver must know the steps";
  EXPECT_EQ(report.results[2]->state, ResultState::kSucceeded);
}

// What a peer says a second time of a step that was accepted changes where bytes are, and nothing
// else.
TEST_F(RefineTest, ALaterHandOverChangesNothingButWhereBytesAre) {
  const ResultPtr base = NewResult(kRun, *NewStep("base"), {}, LargeValue("7", kB));
  Receive(Hand({power_, NewStep("print", {"power"}, "default/b")}, base));
  Fetched(base);
  RefinedStep elsewhere = NewMultiply();
  elsewhere.cluster = "default/a";
  Refine({elsewhere});
  const StepPath first = Started();
  auto moved = std::make_shared<StepResult>(*base);
  moved->value.owner = moved->executor = kC;
  moved->value.object = NamedId<ObjectId>("elsewhere");
  auto changed = std::make_shared<Step>(*power_);
  changed->refines_to.clear();
  changed->operation = "shutdown";
  signatures_.clear();
  Receive(kC, Hand({changed}, moved, {base_}));
  EXPECT_EQ(Sent<Accepted>().size(), 1u);
  Produce(first, "49");
  EXPECT_EQ(SentTo("print").result->path, first);
  const std::vector<ResultPtr> ancestors = SentTo("print").ancestors;
  EXPECT_EQ(ancestors.size(), 2u) << "base and the refinement";
}

TEST_F(RefineTest, ALaterHandOverOfOtherBytesUnderTheSameIdIsNotBelieved) {
  const ResultPtr base = NewResult(kRun, *NewStep("base"), {}, LargeValue("7", kB));
  Receive(Hand({power_}, base));
  auto other = std::make_shared<StepResult>(*base);
  other->value = LargeValue("8", kC);
  Receive(kC, Hand({power_}, other));
  EXPECT_TRUE(All<Fetch>().empty());
  Fetched(base);
  ASSERT_TRUE(Executes("power"));
  EXPECT_EQ(All<Execute>()[0].inputs[0].value, base->value);
}

// promise: B-24
TEST_F(RefineTest, OutsideOfRefinesToItFailsTheStep) {
  Receive(Hand({power_, NewStep("print", {"power"}, "default/b")}, base_));
  RefinedStep shutdown = NewMultiply();
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
  Refine(MultiplyChain(kMaxSteps));
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
  Refine(MultiplyChain(kMaxSteps - 1));
  for (size_t i = 0; i < kMaxSteps - 1; ++i) Produce(Started());
  Advance(Duration::zero());
  EXPECT_EQ(TheSent<Report>().results.size(), kMaxSteps + 1);
}

}  // namespace
}  // namespace fractos
