// Re-drives and ends: what continues under a raised redrive epoch, what is dropped, what is kept.
#include <gtest/gtest.h>

#include "lib/base/limits.h"
#include "tests/unit/daemon/continuation/core_harness.h"

namespace fractos {
namespace {

using std::chrono::seconds;

class RedriveTest : public CoreTest {
 protected:
  HandOver Under(uint64_t redrive, HandOver message) const {
    message.redrive = redrive;
    return message;
  }
  static StepPtr Two() { return NewStep("two", {"one"}, "default/b"); }
};

// A HandOver with a higher R and an equal attempt key adopts the running attempt.
// promise: H-24
TEST_F(RedriveTest, AHigherEpochAdoptsTheRunningAttempt) {
  const HandOver message = Hand({NewStep("one"), Two()});
  Receive(message);
  Receive(Under(2, message));
  EXPECT_EQ(TheSent<Accepted>().redrive, 2u);
  EXPECT_FALSE(Executes("one"));
  EXPECT_TRUE(All<Cancel>().empty());
  Produce("one");
  EXPECT_EQ(SentTo("two").redrive, 2u);
  EXPECT_EQ(core_->stats().attempts, 1u);
}

// A commit takes that R is still the highest seen.
// promise: H-30
TEST_F(RedriveTest, NothingCommitsBelowTheHighestEpochSeenUntilTheDriverSettlesIt) {
  Receive(Hand({NewStep("one"), Two()}));
  Receive(Under(2, Hand({NewStep("other")})));
  Advance(Duration::zero());
  EXPECT_EQ(TheSent<FetchRedrive>().run, kRun) << "it asks what stands";
  Produce("one");
  EXPECT_TRUE(All<Commit>().empty());
  EXPECT_TRUE(Sent<HandOver>().empty());
  Ask(2, {});
  EXPECT_EQ(All<Commit>().size(), 1u);
  EXPECT_EQ(SentTo("two").redrive, 2u);
}

TEST_F(RedriveTest, WhoSleepsAsksAgainUntilItIsAnswered) {
  Receive(Hand({NewStep("one"), Two()}));
  Receive(Under(2, Hand({NewStep("other")})));
  for (int i = 0; i < 3; ++i) {
    Advance(std::chrono::milliseconds(500));
    EXPECT_EQ(Sent<FetchRedrive>().size(), 1u);
  }
  Ask(2, {});
  Advance(std::chrono::milliseconds(500));
  EXPECT_TRUE(Sent<FetchRedrive>().empty());
}

// StaleRedrive makes a sender fetch R and send again.
// promise: H-23
TEST_F(RedriveTest, AStaleSenderFetchesTheEpochAndSendsAgainUnderIt) {
  Receive(Hand({NewStep("one"), Two()}));
  Produce("one");
  const HandOver stale = SentTo("two");
  Receive(kB, Nack{stale.key(), 1, Refusal::kStaleRedrive, 4, {}, {}, ""});
  Advance(Duration::zero());
  EXPECT_EQ(Sent<FetchRedrive>().size(), 1u);
  Advance(kHoldResend);
  EXPECT_TRUE(Sent<HandOver>().empty()) << "not before it knows what stands";
  Ask(4, {});
  const HandOver again = SentTo("two");
  EXPECT_EQ(again.redrive, 4u);
  EXPECT_EQ(again.key(), stale.key());
}

// After a Query, attempts, holds and candidates whose ancestors agree with the pinned results
// continue under R; others are dropped.
// promise: H-25
TEST_F(RedriveTest, QueryKeepsWhatAgreesWithTheRecord) {
  const ResultPtr read = Given("read", "cat");
  Receive(Hand({NewStep("running", {"read"})}, read));
  Receive(Hand({NewStep("one", {"read"}), Two()}, read));
  Produce("one");
  const HandOver held = SentTo("two");
  Receive(Hand({NewStep("join", {"read", "else"})}, read));
  Ask(2, {read});
  EXPECT_TRUE(All<Cancel>().empty());
  const Holding holding = TheSent<Holding>();
  EXPECT_EQ(holding.redrive, 2u);
  EXPECT_EQ(holding.attempts.size(), 2u);
  EXPECT_EQ(holding.holds, std::vector<EdgeKey>{held.key()});
  EXPECT_EQ(holding.candidates.size(), 3u);
  EXPECT_EQ(SentTo("two").redrive, 2u);
  Receive(Under(2, Hand({NewStep("join", {"read", "else"})}, Given("else", "e"))));
  EXPECT_TRUE(Executes("join")) << "its first input was kept";
}

// promise: H-25
TEST_F(RedriveTest, QueryDropsWhatDisagreesWithTheRecord) {
  const ResultPtr discarded = Given("read", "cat");
  Receive(Hand({NewStep("running", {"read"})}, discarded));
  Receive(Hand({NewStep("one", {"read"}), Two()}, discarded));
  Produce("one");
  Receive(Hand({NewStep("join", {"read", "else"})}, discarded));
  Ask(2, {Given("read", "dog")});
  ASSERT_EQ(All<Cancel>().size(), 1u);
  EXPECT_EQ(All<Cancel>()[0].attempt, started_.at("running"));
  const Holding holding = TheSent<Holding>();
  EXPECT_TRUE(holding.attempts.empty());
  EXPECT_TRUE(holding.holds.empty());
  EXPECT_TRUE(holding.candidates.empty());
  EXPECT_EQ(core_->stats().executing, 0u);
}

TEST_F(RedriveTest, QueryEndsWorkOnAStepThatStandsInTheRecord) {
  Receive(Hand({NewStep("one", {"read"})}, Given("read", "cat")));
  Ask(2, {Given("one", "from elsewhere", {Given("read", "cat")})});
  EXPECT_EQ(All<Cancel>().size(), 1u);
}

TEST_F(RedriveTest, AQueryUnderAnEarlierEpochIsIgnored) {
  Receive(Under(3, Hand({NewStep("one")})));
  Ask(2, {});
  EXPECT_TRUE(actions_.empty());
}

TEST_F(RedriveTest, QuerySaysWhichValuesAreHere) {
  Receive(Hand({NewStep("one"), Two()}));
  ProduceLarge("one", "many bytes");
  const ObjectId object = LargeValue("many bytes", kSelf).object;
  Ask(1, {});
  EXPECT_EQ(TheSent<Holding>().values, std::vector<ObjectId>{object});
}

// Abort stops work under a lower R and keeps values until End.
// promise: H-26, H-10
TEST_F(RedriveTest, AbortStopsWorkAndKeepsValues) {
  Receive(Hand({NewStep("one"), Two()}));
  ProduceLarge("one");
  Receive(Hand({NewStep("running")}));
  Receive(Hand({NewStep("join", {"read", "else"})}, Given("read", "cat")));
  Receive(kDriver, Abort{kRun, 2});
  ASSERT_EQ(All<Cancel>().size(), 1u);
  EXPECT_TRUE(All<Release>().empty());
  EXPECT_EQ(core_->stats().holds, 0u);
  Advance(kHoldResend);
  EXPECT_TRUE(Sent<HandOver>().empty());
  EXPECT_TRUE(Sent<Report>().empty());
  Ask(2, {});
  EXPECT_EQ(TheSent<Holding>().values.size(), 1u);
}

// promise: H-26
TEST_F(RedriveTest, AbortLeavesWorkUnderItsOwnEpochAlone) {
  Receive(Under(2, Hand({NewStep("mend")})));
  Receive(kDriver, Abort{kRun, 2});
  EXPECT_TRUE(actions_.empty());
  Receive(kDriver, Abort{kRun, 1});
  EXPECT_TRUE(actions_.empty());
  Produce("mend");
  EXPECT_EQ(All<Commit>().size(), 1u);
}

// promise: H-26, H-10, H-40
TEST_F(RedriveTest, EndForgetsEverythingAndReleasesValues) {
  const ResultPtr large = GivenLarge("read", "many bytes");
  Receive(Hand({NewStep("one"), Two()}));
  ProduceLarge("one");
  Receive(Hand({NewStep("running", {"read"})}, large));
  Fetched(large);
  Receive(Hand({NewStep("join", {"read", "else"})}, Given("read", "cat")));
  Receive(kDriver, End{kRun});
  EXPECT_EQ(All<Cancel>().size(), 1u);
  EXPECT_EQ(All<Release>().size(), 2u) << "its own value and the copy it fetched";
  const Core::Stats stats = core_->stats();
  EXPECT_EQ(stats.runs + stats.attempts + stats.executing + stats.holds + stats.candidates, 0u);
  EXPECT_TRUE(core_->Idle());
}

TEST_F(RedriveTest, WhatWasUnderWayDoesNotStartAnEndedRunAgain) {
  const HandOver message = Hand({NewStep("one")});
  Receive(message);
  Receive(kDriver, End{kRun});
  Receive(message);
  EXPECT_EQ(TheSent<Nack>().reason, Refusal::kEnded);
  EXPECT_EQ(core_->stats().runs, 0u);
}

// Values live as long as the deadline plus 30 s.
// promise: M-10, G-09
TEST_F(RedriveTest, PastTheDeadlineWorkStopsAndAfterAGraceValuesGo) {
  Receive(Hand({NewStep("one"), Two()}));
  ProduceLarge("one");
  Receive(Hand({NewStep("running")}));
  Advance(seconds(60) - Duration(1));
  EXPECT_TRUE(All<Cancel>().empty());
  Advance(Duration(1));
  EXPECT_EQ(All<Cancel>().size(), 1u);
  EXPECT_EQ(core_->stats().holds, 0u);
  EXPECT_TRUE(All<Release>().empty());
  Receive(Hand({NewStep("late")}));
  EXPECT_EQ(TheSent<Nack>().reason, Refusal::kEnded);
  Advance(kValueGrace - Duration(1));
  EXPECT_TRUE(All<Release>().empty());
  Advance(Duration(1));
  EXPECT_EQ(All<Release>().size(), 1u);
  EXPECT_EQ(core_->stats().runs, 0u);
}

// What a sender says remains is hostile too.
// promise: L-12
TEST_F(RedriveTest, NobodyKeepsADaemonBusyForMoreThanAnHour) {
  HandOver message = Hand({NewStep("one")});
  message.remaining = std::chrono::hours(1000);
  Receive(message);
  Advance(kMaxDeadline - Duration(1));
  EXPECT_TRUE(All<Cancel>().empty());
  Advance(Duration(1));
  EXPECT_EQ(All<Cancel>().size(), 1u);
}

// promise: M-10
TEST_F(RedriveTest, AValueIsReleasedWhenTheDriverSaysNobodyNeedsIt) {
  Receive(Hand({NewStep("one"), Two()}));
  ProduceLarge("one");
  const ObjectId object = SentTo("two").result->value.object;
  Receive(kDriver, Recorded{kRun, 1, {}, {}, {object, NamedId<ObjectId>("never heard of")}});
  ASSERT_EQ(All<Release>().size(), 1u);
  EXPECT_EQ(All<Release>()[0].object, object);
}

}  // namespace
}  // namespace fractos
