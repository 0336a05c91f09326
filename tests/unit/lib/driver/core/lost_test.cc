// Which recorded results are lost with their bytes, what goes with them, and what is believed of
// them later.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lib/base/limits.h"
#include "tests/unit/lib/driver/core/run_core_harness.h"

namespace fractos {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

class LostTest : public RunCoreTest {
 protected:
  // b dies, and a, which is asked then, has these.
  void LoseB(const std::vector<ObjectId>& values) {
    Down(kB);
    Advance(kHoldWindow);
    ASSERT_EQ(Sent<Query>().size(), 4u);
    Hold(kA, 1, {}, {}, values);
    ASSERT_EQ(record().redrive, 2u);
  }
  // `read`, of b, is recorded, and then all are asked: a has answered, and has nothing.
  ResultPtr LoseRead() {
    Run();
    const ResultPtr read = At(kB, GivenLarge("read", "cat", {}));
    Record({read});
    Probe();
    Hold(kA, 1);
    return read;
  }
  static ResultPtr At(const Incarnation& owner, const ResultPtr& result) {
    auto moved = std::make_shared<StepResult>(*result);
    moved->value.owner = moved->executor = owner;
    return moved;
  }
  // one -> power, which refines into one step that takes one's value over -> print.
  void Refining() {
    plan_.steps = {NewStep("one", {}, "default/b"), NewRefiningStep("power", {"one"}),
                   NewStep("print", {"power"})};
    steps_ = EncodeRefinement({NewMultiply({{"a", -1, "one"}})});
  }
  // What the one step that `refined` grew into gave.
  static ResultPtr Grown(const ResultPtr& refined, Value value) {
    std::shared_ptr<Step> step = NewStep(RefinedPath(refined->path, 0, refined->id));
    step->after = {refined->path};
    return NewResult(kRun, *step, {refined}, std::move(value));
  }
  // As a record that is read knows it.
  static ResultPtr WithoutBytes(const ResultPtr& result) {
    auto bare = std::make_shared<StepResult>(*result);
    bare->value.inline_bytes = nullptr;
    return bare;
  }
  std::string steps_;
};

// promise: R-05
TEST_F(LostTest, WhatTravelledInlineIsNotLost) {
  Run();
  Record({At(kB, Given("read", "cat", {}))});
  LoseB({});
  EXPECT_THAT(Paths(record()), ElementsAre("read"));
}

// promise
TEST_F(LostTest, NorIsWhatTheDriverHasItself) {
  plan_.mode = Mode::kCentralized;
  Run();
  const ResultPtr read = At(kB, GivenLarge("read", "many bytes", {}));
  Record({read});
  Pulled("read", LargeValue("many bytes", kDriver));
  EXPECT_TRUE(HandsOverTo("classify"));
  Down(kB);
  Advance(kHoldWindow);
  ASSERT_EQ(Sent<Query>().size(), 4u);
  Hold(kA, 1);
  EXPECT_THAT(Paths(record()), ElementsAre("read"));
  EXPECT_EQ(record().redrive, 1u);
}

// Taking one away makes others needed, until nothing changes.
// promise: R-05
TEST_F(LostTest, WhatIsNeededToMakeItAgainIsLostToo) {
  plan_.steps = {NewStep("ahead", {}, "default/b"), NewStep("base", {"ahead"}, "default/b"),
                 NewStep("core", {"base"}, "default/b"), NewStep("done", {"core"})};
  Run();
  const ResultPtr ahead = GivenLarge("ahead", "1", {});
  const ResultPtr base = GivenLarge("base", "2", {ahead});
  Record({ahead, base, GivenLarge("core", "3", {base})});
  LoseB({});
  EXPECT_THAT(Paths(record()), IsEmpty());
}

// promise: R-05
TEST_F(LostTest, SoIsWhatWhatStandsOnItNeedsToBeMadeAgain) {
  // join is gone with lost, and then needs the bytes of other again.
  plan_.steps = {NewStep("another"), NewStep("lost", {}, "default/b"),
                 NewStep("other", {}, "default/b"), NewStep("join", {"lost", "other"}),
                 NewStep("print", {"lost"})};
  Run();
  const ResultPtr lost = GivenLarge("lost", "1", {}), other = GivenLarge("other", "2", {});
  const ResultPtr join = GivenLarge("join", "3", {lost, other});
  Record({Given("another", "0", {}), lost, other, join});
  LoseB({join->value.object});
  EXPECT_THAT(Paths(record()), ElementsAre("another"));
}

// promise: R-05
TEST_F(LostTest, AnOutputIsNeeded) {
  plan_.steps = {NewStep("read", {}, "default/b"), NewStep("other")};
  Run();
  Record({GivenLarge("read", "cat", {})});
  LoseB({});
  EXPECT_THAT(Paths(record()), IsEmpty());
}

// promise: R-05, G-21
TEST_F(LostTest, WhatARefinedStepTookOverIsNeededUntilThatIsDone) {
  for (const bool done : {false, true}) {
    Refining();
    Run();
    const ResultPtr one = GivenLarge("one", "many bytes", {});
    const ResultPtr power = Given("power", steps_, {one}, ResultState::kRefined);
    const ResultPtr multiplied = Grown(power, InlineValue("7", kA));
    Record({one, power});
    if (done) Record({multiplied});
    LoseB({});
    if (done) {
      EXPECT_THAT(Paths(record()), UnorderedElementsAre("one", "power", multiplied->path));
    } else {
      EXPECT_THAT(Paths(record()), IsEmpty()) << "the refinement stood on it";
    }
  }
}

// A record that is resumed has no bytes of refinements: they are asked for first, and what grew
// from one that nobody has goes with it. promise, G-20
TEST_F(LostTest, WhatGrewFromALostRefinementGoesWithIt) {
  for (const bool lost : {false, true}) {
    Refining();
    plan_.steps.push_back(NewRefiningStep("other"));
    const ResultPtr one = GivenLarge("one", "7", {});
    const ResultPtr power = WithoutBytes(Given("power", steps_, {one}, ResultState::kRefined));
    const std::string more = EncodeRefinement({NewMultiply()});
    const ResultPtr other = WithoutBytes(Given("other", more, {}, ResultState::kRefined));
    const ResultPtr of_power = Grown(power, LargeValue("of power", kA));
    const ResultPtr of_other = Grown(other, LargeValue("of other", kA));
    Resume({one, power, other, of_power, of_other});
    Up(kA);
    Up(kB);
    Hold(kB, 1, {}, {}, {one->value.object});
    Hold(
        kA, 1, {}, {},
        {power->value.object, other->value.object, of_power->value.object, of_other->value.object});
    ASSERT_EQ(All<PullValue>().size(), 2u);
    EXPECT_TRUE(All<WriteRecord>().empty());
    EXPECT_EQ(core_->NextTick(), now_ + seconds(1));
    Advance(seconds(1));
    EXPECT_TRUE(All<PullValue>().empty()) << "they are on their way";
    EXPECT_TRUE(All<WriteRecord>().empty());
    EXPECT_EQ(core_->NextTick(), now_ + seconds(1));
    Pulled("other", InlineValue(more, kDriver));
    EXPECT_TRUE(All<WriteRecord>().empty());
    if (lost) {
      Pulled("power", absl::NotFoundError("gone"));
      EXPECT_THAT(Paths(TheWrite()), UnorderedElementsAre("one", "other", of_other->path));
    } else {
      Pulled("power", InlineValue(steps_, kDriver));
      EXPECT_EQ(TheWrite().steps.size(), 5u);
      Written();
      Hold(kB, 2);
      Hold(kA, 2, {}, {}, {of_power->value.object});
      EXPECT_TRUE(HandsOverTo("print"));
      EXPECT_EQ(SentTo("print").result->path, of_power->path);
      EXPECT_EQ(SentTo("print").result->value.owner, kA);
    }
  }
}

// promise
TEST_F(LostTest, SoDoesWhatStoodOnThat) {
  Refining();
  plan_.steps[2] = NewStep("zebra", {"power"});
  plan_.steps.push_back(NewStep("ape", {"zebra"}));
  plan_.steps.push_back(NewStep("print", {"ape"}));
  const ResultPtr one = Given("one", "7", {});
  const ResultPtr power = WithoutBytes(Given("power", steps_, {one}, ResultState::kRefined));
  const ResultPtr multiplied = Grown(power, InlineValue("7", kA));
  const ResultPtr zebra = Given("zebra", "z", {multiplied});
  Resume({one, power, multiplied, zebra, Given("ape", "a", {zebra})});
  Up(kA);
  Up(kB);
  Hold(kA, 1);
  Hold(kB, 1);
  EXPECT_THAT(Paths(TheWrite()), ElementsAre("one"));
}

// What an error continuation stands on was recorded before it began and is not done again.
// promise: R-05, G-11
TEST_F(LostTest, WhatTheMainStepsGaveStaysWhenTheErrorContinuationIsDrivenAgain) {
  plan_.steps = {NewStep("read", {}, "default/b"), NewStep("bad", {"read"})};
  plan_.on_failure = {NewStep("mend")};
  Run();
  const ResultPtr read = GivenLarge("read", "cat", {});
  ReportFrom(kA, {read, GivenFailure("bad", {read})});
  Written();
  Receive(kA, Passed{{kRun, "mend", ResultId()}, 2});
  Down(kB);
  Advance(kHoldWindow);
  Hold(kA, 2);
  EXPECT_EQ(TheWrite().redrive, 3u);
  EXPECT_THAT(Paths(TheWrite()), ElementsAre("bad", "read"));
  EXPECT_EQ(TheWrite().failed_step, "bad");
}

// promise: M-10, R-05
TEST_F(LostTest, WhatIsMadeAgainIsReleasedAgain) {
  Run();
  const ResultPtr read = GivenLarge("read", "cat", {});
  const ResultPtr classify = GivenLarge("classify", "a cat", {read});
  Record({read, classify});
  EXPECT_THAT(ReleasedAt(kA), ElementsAre(read->value.object));
  LoseB({});
  EXPECT_THAT(Paths(record()), IsEmpty());
  Written();
  Hold(kA, 2);
  Up(kB);
  auto again = std::make_shared<StepResult>(*read);
  again->value.object = NamedId<ObjectId>("another");
  auto then = std::make_shared<StepResult>(*classify);
  then->value.object = NamedId<ObjectId>("and another");
  Record({again, then});
  EXPECT_THAT(ReleasedAt(kA), ElementsAre(again->value.object));
}

// promise
TEST_F(LostTest, WhoHeldAHandOverOfWhatWasLostHoldsNothing) {
  Run();
  const ResultPtr read = GivenLarge("read", "cat", {});
  const ResultPtr classify = GivenLarge("classify", "a cat", {read});
  Record({read, classify});
  LoseB({read->value.object});
  EXPECT_THAT(Paths(record()), ElementsAre("read"));
  Written();
  Hold(kA, 2);
  Up(kB);
  auto again = std::make_shared<StepResult>(*classify);
  again->value.object = NamedId<ObjectId>("another");
  Record({again});
  Probe();
  Hold(kB, 2, {}, {}, {again->value.object});
  Hold(kA, 2, {}, {{kRun, "write", classify->id}});
  EXPECT_EQ(TheWrite().redrive, 3u);
}

// promise
TEST_F(LostTest, AFailureThatStoodOnItIsForgotten) {
  plan_.steps = {NewStep("read", {}, "default/b"), NewStep("classify", {"read"}),
                 NewStep("print", {"read"})};
  Run();
  const ResultPtr read = GivenLarge("read", "cat", {});
  const ResultPtr failed = GivenFailure("classify", {read});
  Record({read, failed});
  EXPECT_EQ(record().failed_step, "classify");
  LoseB({});
  EXPECT_EQ(record().failed_step, "");
  EXPECT_EQ(record().failure, Failure());
  Written();
  Up(kB);
  ReportFrom(kA, {At(kA, Given("read", "cat", {})), failed});
  EXPECT_EQ(record().failed_step, "classify") << "when it fails again";
  const ResultPtr print = Given("print", "cat!", {read});
  ReportFrom(kA, {print});
  EXPECT_EQ(record().phase, RunPhase::kFailed);
}

// promise
TEST_F(LostTest, AFailureElsewhereStays) {
  plan_.steps = {NewStep("read", {}, "default/b"), NewStep("classify", {"read"}), NewStep("bad")};
  Run();
  Record({GivenLarge("read", "cat", {}), GivenFailure("bad", {})});
  LoseB({});
  EXPECT_EQ(record().failed_step, "bad");
  EXPECT_EQ(record().failure.reason, "Broken");
}

// promise
TEST_F(LostTest, WhatIsMadeAgainIsAcknowledgedAgain) {
  Run();
  const ResultPtr read = At(kB, GivenLarge("read", "cat", {}));
  Record({read});
  LoseB({});
  EXPECT_THAT(Paths(record()), IsEmpty());
  Written();
  Hold(kA, 2);
  ReportFrom(kA, {At(kA, Given("read", "cat", {}))});
  LetWrite();
  Written();
  ASSERT_EQ(Sent<Recorded>(kA.address).size(), 1u);
  EXPECT_THAT(Sent<Recorded>(kA.address)[0].steps, ElementsAre(PinnedResult{"read", read->id}));
}

// Values whose results were un-recorded because nobody has them, until their owner comes back.
// promise: R-05
TEST_F(LostTest, WordOfBytesThatAreGoneIsNotBelievedUntilTheirOwnerIsBack) {
  for (const char* boot : {"first", "second"}) {
    Run();
    const ResultPtr read = At(kB, GivenLarge("read", "cat", {}));
    Record({read});
    LoseB({});
    EXPECT_THAT(Paths(record()), IsEmpty());
    Written();
    Hold(kA, 2);
    ReportFrom(kA, {read});
    EXPECT_THAT(Paths(record()), IsEmpty()) << "said by somebody who does not know yet";
    Up(Replica("default/b", 0, boot));
    ReportFrom(kA, {read});
    EXPECT_EQ(record().steps.size(), boot == std::string("first") ? 1u : 0u);
  }
}

// promise: R-05
TEST_F(LostTest, AnOwnerThatSaysItHasThemIsBelieved) {
  const ResultPtr read = LoseRead();
  Hold(kB, 1);
  EXPECT_THAT(Paths(TheWrite()), IsEmpty()) << "it is there and does not have it";
  Written();
  ReportFrom(kA, {read});
  EXPECT_THAT(Paths(record()), IsEmpty());
  Hold(kB, 2, {}, {}, {read->value.object});
  ReportFrom(kA, {read});
  EXPECT_EQ(record().steps.size(), 1u);
}

// promise: R-05
TEST_F(LostTest, AnOwnerThatDidNotAnswerInTimeMayStillHaveThem) {
  const ResultPtr read = LoseRead();
  Advance(seconds(1));
  EXPECT_THAT(Paths(TheWrite()), IsEmpty());
  Written();
  ReportFrom(kB, {read});
  EXPECT_EQ(record().steps.size(), 1u);
}

// An answer that was given before the result was made cannot know of its value.
// promise
TEST_F(LostTest, WhatIsRecordedWhileAllAreAskedIsNotTakenForLost) {
  Run();
  Probe();
  Hold(kA, 1);
  ReportFrom(kA, {GivenLarge("read", "cat", {})});
  Hold(kB, 1);
  EXPECT_EQ(record().redrive, 2u);
  EXPECT_THAT(Paths(record()), ElementsAre("read"));
}

}  // namespace
}  // namespace fractos
