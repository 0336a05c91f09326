// Asking what is held, waiting for the answers, and what goes on when they have come: the times and
// the order of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lib/base/limits.h"
#include "tests/unit/lib/driver/core/run_core_harness.h"

namespace fractos {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class AnswersTest : public RunCoreTest {
 protected:
  // And what was handed over first was passed, so that the driver holds nothing either.
  void RunOn() {
    Run();
    Receive(kA, Passed{{kRun, "read", ResultId()}, 1});
  }
  // Everybody says that the first step is at work.
  void AllIsHeld(uint64_t redrive) {
    Hold(kA, redrive, {{"read", Lineage(), true}});
    Hold(kB, redrive);
  }
};

// promise: R-06
TEST_F(AnswersTest, WhoDoesNotAnswerWithinASecondIsNotWaitedFor) {
  RunOn();
  Probe();
  EXPECT_EQ(Sent<Query>()[0].remaining, seconds(60) - kHoldWindow);
  Hold(kA, 1);
  Advance(milliseconds(999));
  EXPECT_TRUE(All<WriteRecord>().empty());
  Advance(milliseconds(1));
  ASSERT_EQ(TheWrite().redrive, 2u);
  Advance(seconds(1));
  EXPECT_TRUE(All<Send>().empty()) << "nothing is sent before it is durable";
  Written();
  EXPECT_EQ(Sent<Query>().size(), 4u);
  Hold(kA, 2);
  Advance(milliseconds(999));
  EXPECT_TRUE(Sent<HandOver>().empty());
  Advance(milliseconds(1));
  EXPECT_TRUE(HandsOverTo("read"));
}

// promise: R-06
TEST_F(AnswersTest, WhileNobodyIsThereItWaits) {
  Resume({});
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(core_->NextTick(), now_ + seconds(1));
    Advance(seconds(1));
    EXPECT_THAT(actions_, IsEmpty());
  }
  Up(kA);
  Up(kB);
  AllIsHeld(1);
  EXPECT_EQ(TheWrite().redrive, 2u);
}

// After a resume the links come up one by one, and what all wait for is a leader everywhere.
// promise: R-13
TEST_F(AnswersTest, AResumedRunWaitsForALeaderOfEachCluster) {
  Resume({});
  Up(kA);
  Hold(kA, 1);
  EXPECT_THAT(actions_, IsEmpty());
  Up(kB, 0);
  Hold(kB, 1);
  EXPECT_THAT(actions_, IsEmpty());
  Up(kB);
  EXPECT_EQ(TheWrite().redrive, 2u);
}

// promise: R-13
TEST_F(AnswersTest, AResumedRunThatFoundNoLeaderInTimeGoesOnOnceThereIsOne) {
  Resume({});
  Up(kA);
  Hold(kA, 1);
  Advance(seconds(1));
  ASSERT_EQ(TheWrite().redrive, 2u);
  Written();
  Hold(kA, 2);
  Up(kB, 0);
  Hold(kB, 2);
  EXPECT_TRUE(Sent<HandOver>().empty());
  Up(kB);
  EXPECT_TRUE(HandsOverTo("read"));
}

// What the last driver sent and was told is known to nobody.
// promise: R-13
TEST_F(AnswersTest, AResumedRunIsDrivenAgainWhateverIsHeld) {
  Resume({});
  Up(kA);
  Up(kB);
  AllIsHeld(1);
  ASSERT_EQ(TheWrite().redrive, 2u);
  Written();
  AllIsHeld(2);
  EXPECT_EQ(SentTo("read").redrive, 2u) << "and adopted by the attempt that is at work";
}

// promise
TEST_F(AnswersTest, AResumedErrorContinuationIsNotAbortedAgain) {
  plan_.on_failure = {NewStep("mend")};
  record_.failed_step = "read";
  record_.failure = {"Broken", "it broke"};
  Resume({GivenFailure("read", {})}, RunPhase::kFailing);
  Up(kA);
  Up(kB);
  Hold(kA, 1);
  Hold(kB, 1);
  ASSERT_EQ(TheWrite().redrive, 2u);
  Written();
  EXPECT_TRUE(Sent<Abort>().empty());
  Hold(kA, 2);
  Hold(kB, 2);
  EXPECT_TRUE(HandsOverTo("mend"));
}

