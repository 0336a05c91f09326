// How a run starts, fails, mends and ends.
#include "lib/driver/core/run_core.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lib/base/limits.h"
#include "tests/unit/lib/driver/core/run_core_harness.h"

namespace fractos {
namespace {

using std::chrono::seconds;
using ::testing::HasSubstr;

class RunCoreEndsTest : public RunCoreTest {
 protected:
  // The plan's only step fails.
  void FailRead() {
    plan_.steps = {NewStep("read")};
    Run();
    ReportFrom(kA, {GivenFailure("read", {})});
  }
  void AddMend() {
    std::shared_ptr<Step> mend = NewStep("mend");
    mend->arguments = R"json({"text":"$(failure.step) $(failure.reason) $(failure.message)"})json";
    plan_.on_failure = {mend};
  }
};

// R is raised by compare-and-swap before anything is sent under it.
// promise: R-01
TEST_F(RunCoreEndsTest, NothingIsSentBeforeTheRecordIsDurable) {
  Start();
  EXPECT_EQ(TheWrite().redrive, 1u);
  EXPECT_EQ(TheWrite().phase, RunPhase::kRunning);
  EXPECT_TRUE(All<Send>().empty());
  Advance(kHoldResend);
  EXPECT_TRUE(All<Send>().empty());
  Written();
  ASSERT_EQ(Sent<HandOver>(kA.address).size(), 1u);
  const HandOver first = Sent<HandOver>()[0];
  EXPECT_EQ(first.redrive, 1u);
  EXPECT_EQ(first.step().path, "read");
  EXPECT_EQ(first.continuation->steps.size(), 3u) << "the rest of the graph travels along";
  EXPECT_EQ(first.continuation->driver, kDriver.address);
}

// promise: R-20, H-11
TEST_F(RunCoreEndsTest, ADeviceThatDoesNotAnswerYetIsAskedAgain) {
  Start();
  Written();
  for (int i = 0; i < 3; ++i) {
    Advance(kHoldResend);
    EXPECT_TRUE(HandsOverTo("read"));
  }
}

// promise: R-16, G-13
TEST_F(RunCoreEndsTest, ARunSucceedsWhenEverySinkIsRecorded) {
  plan_.steps.push_back(NewStep("print", {"classify"}));
  Run();
  const ResultPtr read = Given("read", "cat", {});
  const ResultPtr classify = Given("classify", "a cat", {read});
  ReportFrom(kA, {read, classify, Given("write", "done", {classify})});
  EXPECT_FALSE(IsEnd(record().phase)) << "another sink is missing";
  ReportFrom(kA, {Given("print", "cat!", {classify})});
  EXPECT_EQ(TheWrite().phase, RunPhase::kSucceeded);
  EXPECT_TRUE(All<Finished>().empty()) << "not before it is durable";
  Written();
  EXPECT_EQ(All<Finished>().size(), 1u);
  EXPECT_EQ(Sent<End>().size(), 4u) << "every replica";
  const std::vector<RunCore::Output> outputs = core_->outputs();
  ASSERT_EQ(outputs.size(), 2u);
  EXPECT_EQ(outputs[0].step, "write");
  EXPECT_EQ(*outputs[0].value.inline_bytes, "done");
  EXPECT_EQ(core_->NextTick(), std::nullopt);
}

// promise: R-16
TEST_F(RunCoreEndsTest, ARunInWhichAStepFailedFails) {
  FailRead();
  EXPECT_EQ(TheWrite().phase, RunPhase::kFailed);
  EXPECT_EQ(TheWrite().failed_step, "read");
  EXPECT_EQ(TheWrite().failure.reason, "Broken");
}

// promise: R-16
TEST_F(RunCoreEndsTest, AFailureOnOneBranchWaitsForTheOthers) {
  plan_.steps = {NewStep("one"), NewStep("two", {}, "default/b")};
  Run();
  ReportFrom(kA, {GivenFailure("one", {})});
  EXPECT_FALSE(IsEnd(record().phase));
  ReportFrom(kB, {Given("two", "done", {})});
  EXPECT_EQ(record().phase, RunPhase::kFailed);
}

// The driver records Failing and a raised R by compare-and-swap, sends Abort, and runs the steps of
// onFailure under R.
// promise: R-15, G-11, B-31
TEST_F(RunCoreEndsTest, TheErrorContinuationStartsUnderARaisedEpochAfterAbort) {
  AddMend();
  FailRead();
  EXPECT_EQ(TheWrite().phase, RunPhase::kFailing);
  EXPECT_EQ(TheWrite().redrive, 2u);
  EXPECT_TRUE(Sent<Abort>().empty());
  EXPECT_FALSE(HandsOverTo("mend"));
  Written();
  EXPECT_EQ(Sent<Abort>().size(), 4u);
  bool aborted = false;
  for (const Send& send : All<Send>()) {
    aborted = aborted || std::holds_alternative<Abort>(send.message);
    if (std::holds_alternative<HandOver>(send.message)) {
      EXPECT_TRUE(aborted);
    }
  }
  ASSERT_TRUE(HandsOverTo("mend"));
  const HandOver mend = Sent<HandOver>()[0];
  EXPECT_EQ(mend.redrive, 2u);
  EXPECT_EQ(mend.step().arguments, R"json({"text":"read Broken it \"broke\""})json");
  ReportFrom(kA, {Given("mend", "mended", {})});
  EXPECT_EQ(TheWrite().phase, RunPhase::kFailed) << "a mended run has failed all the same";
  EXPECT_EQ(TheWrite().failed_step, "read");
}

// promise: G-11
TEST_F(RunCoreEndsTest, TheErrorContinuationTakesWhatSucceeded) {
  plan_.on_failure = {NewStep("mend", {"read"})};
  Run();
  const ResultPtr read = Given("read", "cat", {});
  ReportFrom(kB, {read, GivenFailure("classify", {read})});
  Written();
  ASSERT_TRUE(HandsOverTo("mend"));
  EXPECT_EQ(Sent<HandOver>()[0].result->id, read->id);
}

// promise: G-11
TEST_F(RunCoreEndsTest, TheErrorContinuationRunsOnce) {
  AddMend();
  FailRead();
  Written();
  ReportFrom(kA, {GivenFailure("mend", {})});
  EXPECT_EQ(TheWrite().phase, RunPhase::kFailed);
  EXPECT_EQ(TheWrite().failure.reason, "Broken");
  Written();
  EXPECT_FALSE(HandsOverTo("mend"));
}

// promise: G-12
TEST_F(RunCoreEndsTest, WithoutFailureTheErrorContinuationDoesNotRun) {
  AddMend();
  plan_.steps = {NewStep("read")};
  Run();
  ReportFrom(kA, {Given("read", "cat", {})});
  EXPECT_EQ(TheWrite().phase, RunPhase::kSucceeded);
  Written();
  EXPECT_FALSE(HandsOverTo("mend"));
}

// promise: R-17, G-12
TEST_F(RunCoreEndsTest, AfterCancelNothingStartsNotEvenTheErrorContinuation) {
  AddMend();
  Run();
  Begin();
  core_->Cancel(now_, &actions_);
  EXPECT_EQ(TheWrite().phase, RunPhase::kCancelled);
  EXPECT_TRUE(Sent<HandOver>().empty());
  ReportFrom(kA, {GivenFailure("read", {})});
  EXPECT_TRUE(actions_.empty());
  Advance(kHoldResend);
  EXPECT_TRUE(Sent<HandOver>().empty());
  Written();
  EXPECT_EQ(Sent<End>().size(), 4u);
  EXPECT_EQ(All<Finished>().size(), 1u);
  EXPECT_EQ(record().phase, RunPhase::kCancelled);
}

// promise: G-09
TEST_F(RunCoreEndsTest, PastItsDeadlineARunFails) {
  Run();
  Advance(seconds(60) - Duration(1));
  EXPECT_FALSE(IsEnd(record().phase));
  Advance(Duration(1));
  EXPECT_EQ(TheWrite().phase, RunPhase::kFailed);
  EXPECT_EQ(TheWrite().failure.reason, "DeadlineExceeded");
}

// promise: H-39
TEST_F(RunCoreEndsTest, WithoutAReplicaOfANeededClusterItSaysSo) {
  Run();
  Down(kB);
  Advance(seconds(60));
  EXPECT_EQ(TheWrite().failure.reason, "NoReplica");
  EXPECT_THAT(TheWrite().failure.message, HasSubstr("default/b"));
}

// promise: G-09
TEST_F(RunCoreEndsTest, TheDeadlineCountsFromTheFirstStartNotFromAResume) {
  record_.redrive = 1;
  record_.phase = RunPhase::kRunning;
  record_.start_us =
      std::chrono::duration_cast<std::chrono::microseconds>((now_ - seconds(50)).time_since_epoch())
          .count();
  Start();
  Advance(seconds(10) - Duration(1));
  EXPECT_FALSE(IsEnd(record().phase));
  Advance(Duration(1));
  EXPECT_EQ(record().phase, RunPhase::kFailed);
}

// promise: G-09
TEST_F(RunCoreEndsTest, AClockThatWasPutBackGivesARunNoMoreThanItsDeadline) {
  record_.redrive = 1;
  record_.phase = RunPhase::kRunning;
  record_.start_us =
      std::chrono::duration_cast<std::chrono::microseconds>((now_ + seconds(50)).time_since_epoch())
          .count();
  Start();
  Advance(seconds(60) - Duration(1));
  EXPECT_FALSE(IsEnd(record().phase));
  Advance(Duration(1));
  EXPECT_EQ(record().phase, RunPhase::kFailed);
}

// promise: L-01, B-23
TEST_F(RunCoreEndsTest, ARunOf256StepsIsAllowedAndNoMore) {
  for (const size_t others : {0, 1}) {
    plan_.steps = {NewRefiningStep("power")};
    if (others == 1) plan_.steps.push_back(NewStep("print", {"power"}));
    Run();
    const std::string chain = EncodeRefinement(MultiplyChain(kMaxSteps - 1));
    ReportFrom(kA, {Given("power", chain, {}, ResultState::kRefined)});
    if (others == 0) {
      EXPECT_FALSE(IsEnd(record().phase));
      continue;
    }
    EXPECT_EQ(TheWrite().phase, RunPhase::kFailed);
    EXPECT_EQ(TheWrite().failure.reason, "TooManySteps");
  }
}

// "Of two drivers of one run only one goes on."
// promise: R-09
TEST_F(RunCoreEndsTest, ADriverWhoseWriteMeetsAnotherVersionStops) {
  Start();
  Written(absl::AbortedError("another version"));
  EXPECT_TRUE(actions_.empty());
  Up(kA);
  EXPECT_TRUE(actions_.empty());
  ReportFrom(kA, {Given("read", "cat", {})});
  EXPECT_TRUE(actions_.empty());
  Advance(seconds(100));
  EXPECT_TRUE(actions_.empty());
  EXPECT_EQ(core_->NextTick(), std::nullopt);
}

TEST_F(RunCoreEndsTest, ARunThatHadEndedEndsAgainForThoseWhoMissedIt) {
  record_.redrive = 3;
  record_.phase = RunPhase::kSucceeded;
  Start();
  EXPECT_EQ(Sent<End>().size(), 4u);
  EXPECT_EQ(All<Finished>().size(), 1u);
  EXPECT_TRUE(All<WriteRecord>().empty());
}

}  // namespace
}  // namespace fractos
