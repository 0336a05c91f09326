// What the error continuation takes of the main steps: what they gave, or that they did not.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lib/base/limits.h"
#include "lib/protocol/expand.h"
#include "tests/unit/lib/driver/core/run_core_harness.h"

namespace fractos {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// read (a) fails -> classify (b) -> write (a); note (a) takes classify's result.
class TakingTest : public RunCoreTest {
 protected:
  TakingTest() { plan_.on_failure = {NewStep("note", {"classify"})}; }

  // power (a) refines into `steps` steps of multiply; note takes what it gives, and bad (b) fails.
  void LetPowerGrow(size_t steps = 2) {
    power_ = NewRefiningStep("power");
    chain_ = MultiplyChain(steps);
    plan_.steps = {power_, NewStep("bad", {}, "default/b")};
    plan_.on_failure = {NewStep("note", {"power"})};
  }
  // What power and its steps give, in this order.
  std::vector<ResultPtr> Grown() const {
    std::vector<ResultPtr> results = {
        Given("power", EncodeRefinement(chain_), {}, ResultState::kRefined)};
    const auto steps = ExpandRefinement(*power_, results[0]->id, chain_, {}, plan_.signatures);
    EXPECT_TRUE(steps.ok()) << steps.status();
    if (!steps.ok()) return {};
    for (const StepPtr& step : *steps) {
      results.push_back(NewResult(kRun, *step, {results.back()}, InlineValue(step->path, kA)));
    }
    return results;
  }
  // Reports what note gave on `inputs`, which must be the end.
  void EndWithNote(const std::vector<ResultPtr>& inputs, ResultState state) {
    ReportFrom(kA, {Given("note", "noted", inputs, state)});
    EXPECT_EQ(TheWrite().phase, RunPhase::kFailed);
    EXPECT_EQ(TheWrite().failure.reason, "Broken");
    EXPECT_THAT(Paths(record()), ::testing::Contains("note"));
  }