// promise
TEST_F(AnswersTest, AStepThatFailsWhileARunIsResumedStartsTheErrorContinuation) {
  plan_.on_failure = {NewStep("mend")};
  Resume({});
  Up(kA);
  ReportFrom(kA, {GivenFailure("read", {})});
  ASSERT_EQ(TheWrite().phase, RunPhase::kFailing);
  Written();
  EXPECT_TRUE(HandsOverTo("mend"));
}

// promise: R-06
TEST_F(AnswersTest, AnswersOfAnEarlierQuestionDoNotCount) {
  RunOn();
  Probe();
  AllIsHeld(1);
  Probe();
  Hold(kB, 1);
  EXPECT_TRUE(All<WriteRecord>().empty());
  Hold(kA, 1, {{"read", Lineage(), true}});
  EXPECT_TRUE(All<WriteRecord>().empty()) << "all is held still";
  Probe();
  Hold(kA, 1);
  Hold(kB, 1);
  ASSERT_EQ(TheWrite().redrive, 2u);
  Hold(kB, 1);  // late, under the old epoch
  Written();
  Hold(kA, 2);
  EXPECT_TRUE(Sent<HandOver>().empty());
  Hold(kB, 2);
  EXPECT_TRUE(HandsOverTo("read"));
}

// promise: R-07
TEST_F(AnswersTest, FoundInOrderItLooksAgainOnlyWhenSomethingElseHappens) {
  RunOn();
  for (int i = 0; i < 2; ++i) {
    Probe();
    AllIsHeld(1);
    EXPECT_TRUE(All<WriteRecord>().empty());
    EXPECT_GT(*core_->NextTick(), now_ + seconds(1)) << "nobody's answer is waited for";
    Receive(kA, Report{kRun, 1, {}, {}, {"read"}});
    Advance(kHoldWindow);
    EXPECT_TRUE(Sent<Query>().empty()) << i;
  }
  EXPECT_EQ(record().redrive, 1u);
}

// promise: R-06
TEST_F(AnswersTest, WhoDiesWhileItIsFoundOutIsLookedIntoAfterwards) {
  RunOn();
  Probe();
  Down(kB);
  Hold(kA, 1, {{"read", Lineage(), true}});
  EXPECT_TRUE(All<WriteRecord>().empty());
  Advance(kHoldWindow - Duration(1));
  EXPECT_TRUE(Sent<Query>().empty());
  Advance(Duration(1));
  EXPECT_EQ(Sent<Query>().size(), 4u);
}

// promise: R-06
TEST_F(AnswersTest, SoIsWhoDiesWhileItIsDrivenAgain) {
  RunOn();
  Probe();
  Hold(kA, 1);
  Hold(kB, 1);
  Down(kB);
  Written();
  Hold(kA, 2, {{"read", Lineage(), true}});
  EXPECT_TRUE(HandsOverTo("read"));
  Receive(kA, Report{kRun, 2, {}, {}, {"read"}});
  Advance(kHoldWindow);
  EXPECT_EQ(Sent<Query>().size(), 4u);
}

// promise: R-06
TEST_F(AnswersTest, SeveralLossesWithinTheWindowAreOne) {
  Run();
  Down(kB);
  Advance(seconds(3));
  Up(kB1, 0);
  Down(kB1);
  Advance(seconds(1));
  EXPECT_EQ(Sent<Query>().size(), 4u);
  Hold(kA, 1, {{"read", Lineage(), true}});
  Receive(kA, Report{kRun, 1, {}, {}, {"read"}});
  Advance(kHoldWindow);
  EXPECT_TRUE(Sent<Query>().empty());
}

