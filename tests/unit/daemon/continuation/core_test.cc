// Links, leadership and time: the events that are not messages.
#include "daemon/continuation/core.h"

#include <gtest/gtest.h>

#include "lib/base/limits.h"
#include "tests/unit/daemon/continuation/core_harness.h"

namespace fractos {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class CoreEventTest : public CoreTest {
 protected:
  static StepPtr Two() { return NewStep("two", {"one"}, "default/b"); }
  // Of a run that another daemon already works for, so that it is let through.
  HandOver Elsewhere(const StepPath& step, const RunId& run) const {
    return Hand({NewStep(step, {"read"})}, Given("read", "cat"), {}, run);
  }
  void WithOneSlot() {
    Core::Options options;
    options.max_in_flight = 1;
    Restart(options);
  }
};

// promise: H-38
TEST(StepStateTest, HasTheNameThatTracesAndFailpointsKnow) {
  EXPECT_EQ(StepStateName(StepState::kReceived), "RECEIVED");
  EXPECT_EQ(StepStateName(StepState::kAccepted), "ACCEPTED");
  EXPECT_EQ(StepStateName(StepState::kExecuting), "EXECUTING");
  EXPECT_EQ(StepStateName(StepState::kStaged), "STAGED");
  EXPECT_EQ(StepStateName(StepState::kCommitted), "COMMITTED");
  EXPECT_EQ(StepStateName(StepState::kForwarded), "FORWARDED");
  EXPECT_EQ(StepStateName(StepState::kPassed), "PASSED");
}

// RECEIVED -> ACCEPTED -> EXECUTING -> STAGED -> COMMITTED -> FORWARDED -> PASSED.
TEST_F(CoreEventTest, AStepGoesThroughItsStatesInOrder) {
  std::vector<StepState> states;
  const auto note = [this, &states] {
    for (const Reached& reached : All<Reached>()) {
      EXPECT_EQ(reached.run, kRun);
      EXPECT_EQ(reached.step, "one");
      states.push_back(reached.state);
    }
  };
  Receive(Hand({NewStep("one"), Two()}));
  note();
  Produce("one");
  note();
  AcceptSent(kB, "two");
  note();
  EXPECT_EQ(states, (std::vector<StepState>{StepState::kReceived, StepState::kAccepted,
                                            StepState::kExecuting, StepState::kStaged,
                                            StepState::kCommitted, StepState::kForwarded,
                                            StepState::kPassed}));
}

// What was reported on an earlier link may never have arrived.
// promise: H-17
TEST_F(CoreEventTest, WhatIsNotAnsweredIsReportedAgainWhenTheDriverIsBack) {
  Receive(Hand({NewStep("one")}));
  Produce("one");
  NextReport();
  Advance(milliseconds(1));
  EXPECT_TRUE(Sent<Report>().empty());
  LinkUp({Address::Driver("another"), NamedId<BootId>("another")}, 0);
  LinkUp(kB, 0);
  Advance(milliseconds(1));
  EXPECT_TRUE(Sent<Report>().empty()) << "it is not their run";
  LinkUp(kDriver, 0);
  Advance(Duration::zero());
  EXPECT_EQ(TheSent<Report>().results.size(), 1u);
  EXPECT_EQ(TheReceiver<Report>(), kDriver.address);
}

// promise: H-12
TEST_F(CoreEventTest, WhatWasSentOverALinkThatBrokeGoesToTheNextReplica) {
  Receive(Hand({NewStep("one"), Two()}));
  Produce("one");
  EXPECT_EQ(TheReceiver<HandOver>(), kB.address);
  LinkDown(kB);
  Advance(milliseconds(50));
  EXPECT_EQ(SentTo("two").step().path, "two");
  EXPECT_EQ(TheReceiver<HandOver>(), (Address{"default/b", 1}));
}

// "Holds for the own cluster go to whoever leads it".
// promise: H-12, H-29
TEST_F(CoreEventTest, WhatWasHandedToTheOtherLeaderComesBackToWhoLeadsAgain) {
  Receive(Hand({NewStep("one"), NewStep("two", {"one"})}));
  Follow(kOther.address, 2);
  Produce("one");
  EXPECT_EQ(TheReceiver<HandOver>(), kOther.address);
  Lead(3);
  Advance(Duration::zero());
  EXPECT_TRUE(Sent<HandOver>().empty()) << "within the process";
  EXPECT_TRUE(Executes("two"));
}

// promise: H-27
TEST_F(CoreEventTest, ADeposedLeaderLooksForTheNewOneElsewhere) {
  Receive(Hand({NewStep("one"), NewStep("two", {"one"})}));
  Receive(kB, StaleEpoch{"default/a", 2});
  ASSERT_EQ(All<StepDown>().size(), 1u);
  Produce("one");
  EXPECT_FALSE(Executes("two"));
  EXPECT_TRUE(Sent<HandOver>().empty()) << "it knows of nobody else yet";
  Advance(milliseconds(50));
  EXPECT_EQ(TheReceiver<HandOver>(), kOther.address);
}

// promise: H-27
TEST_F(CoreEventTest, ARefusalNamesNobodyWhoIsNotKnownToLead) {
  Receive(kB, StaleEpoch{"default/a", 9});
  EXPECT_EQ(core_->stats().stale_epochs, 1u);
  Receive(Hand({NewStep("one")}));
  EXPECT_EQ(TheSent<Nack>().reason, Refusal::kNotLeader);
  EXPECT_TRUE(TheSent<Nack>().leader.IsNone());
  EXPECT_EQ(TheSent<Nack>().edge, Hand({NewStep("one")}).key());

  Follow(kOther.address, 9);
  Lead(10);
  core_->Drain();
  Receive(Hand({NewStep("one")}));
  EXPECT_EQ(TheSent<Nack>().reason, Refusal::kNotLeader);
  EXPECT_TRUE(TheSent<Nack>().leader.IsNone()) << "it leads itself";
}

TEST_F(CoreEventTest, OldNewsOfWhoLeadsIsOvertaken) {
  Lead(3);
  Follow(kOther.address, 1);
  EXPECT_TRUE(core_->leads());
  EXPECT_EQ(core_->epoch(), 3u);
  Follow(kOther.address, 3);
  EXPECT_FALSE(core_->leads());
  Follow(kOther.address, 7);
  EXPECT_EQ(core_->epoch(), 7u);
  Lead(8);
  Follow(Address(), 0);
  EXPECT_FALSE(core_->leads()) << "whoever leads, it is not this one";
  EXPECT_EQ(core_->epoch(), 8u);
}

// What a peer says of this daemon's own cluster does not count while it leads.
TEST_F(CoreEventTest, WhoLeadsHandsToItselfWhateverOthersBelieve) {
  HandOver message = Hand({NewStep("one"), NewStep("two", {"one"})});
  auto continuation = std::make_shared<Continuation>(*message.continuation);
  continuation->clusters[0].leader = 1;
  message.continuation = continuation;
  Lead(3);
  Receive(message);
  Produce("one");
  EXPECT_TRUE(Executes("two"));
}

// promise: T-10
TEST_F(CoreEventTest, WhoStillHoldsAHandOverIsNotIdle) {
  Receive(Hand({NewStep("one"), Two()}));
  Produce("one");
  const EdgeKey edge = SentTo("two").key();
  Record({SentTo("two").result});
  EXPECT_FALSE(core_->Idle());
  Receive(kB, Passed{edge, 1});
  EXPECT_TRUE(core_->Idle());
}

TEST_F(CoreEventTest, TheNextTickIsTheEarliestOfAll) {
  EXPECT_EQ(core_->NextTick(), std::nullopt);
  const Time start = now_;
  Receive(Hand({NewStep("join", {"read", "else"})}, Given("read", "cat")));
  EXPECT_EQ(core_->NextTick(), start + seconds(60)) << "the deadline";
  Receive(Hand({NewStep("one"), Two()}));
  EXPECT_EQ(core_->NextTick(), start + seconds(1)) << "the sign of life";
  Produce("one");
  Advance(seconds(1));
  EXPECT_EQ(core_->NextTick(), start + kHoldResend);
  Advance(seconds(1));
  EXPECT_EQ(core_->stats().resends, 1u);
  EXPECT_EQ(core_->NextTick(), start + 2 * kHoldResend);
}

// A daemon that has nothing to do sleeps: no time that has passed asks for another Tick.
TEST_F(CoreEventTest, ATickLeavesNothingThatIsDueNow) {
  std::shared_ptr<Step> one = NewStep("one");
  one->retry.limit = 1;
  Receive(Hand({one}));
  Fail("one", /*retryable=*/true);
  HandOver later = Hand({NewStep("join", {"read", "else"})}, GivenLarge("read", "many bytes"));
  later.redrive = 2;
  Receive(later);
  for (int i = 0; i < 200; ++i) {
    ASSERT_TRUE(core_->NextTick().has_value());
    Advance(*core_->NextTick() - now_);
    if (!core_->NextTick().has_value()) break;
    ASSERT_GT(*core_->NextTick(), now_);
    if (i == 10) Ask(2, {});
  }
  EXPECT_EQ(core_->stats().runs, 0u) << "its time has passed meanwhile";
}

// promise: H-40
TEST_F(CoreEventTest, AnEndedRunIsRememberedForAsLongAsItsHandOversMayLive) {
  const HandOver message = Hand({NewStep("one")});
  const RunId other = NamedId<RunId>("other");
  Receive(message);
  Receive(Hand({NewStep("one")}, nullptr, {}, other));
  Receive(kDriver, End{kRun});
  Receive(kDriver, End{other});
  // Something that is due at the same time.
  Advance(seconds(60) + kValueGrace - kHoldResend);
  Receive(Hand({NewStep("first"), NewStep("next", {"first"}, "default/b")}, nullptr, {},
               NamedId<RunId>("third")));
  Produce("first");
  Advance(kHoldResend - Duration(1));
  Receive(message);
  EXPECT_EQ(TheSent<Nack>().reason, Refusal::kEnded);
  Advance(Duration(1));
  EXPECT_EQ(Sent<HandOver>().size(), 1u);
  Receive(message);
  EXPECT_EQ(Sent<Accepted>().size(), 1u) << "it is forgotten too";
  Receive(Hand({NewStep("one")}, nullptr, {}, other));
  EXPECT_EQ(Sent<Accepted>().size(), 1u);
}

// promise: L-10
TEST_F(CoreEventTest, WhatARunThatEndsOccupiedGoesToOthers) {
  WithOneSlot();
  const RunId other = NamedId<RunId>("other");
  Receive(Hand({NewStep("one")}));
  Receive(Elsewhere("next", other));
  EXPECT_FALSE(Executes("next"));
  EXPECT_EQ(core_->stats().queued, 1u);
  EXPECT_EQ(core_->stats().runs, 2u);
  Receive(kDriver, End{kRun});
  EXPECT_TRUE(Executes("next"));
  EXPECT_EQ(core_->stats().queued, 0u);
}

// promise: G-09, M-10
TEST_F(CoreEventTest, PastTheDeadlineOnlyValuesAreLeft) {
  Receive(Hand({NewStep("one"), Two()}));
  ProduceLarge("one");
  AcceptSent(kB, "two");
  Receive(Hand({NewStep("running")}));
  Receive(Hand({NewStep("join", {"read", "else"})}, Given("read", "cat")));
  EXPECT_EQ(core_->stats().candidates, 3u);
  Advance(seconds(59));
  EXPECT_EQ(Sent<Report>().size(), 2u) << "a result that nobody answers, and a sign of life";
  Advance(seconds(1));
  EXPECT_EQ(core_->stats().attempts, 1u);
  EXPECT_EQ(core_->stats().candidates, 0u);
  Advance(kHoldResend);
  EXPECT_TRUE(actions_.empty()) << "nothing is said any more";
  EXPECT_EQ(core_->NextTick(), now_ + kValueGrace - kHoldResend);
  Ask(1, {});
  EXPECT_EQ(TheSent<Holding>().values.size(), 1u);
}

// promise: H-22
TEST_F(CoreEventTest, AChainOfSkippedStepsIsSkippedWithinOneEvent) {
  Receive(Hand({NewStep("one", {"read"}), NewStep("two", {"one"}), NewStep("three", {"two"})},
               GivenNothing("read", ResultState::kFailed)));
  EXPECT_EQ(core_->stats().attempts, 3u);
  Restart({});
  const ResultPtr large = GivenLarge("read", "many bytes");
  Receive(Hand({NewStep("one", {"read"}), NewStep("two", {"one"})}, large));
  Fetched(large, absl::DeadlineExceededError("too slow"));
  EXPECT_EQ(core_->stats().attempts, 2u);
}

TEST_F(CoreEventTest, ReportsGoToTheDriverThatTheHandOverNames) {
  Receive(kB, Hand({NewStep("one")}));
  Produce("one");
  NextReport();
  EXPECT_EQ(TheReceiver<Report>(), kDriver.address);
}

}  // namespace
}  // namespace fractos
