// Asleep under a redrive epoch that is not settled, and how a Query or an Abort settles it: what
// sleeps, what goes on, and what the record's answers mean after it lost something.
#include <gtest/gtest.h>

#include "lib/base/limits.h"
#include "tests/unit/daemon/continuation/core_harness.h"

namespace fractos {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class SettleTest : public CoreTest {
 protected:
  static HandOver Under(uint64_t redrive, HandOver message) {
    message.redrive = redrive;
    return message;
  }
  static StepPtr Two() { return NewStep("two", {"one"}, "default/b"); }
  // Of a run that another daemon already works for, so that it is let through.
  HandOver Elsewhere(const StepPath& step) const {
    return Hand({NewStep(step, {"read"})}, Given("read", "cat"), {}, NamedId<RunId>("other"));
  }
  static StepPtr Effects(std::vector<StepPath> from) {
    std::shared_ptr<Step> put = NewStep("put", std::move(from));
    put->effect = Effect::kIdempotent;
    put->waits_for_record = true;
    return put;
  }
  void WithOneSlot() {
    Core::Options options;
    options.max_in_flight = 1;
    Restart(options);
  }
};

// promise: H-30
TEST_F(SettleTest, WhatIsQueuedSleepsUntilItIsSettled) {
  WithOneSlot();
  Receive(Hand({NewStep("one")}));
  Receive(Hand({NewStep("queued")}));
  Receive(Under(2, Hand({NewStep("later")})));
  Produce("one");
  EXPECT_FALSE(Executes("queued"));
  EXPECT_TRUE(Executes("later"));
  Produce("later");
  EXPECT_FALSE(Executes("queued"));
  Ask(2, {});
  EXPECT_TRUE(Executes("queued"));
}

// promise: H-30
TEST_F(SettleTest, WhoSleepsAsksEveryHalfSecond) {
  Receive(Hand({NewStep("one"), Two()}));
  Receive(Under(2, Hand({NewStep("other")})));
  EXPECT_EQ(core_->NextTick(), now_);
  Advance(Duration::zero());
  EXPECT_EQ(TheReceiver<FetchRedrive>(), kDriver.address);
  Advance(milliseconds(499));
  EXPECT_TRUE(Sent<FetchRedrive>().empty());
  Advance(milliseconds(1));
  EXPECT_EQ(Sent<FetchRedrive>().size(), 1u);
}

// promise: H-25
TEST_F(SettleTest, AJoinThatMerelyWaitsSleepsToo) {
  Receive(Hand({NewStep("join", {"left", "right"})}, Given("left", "l")));
  Receive(Under(2, Hand({NewStep("join", {"left", "right"})}, Given("right", "r"))));
  Advance(Duration::zero());
  EXPECT_EQ(Sent<FetchRedrive>().size(), 1u);
}

TEST_F(SettleTest, ARefusalUnderTheEpochThatIsKnownChangesNothing) {
  Receive(Under(2, Hand({NewStep("one"), Two()})));
  Produce("one");
  Receive(kB, Nack{SentTo("two").key(), 2, Refusal::kStaleRedrive, 2, {}, {}, ""});
  Advance(Duration::zero());
  EXPECT_TRUE(Sent<FetchRedrive>().empty());
}

// A join whose inputs came under different epochs.
// promise: H-25, H-20
TEST_F(SettleTest, AJoinFiresWhenItsInputsAreSettled) {
  const StepPtr join = NewStep("join", {"left", "right"});
  Receive(Hand({join}, Given("left", "l")));
  Receive(Under(2, Hand({join}, Given("right", "r"))));
  EXPECT_FALSE(Executes("join"));
  Ask(2, {});
  EXPECT_TRUE(Executes("join"));
}

// What stood in the record and does no more may be made anew, and be another: an effect on the one
// from before and on its other input of today would be one on results that never stood together.
// promise: H-32
TEST_F(SettleTest, AnEffectThatJoinsTakesNoInputThatTheRecordLost) {
  const StepPtr put = Effects({"left", "right"});
  Receive(Hand({put}, Given("left", "l")));
  Ask(2, {});
  EXPECT_TRUE(TheSent<Holding>().candidates.empty()) << "so the driver hands it over again";
  Receive(Under(2, Hand({put}, Given("right", "r"))));
  EXPECT_FALSE(Executes("put"));
  Receive(Under(2, Hand({put}, Given("left", "l"))));
  EXPECT_TRUE(Executes("put"));
}

// promise: H-32
TEST_F(SettleTest, AnEffectThatIsQueuedWhenTheRecordLosesItsInputWaitsForItAgain) {
  const ResultPtr kept = Given("left", "l");
  for (const bool lost : {true, false}) {
    WithOneSlot();
    Receive(Hand({NewStep("one")}));
    Receive(Hand({Effects({"left"})}, kept));
    Ask(2, lost ? std::vector<ResultPtr>() : std::vector<ResultPtr>{kept});
    Produce("one");
    EXPECT_EQ(Executes("put"), !lost);
  }
}

// promise: H-32, H-24
TEST_F(SettleTest, AnEffectThatHasStartedGoesOnWhateverTheRecordLoses) {
  Receive(Hand({Effects({"left"})}, Given("left", "l")));
  EXPECT_TRUE(Executes("put"));
  Ask(2, {});
  EXPECT_TRUE(All<Cancel>().empty());
  EXPECT_EQ(TheSent<Holding>().attempts.size(), 1u);
}

// promise: H-25
TEST_F(SettleTest, NothingIsStartedForAStepThatStandsInTheRecord) {
  const StepPtr join = NewStep("join", {"left", "right"});
  Receive(Hand({join}, Given("left", "l")));
  Receive(Under(2, Hand({join}, Given("right", "r"))));
  Ask(2, {Given("join", "j")});
  EXPECT_FALSE(Executes("join"));
}

// promise: R-08
TEST_F(SettleTest, WhatWasWokenGivesSignsOfLife) {
  Receive(Hand({NewStep("one")}));
  Receive(Under(2, Hand({NewStep("other")})));
  Produce("other");
  Record(NextReport().results, 2);
  Advance(seconds(1));
  for (const Report& report : Sent<Report>()) EXPECT_TRUE(report.executing.empty());
  Ask(2, {});
  Advance(Duration::zero());
  EXPECT_LE(*core_->NextTick(), now_ + seconds(1));
  Advance(milliseconds(999));
  EXPECT_TRUE(Sent<Report>().empty());
  Advance(milliseconds(1));
  EXPECT_EQ(TheSent<Report>().executing, std::vector<StepPath>{"one"});
}

// promise: H-25, L-10
TEST_F(SettleTest, WhatADroppedAttemptOccupiedGoesToOthers) {
  WithOneSlot();
  Receive(Hand({NewStep("one", {"read"})}, Given("read", "cat")));
  Receive(Elsewhere("next"));
  Ask(2, {Given("read", "dog")});
  EXPECT_TRUE(Executes("next"));
  WithOneSlot();
  Receive(Hand({NewStep("one", {"read"})}, Given("read", "cat")));
  Receive(Elsewhere("next"));
  Receive(kDriver, Abort{kRun, 2});
  EXPECT_TRUE(Executes("next"));
}

// promise: H-25
TEST_F(SettleTest, WhatIsRecordedAndStillToBeHandedOnGoesOn) {
  Receive(Hand({NewStep("one"), Two()}));
  Produce("one");
  const HandOver before = SentTo("two");
  Ask(2, {before.result});
  EXPECT_EQ(SentTo("two").redrive, 2u);
  EXPECT_EQ(SentTo("two").key(), before.key());
  AcceptSent(kB, "two");
  Advance(kHoldResend);
  EXPECT_TRUE(Sent<Report>().empty()) << "it need not be said again";
}

// promise: H-25, H-17
TEST_F(SettleTest, WhatTheRecordLostIsReportedAndHandedOnAgain) {
  Receive(Hand({NewStep("sink")}));
  Produce("sink");
  const Report report = NextReport();
  Receive(Hand({NewStep("one"), Two()}));
  Record({report.results[0], Given("two", "done")});
  Advance(kHoldResend);
  for (const Report& other : Sent<Report>()) EXPECT_TRUE(other.results.empty());
  Ask(2, {});
  Advance(Duration::zero());
  EXPECT_EQ(ResultOf(TheSent<Report>(), "sink")->id, report.results[0]->id);
  Produce("one");
  EXPECT_EQ(SentTo("two").redrive, 2u);
}

// promise: H-25
TEST_F(SettleTest, WhatTheQueryNamesCountsAsRecorded) {
  Receive(Hand({NewStep("one"), Two()}));
  Ask(2, {Given("two", "done")});
  Produce("one");
  EXPECT_TRUE(Sent<HandOver>().empty());
}

// promise: H-18, H-25
TEST_F(SettleTest, WhatWasRefusedIsReportedAgainToARecordThatChanged) {
  Receive(Hand({NewStep("one")}));
  Produce("one");
  const Report report = NextReport();
  Receive(kDriver, Recorded{kRun, 1, {}, {report.results[0]->id}, {}});
  EXPECT_TRUE(core_->Idle());
  Ask(2, {});
  Advance(Duration::zero());
  EXPECT_EQ(TheSent<Report>().results.size(), 1u);
}

// A value that was released and is needed after all has to be made again.
// promise: R-05
TEST_F(SettleTest, AResultWhoseValueWasReleasedIsMadeAgain) {
  Receive(Hand({NewStep("one"), Two()}));
  ProduceLarge("one");
  const ResultPtr one = SentTo("two").result;
  Receive(kDriver, Recorded{kRun, 1, {{"one", one->id}}, {}, {one->value.object}});
  Ask(1, {one});
  EXPECT_EQ(TheSent<Holding>().attempts.size(), 1u) << "while it stands nobody needs it";
  EXPECT_TRUE(TheSent<Holding>().values.empty());
  Ask(2, {});
  EXPECT_TRUE(Executes("one"));
}

// promise: H-25, M-09
TEST_F(SettleTest, AResultThatIsSomebodyElsesValueStays) {
  std::shared_ptr<Step> one = NewStep("one");
  one->inputs = {{"data", "read", /*passed=*/true}};
  Receive(Hand({one, Two()}, GivenLarge("read", "many bytes")));
  Executed("one", {Outcome::PassedInput{"data"}});
  Ask(2, {});
  EXPECT_EQ(TheSent<Holding>().attempts.size(), 1u);
  EXPECT_TRUE(TheSent<Holding>().values.empty()) << "but that is not here";
}

// promise: M-01
TEST_F(SettleTest, WhatIsStagedAndWillNotCommitIsReleased) {
  Receive(Hand({NewStep("one", {"read"})}, Given("read", "cat")));
  Receive(Hand({NewStep("refines", {"read"})}, Given("read", "cat")));
  Receive(Under(2, Hand({NewStep("other")})));
  ProduceLarge("one", "staged");
  Executed("refines", {Outcome::Refined{{}, InlineValue("[]", kSelf)}});
  EXPECT_TRUE(All<Commit>().empty());
  Ask(2, {Given("read", "dog")});
  EXPECT_EQ(All<Release>().size(), 2u);
  EXPECT_TRUE(All<Cancel>().empty()) << "they have been answered";
}

// promise: H-26
TEST_F(SettleTest, AbortStopsWhatSleepsUnderALowerEpoch) {
  Receive(Hand({NewStep("one")}));
  Receive(Under(2, Hand({NewStep("mend"), NewStep("next", {"mend"}, "default/b")})));
  Produce("mend");
  EXPECT_EQ(core_->stats().holds, 1u);
  Receive(kDriver, Abort{kRun, 2});
  EXPECT_EQ(All<Cancel>().size(), 1u);
  EXPECT_EQ(core_->stats().holds, 1u) << "of its own epoch";
  Advance(seconds(1));
  EXPECT_TRUE(Sent<FetchRedrive>().empty()) << "nothing sleeps any more";
}

// promise: H-26
TEST_F(SettleTest, AfterAbortWhatWasKeptIsKeptForTheErrorContinuationAlone) {
  Receive(Hand({NewStep("one", {"read"}), Two()}, Given("read", "cat")));
  ProduceLarge("one");
  AcceptSent(kB, "two");
  Receive(Hand({NewStep("join", {"read", "else"})}, Given("read", "cat")));
  Receive(Hand({NewStep("join", {"read", "else"})}, Given("read", "dog")));
  EXPECT_EQ(core_->stats().candidates, 3u);
  EXPECT_FALSE(core_->Idle());
  Receive(kDriver, Abort{kRun, 2});
  EXPECT_EQ(core_->stats().candidates, 1u) << "what a committed attempt was made of";
  EXPECT_TRUE(core_->Idle()) << "the driver wants no more of it";
  Receive(Hand({NewStep("late")}));
  EXPECT_EQ(TheSent<Nack>().reason, Refusal::kStaleRedrive);
}

// promise: H-30
TEST_F(SettleTest, AnEffectThatIsQueuedWhenItsDaemonIsDeposedWaitsForTheNextTime) {
  WithOneSlot();
  std::shared_ptr<Step> put = NewStep("put", {"read"});
  put->effect = Effect::kIdempotent;
  const HandOver message = Hand({put}, Given("read", "cat"));
  Receive(Hand({NewStep("one")}));
  Receive(message);
  Receive(Elsewhere("next"));
  Follow(kOther.address, 2);
  Produce("one");
  EXPECT_FALSE(Executes("put"));
  EXPECT_TRUE(Executes("next")) << "what is fenced keeps nobody waiting";
  Lead(3);
  Receive(message);
  Produce("next");
  EXPECT_TRUE(Executes("put"));
}

}  // namespace
}  // namespace fractos