// promise
TEST_F(AnswersTest, ASecondSilenceIsNotBelievedThoughAllSeemsToBeHeld) {
  Run();
  const Duration silence = kHoldWindow + 2 * kHoldResend;
  Advance(silence - Duration(1));
  EXPECT_TRUE(Sent<Query>().empty());
  Advance(Duration(1));
  ASSERT_EQ(Sent<Query>().size(), 4u);
  EXPECT_GT(*core_->NextTick(), now_);
  AllIsHeld(1);
  EXPECT_TRUE(All<WriteRecord>().empty());
  Advance(silence);
  ASSERT_EQ(Sent<Query>().size(), 4u);
  AllIsHeld(1);
  EXPECT_EQ(All<WriteRecord>().size(), 1u);
  EXPECT_EQ(record().redrive, 2u);
}

// promise: R-08
TEST_F(AnswersTest, ResultsBreakTheSilence) {
  Run();
  Advance(seconds(7));
  const ResultPtr read = Given("read", "cat", {});
  ReportFrom(kA, {read});
  Advance(seconds(7));
  EXPECT_TRUE(Sent<Query>().empty());
  Advance(seconds(1));
  EXPECT_EQ(Sent<Query>().size(), 4u);
}

// promise: R-07
TEST_F(AnswersTest, OnceRaisedTheEpochIsNotRaisedAgainWithoutReason) {
  Run();
  Receive(kB, Report{kRun, 1, {}, {NamedId<ObjectId>("missed")}, {}});
  ASSERT_EQ(Sent<Query>().size(), 4u);
  AllIsHeld(1);
  ASSERT_EQ(TheWrite().redrive, 2u) << "somebody missed a value";
  Written();
  AllIsHeld(2);
  Probe();
  AllIsHeld(2);
  EXPECT_TRUE(All<WriteRecord>().empty());
  EXPECT_EQ(record().redrive, 2u);
}

// promise: R-05
TEST_F(AnswersTest, WhatIsMissedIsLookedIntoOnce) {
  Run();
  const Report missed{kRun, 1, {}, {NamedId<ObjectId>("missed")}, {}};
  Down(kB);
  Receive(kA, missed);
  EXPECT_EQ(Sent<Query>().size(), 4u) << "without waiting for the window";
  Receive(kA, missed);
  EXPECT_TRUE(Sent<Query>().empty());
  Hold(kA, 1);
  ASSERT_EQ(TheWrite().redrive, 2u);
  Receive(kA, Report{kRun, 1, {}, {NamedId<ObjectId>("another")}, {}});
  EXPECT_TRUE(Sent<Query>().empty()) << "one after the other";
  Written();
  Hold(kA, 2, {{"read", Lineage(), true}});
  Receive(kA, Report{kRun, 2, {}, {}, {"read"}});
  Advance(kHoldWindow);
  EXPECT_EQ(Sent<Query>().size(), 4u);
}

// A result that is about to be reported, and whose hand-overs were passed and are lost since.
// promise: R-07
TEST_F(AnswersTest, WhatIsCommittedIsHandedOnFromTheRecordOnceItIsReported) {
  for (const bool executing : {true, false}) {
    Run();
    const ResultPtr read = Given("read", "cat", {});
    Record({read});
    Probe();
    Hold(kA, 1);
    Hold(kB, 1);
    ASSERT_EQ(TheWrite().redrive, 2u);
    Written();
    const ResultPtr classify = Given("classify", "a cat", {read});
    Hold(kA, 2);
    Hold(kB, 2, {{"classify", classify->lineage, executing}});
    ReportFrom(kB, {classify});
    EXPECT_EQ(HandsOverTo("write"), !executing) << "who executes will hand it on";
    if (executing) continue;
    EXPECT_THAT(SentTo("write").ancestors, ElementsAre(read));
  }
}

// promise: R-01
TEST_F(AnswersTest, WhileTheEpochIsRaisedNothingIsSentUnderTheOldOne) {
  plan_.steps.push_back(NewStep("other"));
  RunOn();
  Probe();
  Hold(kA, 1);
  Hold(kB, 1);
  ASSERT_EQ(TheWrite().redrive, 2u);
  EXPECT_GT(*core_->NextTick(), now_ + seconds(1)) << "nobody's answer is waited for";
  Advance(kHoldResend);
  EXPECT_TRUE(All<Send>().empty());
  Written();
  EXPECT_TRUE(Sent<HandOver>().empty()) << "everybody is told first";
}

}  // namespace
}  // namespace fractos
