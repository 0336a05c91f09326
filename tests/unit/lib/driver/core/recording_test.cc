// Reports become the record.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lib/base/limits.h"
#include "tests/unit/lib/driver/core/run_core_harness.h"

namespace fractos {
namespace {

using ::testing::ElementsAre;

class RecordingTest : public RunCoreTest {};

// Recorded follows the acknowledged compare-and-swap, and goes to the reporter and to its
// predecessors' executors.
// promise: R-04
TEST_F(RecordingTest, RecordedFollowsTheAcknowledgedWrite) {
  Run();
  const ResultPtr read = Given("read", "cat", {});
  const ResultPtr classify = Given("classify", "a cat", {read});
  ReportFrom(kB, {read, classify});
  LetWrite();
  EXPECT_THAT(Paths(TheWrite()), ElementsAre("classify", "read"));
  EXPECT_TRUE(Sent<Recorded>().empty());
  Written();
  ASSERT_EQ(Sent<Recorded>(kB.address).size(), 1u) << "the reporter";
  EXPECT_EQ(Sent<Recorded>(kB.address)[0].steps.size(), 2u);
  ASSERT_EQ(Sent<Recorded>(kA.address).size(), 1u) << "who executed the predecessor";
  EXPECT_EQ(Sent<Recorded>(kA.address)[0].redrive, 1u);
  ReportFrom(kB, {classify});
  EXPECT_EQ(Sent<Recorded>(kB.address).size(), 1u) << "what is durable is answered at once";
}

// promise: R-04
TEST_F(RecordingTest, WhoExecutedItIsToldAndWhoExecutedWhatItStandsOn) {
  Run();
  const ResultPtr read = Given("read", "cat", {});
  ReportFrom(kB, {read});
  LetWrite();
  Written();
  ASSERT_EQ(Sent<Recorded>(kA.address).size(), 1u) << "its executor, who did not report it";
  EXPECT_THAT(Sent<Recorded>(kA.address)[0].steps, ElementsAre(PinnedResult{"read", read->id}));
  const ResultPtr classify = Given("classify", "a cat", {read});
  ReportFrom(kB, {classify});
  LetWrite();
  Written();
  for (const Address& to : {kA.address, kB.address}) {
    ASSERT_EQ(Sent<Recorded>(to).size(), 1u) << to.ToString();
    EXPECT_EQ(Sent<Recorded>(to)[0].run, kRun);
    EXPECT_EQ(Sent<Recorded>(to)[0].redrive, 1u);
    EXPECT_THAT(Sent<Recorded>(to)[0].steps, ElementsAre(PinnedResult{"classify", classify->id}));
  }
  ReportFrom(kB, {classify});
  EXPECT_THAT(Sent<Recorded>().at(0).steps, ElementsAre(PinnedResult{"classify", classify->id}));
}

TEST_F(RecordingTest, ProgressThatNothingWaitsForIsWrittenWithinASecond) {
  Run();
  ReportFrom(kA, {Given("read", "cat", {})});
  EXPECT_THAT(All<WriteRecord>(), ::testing::IsEmpty());
  Advance(std::chrono::milliseconds(999));
  EXPECT_THAT(All<WriteRecord>(), ::testing::IsEmpty());
  Advance(std::chrono::milliseconds(1));
  EXPECT_EQ(TheWrite().steps.size(), 1u);
}

// What grew from a refinement that may yet be recorded waits for it; from a step that the graph has
// not, it never will be.
// promise: R-02, G-20
TEST_F(RecordingTest, WhatGrewFromWhatIsNotRecordedWaitsOrIsRefused) {
  Run();
  const auto grown = [](const StepPath& root) {
    return NewResult(kRun, *NewStep(RefinedPath(root, 0, NamedId<ResultId>("r"))), {},
                     InlineValue("7", kA));
  };
  ReportFrom(kA, {grown("read")});
  EXPECT_THAT(Sent<Recorded>(), ::testing::IsEmpty());
  ReportFrom(kA, {grown("stranger")});
  EXPECT_EQ(Sent<Recorded>().at(0).refused.size(), 1u);
}

// A Report carries its results' ancestors and so records them too: several steps in one write.
// promise: R-03
TEST_F(RecordingTest, OneReportRecordsItsAncestorsInOneWrite) {
  Run();
  const ResultPtr read = Given("read", "cat", {});
  const ResultPtr classify = Given("classify", "a cat", {read});
  ReportFrom(kA, {read, classify, Given("write", "done", {classify})});
  EXPECT_THAT(Paths(TheWrite()), ElementsAre("classify", "read", "write"));
  EXPECT_EQ(TheWrite().phase, RunPhase::kSucceeded);
}

TEST_F(RecordingTest, AResultWhosePredecessorIsMissingWaitsForIt) {
  Run();
  const ResultPtr read = Given("read", "cat", {});
  ReportFrom(kB, {Given("classify", "a cat", {read})});
  EXPECT_TRUE(record().steps.empty());
  EXPECT_TRUE(Sent<Recorded>().empty()) << "neither recorded nor refused";
  ReportFrom(kA, {read});
  EXPECT_EQ(record().steps.size(), 2u);
}

// The driver records only what fits the lineages recorded for the predecessors.
// promise: R-02
TEST_F(RecordingTest, WhatDoesNotFitTheRecordIsRefused) {
  Run();
  ReportFrom(kA, {Given("read", "cat", {})});
  const ResultPtr misfit = Given("classify", "a dog", {Given("read", "dog", {})});
  ReportFrom(kB, {misfit});
  ASSERT_EQ(Sent<Recorded>(kB.address).size(), 1u);
  EXPECT_THAT(Sent<Recorded>()[0].refused, ElementsAre(misfit->id));
  EXPECT_EQ(record().steps.size(), 1u);
}

// promise: H-02, R-02
TEST_F(RecordingTest, ASecondResultOfAStepIsRefused) {
  Run();
  const ResultPtr first = Given("read", "cat", {});
  const ResultPtr second = Given("read", "dog", {});
  ReportFrom(kA, {first});
  ReportFrom(kA, {second});
  EXPECT_THAT(Sent<Recorded>().at(0).refused, ElementsAre(second->id));
  EXPECT_EQ(record().steps.at("read")->id, first->id);
}

TEST_F(RecordingTest, AStepThatTheGraphHasNotIsRefused) {
  Run();
  ReportFrom(kA, {NewResult(kRun, *NewStep("stranger"), {}, InlineValue("x", kA))});
  EXPECT_EQ(Sent<Recorded>().at(0).refused.size(), 1u);
}

// A step's record is never bytes, save those of outputs.
TEST_F(RecordingTest, TheRecordHoldsNoBytesButTheOutputs) {
  Run();
  const ResultPtr read = Given("read", "cat", {});
  const ResultPtr classify = Given("classify", "a cat", {read});
  ReportFrom(kA, {read, classify, Given("write", "done", {classify})});
  const RunRecord written = TheWrite();
  EXPECT_FALSE(written.steps.at("read")->value.IsInline());
  EXPECT_FALSE(written.steps.at("classify")->value.IsInline());
  EXPECT_TRUE(written.steps.at("write")->value.IsInline());
}

// promise: L-07
TEST_F(RecordingTest, OutputsOfTogether16KiBAreInlineAndNoMore) {
  for (const size_t more : {0, 1}) {
    plan_.steps = {NewStep("one"), NewStep("two", {}, "default/b")};
    Run();
    const size_t half = kMaxInlineOutputBytes / 2;
    ReportFrom(kA, {Given("one", std::string(half, 'a'), {}),
                    Given("two", std::string(half + more, 'b'), {})});
    const RunRecord written = TheWrite();
    EXPECT_TRUE(written.steps.at("one")->value.IsInline());
    EXPECT_EQ(written.steps.at("two")->value.IsInline(), more == 0);
    EXPECT_EQ(written.steps.at("two")->value.size, half + more);
  }
}

TEST_F(RecordingTest, ASmallOutputThatDidNotTravelInlineIsPulledBeforeTheEnd) {
  plan_.steps = {NewStep("read")};
  Run();
  ReportFrom(kA, {GivenLarge("read", "cat", {})});
  ASSERT_EQ(All<PullValue>().size(), 1u);
  EXPECT_TRUE(All<WriteRecord>().empty());
  Begin();
  core_->Pulled(now_, "read", InlineValue("cat", kDriver), &actions_);
  EXPECT_EQ(TheWrite().phase, RunPhase::kSucceeded);
  EXPECT_TRUE(TheWrite().steps.at("read")->value.IsInline());
}

// A value lives at its producer until all consumers are recorded.
// promise: M-10
TEST_F(RecordingTest, AValueIsReleasedOnceAllItsConsumersAreDurable) {
  Run();
  const ResultPtr read = GivenLarge("read", "many bytes", {});
  ReportFrom(kA, {read});
  LetWrite();
  Written();
  for (const Recorded& answer : Sent<Recorded>()) EXPECT_TRUE(answer.release.empty());
  ReportFrom(kB, {GivenLarge("classify", "a cat", {read})});
  LetWrite();
  Written();
  std::vector<ObjectId> released;
  for (const Recorded& answer : Sent<Recorded>(kA.address)) {
    released.insert(released.end(), answer.release.begin(), answer.release.end());
  }
  EXPECT_THAT(released, ElementsAre(read->value.object));
}

// promise: M-10
TEST_F(RecordingTest, AValueIsReleasedOnceAndNotMissed) {
  plan_.steps.push_back(NewStep("print", {"classify"}));
  Run();
  const ResultPtr read = GivenLarge("read", "many bytes", {});
  const ResultPtr classify = GivenLarge("classify", "a cat", {read});
  ReportFrom(kB, {read, classify});
  LetWrite();
  Written();
  EXPECT_THAT(ReleasedAt(kA), ElementsAre(read->value.object));
  EXPECT_THAT(ReleasedAt(kB), ::testing::IsEmpty());
  ReportFrom(kA, {Given("write", "done", {classify})});
  LetWrite();
  Written();
  EXPECT_THAT(ReleasedAt(kA), ::testing::IsEmpty()) << "neither again nor before print";
  EXPECT_THAT(ReleasedAt(kB), ::testing::IsEmpty());
  Receive(kB, Report{kRun, 1, {}, {read->value.object}, {}});
  EXPECT_THAT(Sent<Query>(), ::testing::IsEmpty()) << "by work that the record has overtaken";
}

// promise: M-10
TEST_F(RecordingTest, NoDaemonIsToldToReleaseWhatADriverHas) {
  for (const Incarnation& owner : {kDriver, Incarnation{Address::Driver("before"), BootId()}}) {
    Run();
    auto read = std::make_shared<StepResult>(*GivenLarge("read", "many bytes", {}));
    read->value.owner = owner;
    ReportFrom(kB, {read, GivenLarge("classify", "a cat", {read})});
    LetWrite();
    Written();
    for (const Recorded& answer : Sent<Recorded>()) EXPECT_TRUE(answer.release.empty());
  }
}

// promise: M-10, G-21
TEST_F(RecordingTest, WhatARefinementMayHaveTakenOverIsNotReleased) {
  plan_.steps[1] = NewRefiningStep("classify", {"read"}, "default/b");
  Run();
  const ResultPtr read = GivenLarge("read", "many bytes", {});
  RefinedStep step = NewMultiply();
  step.cluster = "default/a";
  ReportFrom(kB,
             {read, Given("classify", EncodeRefinement({step}), {read}, ResultState::kRefined)});
  LetWrite();
  Written();
  EXPECT_THAT(ReleasedAt(kA), ::testing::IsEmpty());
}

// promise: M-10
TEST_F(RecordingTest, AnOutputIsNotReleasedBeforeTheEnd) {
  plan_.steps = {NewStep("read"), NewStep("other")};
  Run();
  ReportFrom(kA, {GivenLarge("read", "many bytes", {})});
  LetWrite();
  Written();
  EXPECT_THAT(ReleasedAt(kA), ::testing::IsEmpty());
}

// promise: M-10, G-11
TEST_F(RecordingTest, NothingIsReleasedThatAnErrorContinuationMayNeed) {
  plan_.on_failure = {NewStep("mend")};
  Run();
  const ResultPtr read = GivenLarge("read", "many bytes", {});
  ReportFrom(kB, {read, GivenLarge("classify", "a cat", {read})});
  LetWrite();
  Written();
  for (const Recorded& answer : Sent<Recorded>()) EXPECT_TRUE(answer.release.empty());
}

// promise: R-18
TEST_F(RecordingTest, TransfersAreCountedBesideWhatTheDetourWouldHaveMoved) {
  Run();
  auto read = std::make_shared<StepResult>(*GivenLarge("read", std::string(1000, 'x'), {}));
  read->transfer = {1, 1, 0};
  auto classify = std::make_shared<StepResult>(*GivenLarge("classify", "cat", {read}));
  classify->transfer = {1, 2, 1000};
  ReportFrom(kB, {read, classify});
  EXPECT_EQ(core_->transfer(), (Transfer{2, 3, 1000}));
  // read's result to the driver and on to classify, classify's to the driver.
  EXPECT_EQ(core_->centralized_bytes(), 1000u + 1000u + 3u);
  LetWrite();
  EXPECT_EQ(TheWrite().transfer, (Transfer{2, 3, 1000}));
  EXPECT_EQ(TheWrite().centralized_bytes, 2003u);
}

// promise: R-18
TEST_F(RecordingTest, TheDetourMovesNeitherWhatIsPassedNorWhatASkippedStepWouldHaveRead) {
  std::shared_ptr<Step> classify = NewStep("classify", {"read"}, "default/b");
  classify->inputs[0].passed = true;
  plan_.steps = {NewStep("read"), classify, NewStep("write", {"read"}), NewStep("last")};
  Run();
  const ResultPtr read = GivenLarge("read", std::string(1000, 'x'), {});
  auto passed = std::make_shared<StepResult>(*GivenLarge("classify", "", {read}));
  passed->value = read->value;
  auto skipped = std::make_shared<StepResult>(*GivenFailure("write", {read}));
  skipped->state = ResultState::kSkipped;
  skipped->value.owner = kB;
  ReportFrom(kB, {read, passed, skipped});
  EXPECT_EQ(core_->centralized_bytes(), 1000u);
}

}  // namespace
}  // namespace fractos