  StepPtr power_;
  Refinement chain_;
};

// promise: R-21
TEST_F(TakingTest, WhatTakesAResultThatNeverCameGetsASkippedOne) {
  Run();
  const ResultPtr read = GivenFailure("read", {});
  // Its Skipped successor is in the same report, but comes after the failure.
  const ResultPtr late = Given("classify", "", {read}, ResultState::kSkipped);
  ReportFrom(kB, {read, late});
  const RunRecord written = TheWrite();
  EXPECT_EQ(written.phase, RunPhase::kFailing);
  ASSERT_THAT(Paths(written), ElementsAre("classify", "read")) << "in one write with Failing";
  EXPECT_FALSE(HandsOverTo("note")) << "before that is durable";
  Written();
  const ResultPtr skipped = SentTo("note").result;
  EXPECT_EQ(skipped, record().steps.at("classify"));
  EXPECT_EQ(skipped->state, ResultState::kSkipped);
  EXPECT_EQ(skipped->failure.reason, "NotFinished");
  EXPECT_EQ(skipped->executor, kDriver);
  EndWithNote({skipped}, ResultState::kSkipped);
}

// promise: R-21
TEST_F(TakingTest, SoDoesWhatTakesOneThatIsStillBeingMade) {
  plan_.steps = {NewStep("read"), NewStep("classify", {}, "default/b")};
  Run();
  Receive(kB, Report{kRun, 1, {}, {}, {"classify"}});
  ReportFrom(kA, {GivenFailure("read", {})});
  Written();
  const ResultPtr skipped = SentTo("note").result;
  ASSERT_NE(skipped, nullptr);
  const ResultPtr late = Given("classify", "cat", {});
  ReportFrom(kB, {late});
  ASSERT_EQ(Sent<Recorded>(kB.address).size(), 1u);
  EXPECT_THAT(Sent<Recorded>(kB.address)[0].refused, ElementsAre(late->id));
  EXPECT_EQ(record().steps.at("classify"), skipped);
}

// promise: R-21
TEST_F(TakingTest, OnlyWhatIsTakenIsSkippedForIt) {
  plan_.on_failure = {NewStep("note", {"read"}), NewStep("after", {"note"})};
  Run();
  ReportFrom(kB, {GivenFailure("read", {})});
  EXPECT_THAT(Paths(TheWrite()), ElementsAre("read"));
}

// promise: R-21
TEST_F(TakingTest, TheNextDriverHandsTheSameOver) {
  Run();
  ReportFrom(kB, {GivenFailure("read", {})});
  record_ = TheWrite();
  const ResultId id = record_.steps.at("classify")->id;
  record_.steps.erase("classify");  // as a driver would leave it that knew nothing of this
  Start();
  EXPECT_EQ(record().steps.at("classify")->id, id);
  Advance(Duration::zero());
  EXPECT_THAT(Paths(TheWrite()), ElementsAre("classify", "read"));
}

// promise: G-11, G-20
TEST_F(TakingTest, WhatAMainStepRefinedIntoStandsForIt) {
  LetPowerGrow();
  Run();
  std::vector<ResultPtr> grown = Grown();
  ReportFrom(kA, grown);
  ReportFrom(kB, {GivenFailure("bad", {})});
  Written();
  EXPECT_EQ(SentTo("note").result, grown.back());
  EXPECT_THAT(SentTo("note").ancestors, ElementsAre(grown[0], grown[1]));
  EndWithNote({grown.back()}, ResultState::kSucceeded);
}

// promise: R-21, G-20
TEST_F(TakingTest, WhatStandsForAMainStepAndDidNotEndIsSkipped) {
  LetPowerGrow();
  Run();
  std::vector<ResultPtr> grown = Grown();
  const StepPath last = grown.back()->path;
  grown.pop_back();
  ReportFrom(kA, grown);
  ReportFrom(kB, {GivenFailure("bad", {})});
  Written();
  EXPECT_EQ(SentTo("note").result->path, last);
  EXPECT_EQ(SentTo("note").result->state, ResultState::kSkipped);
}

// promise: G-11, G-20
TEST_F(TakingTest, ADriverThatTakesOverFetchesWhatAMainStepRefinedInto) {
  LetPowerGrow();
  Run();
  std::vector<ResultPtr> grown = Grown();
  ReportFrom(kA, grown);
  ReportFrom(kB, {GivenFailure("bad", {})});
  record_ = TheWrite();
  Start();
  Up(kA);
  Up(kB);
  const auto answer = [this, &grown] {
    std::vector<ObjectId> values;
    for (const ResultPtr& result : grown) values.push_back(result->value.object);
    Hold(kA, record().redrive, {}, {}, values);
    Hold(kB, record().redrive);
  };
  answer();
  ASSERT_EQ(All<PullValue>().size(), 1u);
  EXPECT_EQ(All<PullValue>()[0].step, "power");
  // In vain: that is not asked for without end, but again once nothing has come of it.
  Pulled("power", absl::NotFoundError("gone"));
  EXPECT_THAT(All<PullValue>(), IsEmpty());
  Written();
  answer();
  EXPECT_FALSE(HandsOverTo("note"));
  Advance(kHoldWindow + 2 * kHoldResend);
  answer();
  ASSERT_EQ(All<PullValue>().size(), 1u);
  Pulled("power", grown[0]->value);
  EXPECT_EQ(SentTo("note").result->id, grown.back()->id);
}

// The record has room for 256 steps, whatever becomes of the run.
// promise: L-01
TEST_F(TakingTest, StepsOfTheErrorContinuationCountFromTheBeginning) {
  for (const size_t refined : {kMaxSteps - 3, kMaxSteps - 2}) {  // beside power, bad and note
    LetPowerGrow(refined);
    Run();
    ReportFrom(kA, {Grown()[0]});
    if (refined == kMaxSteps - 2) {
      EXPECT_EQ(record().failure.reason, "TooManySteps");
      continue;
    }
    std::vector<ResultPtr> grown = Grown();
    ReportFrom(kA, grown);
    ReportFrom(kB, {GivenFailure("bad", {})});
    Written();
    EndWithNote({grown.back()}, ResultState::kSucceeded);
    EXPECT_EQ(record().steps.size(), kMaxSteps);
  }
}

// promise: R-21, B-23
TEST_F(TakingTest, ARefinementThatIsRefusedDoesNotStandInItsWay) {
  LetPowerGrow(kMaxSteps - 1);
  Run();
  ReportFrom(kA, {Grown()[0]});
  EXPECT_EQ(TheWrite().phase, RunPhase::kFailing);
  EXPECT_EQ(TheWrite().failure.reason, "TooManySteps");
  Written();
  EXPECT_EQ(SentTo("note").result->path, "power");
  EXPECT_EQ(SentTo("note").result->state, ResultState::kSkipped);
}

// What is small enough to be shown at the end is asked for; what main steps gave each other is not.
// promise: G-13
TEST_F(TakingTest, OnlySinksOfTheMainStepsAreOutputs) {
  plan_.steps = {NewStep("read"), NewStep("classify", {"read"}), NewStep("bad", {}, "default/b")};
  Run();
  const ResultPtr read = GivenLarge("read", "cat", {});
  const ResultPtr classify = Given("classify", "cat!", {read});
  ReportFrom(kA, {read, classify});
  ReportFrom(kB, {GivenFailure("bad", {})});
  Written();
  EndWithNote({classify}, ResultState::kSucceeded);
  EXPECT_THAT(All<PullValue>(), IsEmpty());
}

}  // namespace
}  // namespace fractos
