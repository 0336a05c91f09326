// Failing, mending and ending: what stops, what goes on, what is left to say.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lib/base/limits.h"
#include "tests/unit/lib/driver/core/run_core_harness.h"

namespace fractos {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class FailingTest : public RunCoreTest {
 protected:
  // one (a), two (b); mend (a) -> done (a), should one of them fail.
  FailingTest() {
    plan_.steps = {NewStep("one"), NewStep("two", {}, "default/b")};
    plan_.on_failure = {NewStep("mend"), NewStep("done", {"mend"})};
  }
};

// promise: R-15
TEST_F(FailingTest, NothingOfTheMainStepsIsSentAgain) {
  Run();
  Advance(Duration::zero());
  EXPECT_THAT(Sent<Abort>(), IsEmpty());
  ReportFrom(kA, {GivenFailure("one", {})});
  Written();
  EXPECT_EQ(Sent<Abort>().size(), 4u);
  Advance(kHoldResend);
  EXPECT_TRUE(HandsOverTo("mend"));
  EXPECT_FALSE(HandsOverTo("two"));
}

// promise: R-15
TEST_F(FailingTest, AbortIsSentOnce) {
  Run();
  ReportFrom(kA, {GivenFailure("one", {})});
  Written();
  ReportFrom(kA, {Given("mend", "mended", {})});
  EXPECT_FALSE(HandsOverTo("done")) << "its predecessor does that";
  LetWrite();
  Written();
  EXPECT_THAT(Sent<Abort>(), IsEmpty());
  EXPECT_FALSE(HandsOverTo("done"));
}

// promise
TEST_F(FailingTest, WhatTheMainStepsStillGiveIsRefused) {
  Run();
  ReportFrom(kA, {GivenFailure("one", {})});
  Written();
  const ResultPtr two = Given("two", "2", {});
  ReportFrom(kB, {two});
  ASSERT_EQ(Sent<Recorded>(kB.address).size(), 1u);
  EXPECT_THAT(Sent<Recorded>()[0].refused, ElementsAre(two->id));
  EXPECT_EQ(Sent<Recorded>()[0].run, kRun);
  EXPECT_EQ(Sent<Recorded>()[0].redrive, 2u);
  EXPECT_EQ(record().steps.size(), 1u);
}

// promise: R-15
TEST_F(FailingTest, AFailureWhileAllAreAskedEndsTheAsking) {
  Run();
  Down(kB);
  Advance(kHoldWindow);
  ASSERT_EQ(Sent<Query>().size(), 4u);
  ReportFrom(kA, {GivenFailure("one", {})});
  Written();
  EXPECT_TRUE(HandsOverTo("mend"));
  EXPECT_GT(*core_->NextTick(), now_ + seconds(1)) << "nobody's answer is waited for";
}

// promise: R-15
TEST_F(FailingTest, SoDoesAFailureWhileTheEpochIsRaised) {
  Run();
  Receive(kA, Passed{{kRun, "one", ResultId()}, 1});
  Down(kB);
  Advance(kHoldWindow);
  Hold(kA, 1);
  ASSERT_EQ(TheWrite().redrive, 2u);
  ReportFrom(kA, {GivenFailure("one", {})});
  Written();
  EXPECT_FALSE(HandsOverTo("mend"));
  EXPECT_EQ(TheWrite().redrive, 3u);
  Written();
  EXPECT_TRUE(HandsOverTo("mend"));
}

// promise
TEST_F(FailingTest, WhoReportedWhatFailedIsToldAndWhoReportedWhatWaitedIsRefused) {
  plan_.steps.push_back(NewStep("next", {"two"}));
  Run();
  const ResultPtr next = Given("next", "3", {Given("two", "2", {})});
  ReportFrom(kB1, {next});
  EXPECT_THAT(actions_, IsEmpty()) << "what it stands on is not known";
  const ResultPtr one = GivenFailure("one", {});
  ReportFrom(kB1, {one});
  ASSERT_EQ(Sent<Recorded>(kB1.address).size(), 1u);
  EXPECT_THAT(Sent<Recorded>(kB1.address)[0].refused, ElementsAre(next->id));
  Written();
  ASSERT_EQ(Sent<Recorded>(kB1.address).size(), 1u);
  EXPECT_THAT(Sent<Recorded>(kB1.address)[0].steps, ElementsAre(PinnedResult{"one", one->id}));
}

// promise: C-03
TEST_F(FailingTest, WhatIsAtWorkIsKnownUntilItIsRecordedOrStopped) {
  Run();
  Receive(kA, Report{kRun, 1, {}, {}, {"one", "two"}});
  EXPECT_THAT(core_->executing(), ElementsAre("one", "two"));
  ReportFrom(kB, {Given("two", "2", {})});
  EXPECT_THAT(core_->executing(), ElementsAre("one"));
  Receive(kA, Report{kRun, 1, {}, {}, {"two"}});
  EXPECT_THAT(core_->executing(), ElementsAre("one")) << "that is done";
  Receive(kA, Report{kRun, 1, {}, {}, {"two", "other"}});
  ReportFrom(kA, {GivenFailure("one", {})});
  EXPECT_THAT(core_->executing(), IsEmpty());
  Written();
  Receive(kA, Report{kRun, 2, {}, {}, {"mend"}});
  Begin();
  core_->Cancel(now_, &actions_);
  EXPECT_THAT(core_->executing(), IsEmpty());
}

// promise: G-11, G-13
TEST_F(FailingTest, TheSinksOfTheErrorContinuationAreOutputsToo) {
  Run();
  ReportFrom(kB, {Given("two", "2", {}), GivenFailure("one", {})});
  Written();
  const ResultPtr mend = Given("mend", "mended", {});
  ReportFrom(kA, {mend, Given("done", "all", {mend})});
  EXPECT_EQ(TheWrite().phase, RunPhase::kFailed);
  std::vector<std::string> outputs;
  for (const RunCore::Output& output : core_->outputs()) {
    outputs.push_back(output.step + " " + std::string(ResultStateName(output.state)));
  }
  EXPECT_THAT(outputs, ElementsAre("one Failed", "two Succeeded", "done Succeeded"));
}

// promise: R-15
TEST_F(FailingTest, ARunThatCannotGoOnIsMendedToo) {
  plan_.mode = Mode::kCentralized;
  plan_.steps.push_back(NewStep("next", {"one"}));
  Run();
  ReportFrom(kA, {GivenLarge("one", "many bytes", {})});
  Pulled("one", absl::ResourceExhaustedError("no room"));
  EXPECT_EQ(TheWrite().phase, RunPhase::kFailing);
  EXPECT_EQ(TheWrite().failure.reason, "MemoryExhausted");
  Written();
  EXPECT_TRUE(HandsOverTo("mend"));
}

// The error continuation itself went wrong; what failed first stays the reason.
// promise: R-15, B-23
TEST_F(FailingTest, AnErrorContinuationThatCannotGoOnEndsTheRun) {
  plan_.on_failure[0] = NewRefiningStep("mend");
  Run();
  ReportFrom(kA, {GivenFailure("one", {})});
  Written();
  ReportFrom(kA, {Given("mend", "no steps at all", {}, ResultState::kRefined)});
  EXPECT_EQ(TheWrite().phase, RunPhase::kFailed);
  EXPECT_EQ(TheWrite().failure.reason, "Broken");
}

// promise: G-09
TEST_F(FailingTest, AtTheDeadlineWhatFailedFirstStaysTheReason) {
  Run();
  Advance(seconds(30));
  ReportFrom(kA, {GivenFailure("one", {})});
  Written();
  Advance(seconds(30));
  EXPECT_EQ(record().phase, RunPhase::kFailed);
  EXPECT_EQ(record().failure.reason, "Broken");
}

// promise: G-09
TEST_F(FailingTest, SoItDoesWhereOtherBranchesWentOnUntilThen) {
  plan_.on_failure.clear();
  Run();
  ReportFrom(kA, {GivenFailure("one", {})});
  Advance(seconds(60));
  EXPECT_EQ(record().phase, RunPhase::kFailed);
  EXPECT_EQ(record().failed_step, "one");
  EXPECT_EQ(record().failure.reason, "Broken");
}

// promise: G-09
TEST_F(FailingTest, AndWhereTheGraphThenCannotGrow) {
  plan_.on_failure.clear();
  Run();
  ReportFrom(kA, {GivenFailure("one", {})});
  ReportFrom(kB, {Given("two", "no steps at all", {}, ResultState::kRefined)});
  EXPECT_EQ(TheWrite().phase, RunPhase::kFailed);
  EXPECT_EQ(record().failed_step, "one");
  EXPECT_EQ(record().failure.reason, "Broken");
}

// promise: R-17
TEST_F(FailingTest, ThatARunWasCancelledIsNotOfTheStepThatHadFailed) {
  plan_.on_failure.clear();
  Run();
  ReportFrom(kA, {GivenFailure("one", {})});
  Begin();
  core_->Cancel(now_, &actions_);
  EXPECT_EQ(TheWrite().failure.reason, "Cancelled");
  EXPECT_EQ(TheWrite().failed_step, "");
}

// promise: R-17
TEST_F(FailingTest, ACancelledRunSaysSoAndChangesNoMore) {
  Run();
  Begin();
  core_->Cancel(now_, &actions_);
  const RunRecord cancelled = TheWrite();
  EXPECT_EQ(cancelled.failure.reason, "Cancelled");
  EXPECT_EQ(cancelled.end_us,
            std::chrono::duration_cast<std::chrono::microseconds>(now_.time_since_epoch()).count());
  EXPECT_EQ(core_->NextTick(), std::nullopt) << "but for the write there is nothing to wait for";
  Begin();
  core_->Cancel(now_, &actions_);
  EXPECT_THAT(actions_, IsEmpty());
  ReportFrom(kA, {Given("one", "1", {})});
  Receive(kB, Report{kRun, 1, {}, {NamedId<ObjectId>("missed")}, {}});
  Down(kB);
  Pulled("one", absl::UnavailableError("gone"));
  Advance(seconds(60));
  EXPECT_THAT(actions_, IsEmpty());
  EXPECT_THAT(record().steps, IsEmpty());
  EXPECT_EQ(record().failure.reason, "Cancelled");
}

TEST_F(FailingTest, ARunThatHadEndedIsOverForGood) {
  record_.redrive = 3;
  record_.phase = RunPhase::kSucceeded;
  Start();
  ASSERT_EQ(All<Finished>().size(), 1u);
  EXPECT_EQ(core_->NextTick(), std::nullopt);
  Up(kA);
  ReportFrom(kA, {Given("one", "1", {})});
  Advance(seconds(100));
  EXPECT_THAT(actions_, IsEmpty());
}

}  // namespace
}  // namespace fractos
