// Finding out what is still held, and driving the rest again.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lib/base/limits.h"
#include "tests/unit/lib/driver/core/run_core_harness.h"

namespace fractos {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;

class RecoveryTest : public RunCoreTest {};

// The driver first waits a hold window (4 s), then asks all replicas.
// promise: R-06
TEST_F(RecoveryTest, AfterALossItWaitsTheHoldWindowAndAsksEverybody) {
  Run();
  Down(kB);
  EXPECT_TRUE(Sent<Query>().empty());
  Advance(kHoldWindow - Duration(1));
  EXPECT_TRUE(Sent<Query>().empty()) << "holders get their time to send again";
  Advance(Duration(1));
  EXPECT_EQ(Sent<Query>().size(), 4u);
  EXPECT_EQ(Sent<Query>()[0].redrive, 1u) << "asking raises nothing";
}

// promise: R-06
TEST_F(RecoveryTest, ANewEpochOfAClusterIsALoss) {
  Run();
  Up(kB1, 2);
  Advance(kHoldWindow);
  EXPECT_EQ(Sent<Query>().size(), 4u);
}

// promise: H-19, R-07
TEST_F(RecoveryTest, WhatIsHeldSomewhereIsNotDrivenAgain) {
  Run();
  Down(kB);
  Advance(kHoldWindow);
  // The first step still works, and what comes after it will be handed over by it.
  Hold(kA, 1, {{"read", Lineage(), true}});
  EXPECT_TRUE(All<WriteRecord>().empty());
  EXPECT_TRUE(Sent<HandOver>().empty());
  EXPECT_EQ(record().redrive, 1u);
}

// promise: R-07
TEST_F(RecoveryTest, WhatWasPassedAndIsLostSinceIsDrivenAgainAtOnce) {
  Run();
  Receive(kA, Passed{{kRun, "read", ResultId()}, 1});
  Down(kB);
  Advance(kHoldWindow);
  Hold(kA, 1);
  EXPECT_EQ(TheWrite().redrive, 2u);
}

// promise: R-07
TEST_F(RecoveryTest, WhatWasRefusedForGoodIsDrivenAgainAtOnce) {
  Run();
  Nack nack;
  nack.edge = {kRun, "read", ResultId()};
  nack.redrive = 1;
  nack.reason = Refusal::kEnded;
  Receive(kA, nack);
  Down(kB);
  Advance(kHoldWindow);
  Hold(kA, 1);
  EXPECT_EQ(TheWrite().redrive, 2u);
}

// promise: H-19
TEST_F(RecoveryTest, WhatWasPassedAndIsFurtherOnIsNotDrivenAgain) {
  Run();
  Receive(kA, Passed{{kRun, "read", ResultId()}, 1});
  Down(kB);
  Advance(kHoldWindow);
  Hold(kA, 1, {}, {{kRun, "classify", Given("read", "cat", {})->id}});
  EXPECT_TRUE(All<WriteRecord>().empty());
  EXPECT_EQ(record().redrive, 1u);
}

// promise
TEST_F(RecoveryTest, WhatNobodyHoldsIsDrivenAgainUnderARaisedEpochOnceThatIsDurable) {
  Run();
  const ResultPtr read = Given("read", "cat", {});
  Record({read});
  Down(kB);
  Advance(kHoldWindow);
  Hold(kA, 1, {}, {}, {read->value.object});
  EXPECT_EQ(TheWrite().redrive, 2u);
  EXPECT_THAT(Paths(TheWrite()), ElementsAre("read")) << "recorded results stay as they are";
  EXPECT_TRUE(All<Send>().empty());
  Written();
  ASSERT_EQ(Sent<Query>().size(), 4u);
  EXPECT_EQ(Sent<Query>()[0].redrive, 2u);
  EXPECT_THAT(Sent<Query>()[0].pinned, ElementsAre(PinnedResult{"read", read->id}));
  EXPECT_TRUE(Sent<HandOver>().empty());
  Hold(kA, 2, {{"read", read->lineage, false}}, {}, {read->value.object});
  ASSERT_TRUE(HandsOverTo("classify"));
  EXPECT_FALSE(HandsOverTo("read"));
  EXPECT_EQ(Sent<HandOver>()[0].redrive, 2u);
  EXPECT_EQ(Sent<HandOver>()[0].result->id, read->id);
}

// promise: R-07
TEST_F(RecoveryTest, AfterTheRaiseAHandOverThatSomebodyHoldsIsLeftToHim) {
  Run();
  const ResultPtr read = Given("read", "cat", {});
  Record({read});
  Down(kB);
  Advance(kHoldWindow);
  Hold(kA, 1, {}, {}, {read->value.object});
  Written();
  Hold(kA, 2, {{"read", read->lineage, false}}, {{kRun, "classify", read->id}},
       {read->value.object});
  EXPECT_TRUE(Sent<HandOver>().empty());
}

// A recorded result that is needed and whose bytes no live incarnation holds is un-recorded
// together with its recorded descendants in the one compare-and-swap that raises R.
// promise: R-05
TEST_F(RecoveryTest, ALostValueIsUnrecordedWithItsDescendantsInTheWriteThatRaisesTheEpoch) {
  // write still needs classify's value, which is lost with b; done stands on print, print on it.
  plan_.steps.push_back(NewStep("print", {"classify"}));
  plan_.steps.push_back(NewStep("done", {"print"}));
  Run();
  const ResultPtr read = GivenLarge("read", "cat", {});
  const ResultPtr classify = GivenLarge("classify", "a cat", {read});
  const ResultPtr print = GivenLarge("print", "cat!", {classify});
  Record({read, classify, print});
  Down(kB);
  Advance(kHoldWindow);
  Hold(kA, 1, {}, {}, {read->value.object, print->value.object});
  EXPECT_EQ(TheWrite().redrive, 2u);
  EXPECT_THAT(Paths(TheWrite()), ElementsAre("read"));
}

// promise: R-05
TEST_F(RecoveryTest, AValueThatNobodyNeedsMayBeLost) {
  Run();
  const ResultPtr read = GivenLarge("read", "cat", {});
  const ResultPtr classify = GivenLarge("classify", "a cat", {read});
  Record({read, classify});
  Down(kB);
  Advance(kHoldWindow);
  // classify's bytes live at a replica that still answers; read's are nowhere.
  Up(kB1, 0);
  Hold(kB1, 1, {}, {}, {classify->value.object});
  Hold(kA, 1);
  EXPECT_THAT(Paths(TheWrite()), UnorderedElementsAre("classify", "read"));
}

TEST_F(RecoveryTest, AValueThatADaemonMissesMakesTheDriverLook) {
  Run();
  const ResultPtr read = GivenLarge("read", "cat", {});
  Record({read});
  Receive(kB, Report{kRun, 1, {}, {read->value.object}, {}});
  EXPECT_EQ(Sent<Query>().size(), 4u);
}

// Silence leads to a re-drive; a daemon at work breaks it.
// promise: R-08
TEST_F(RecoveryTest, SilenceIsLookedIntoAndWorkIsNotSilence) {
  Run();
  for (int i = 0; i < 20; ++i) {
    Advance(seconds(1));
    EXPECT_TRUE(Sent<Query>().empty()) << i;
    Receive(kA, Report{kRun, 1, {}, {}, {"read"}});
  }
  Advance(kHoldWindow + 2 * kHoldResend);
  EXPECT_EQ(Sent<Query>().size(), 4u);
}

// promise: R-13
TEST_F(RecoveryTest, AResumedRunGoesOnFromItsRecord) {
  const ResultPtr read = Given("read", "cat", {});
  Resume({read});
  EXPECT_EQ(Sent<Query>().size(), 4u);
  EXPECT_TRUE(Sent<HandOver>().empty());
  Up(kA);
  Up(kB);
  Hold(kA, 1, {}, {}, {read->value.object});
  Hold(kB, 1);
  EXPECT_EQ(TheWrite().redrive, 2u);
  Written();
  Hold(kA, 2, {}, {}, {read->value.object});
  Hold(kB, 2);
  EXPECT_TRUE(HandsOverTo("classify"));
  EXPECT_FALSE(HandsOverTo("read")) << "no step is recorded anew";
  const ResultPtr classify = Given("classify", "a cat", {read});
  ReportFrom(kA, {classify, Given("write", "done", {classify})});
  EXPECT_EQ(record().phase, RunPhase::kSucceeded);
  EXPECT_EQ(record().steps.at("read")->id, read->id);
}

TEST_F(RecoveryTest, ADaemonThatAsksForTheEpochIsToldWhatStands) {
  Run();
  const ResultPtr read = Given("read", "cat", {});
  Record({read});
  Receive(kB, FetchRedrive{kRun});
  ASSERT_EQ(Sent<Query>(kB.address).size(), 1u);
  EXPECT_EQ(Sent<Query>()[0].redrive, 1u);
  EXPECT_THAT(Sent<Query>()[0].pinned, ElementsAre(PinnedResult{"read", read->id}));
}

TEST_F(RecoveryTest, AnswersUnderAnotherEpochOrOfADeadIncarnationDoNotCount) {
  Run();
  Record({Given("read", "cat", {})});
  Down(kB);
  Advance(kHoldWindow);
  Hold(kA, 7, {});
  Hold(Replica("default/a", 0, "before it died"), 1, {});
  EXPECT_TRUE(All<WriteRecord>().empty());
  Hold(kA, 1);
  EXPECT_EQ(All<WriteRecord>().size(), 1u);
}

}  // namespace
}  // namespace fractos
