// What a daemon takes, what it refuses, and what comes twice.
#include <gtest/gtest.h>

#include "lib/base/limits.h"
#include "tests/unit/daemon/continuation/core_harness.h"

namespace fractos {
namespace {

class AcceptTest : public CoreTest {};

TEST_F(AcceptTest, AHandOverIsAcceptedAndExecutedInThatOrder) {
  Receive(Hand({NewStep("one")}));
  const Accepted accepted = TheSent<Accepted>();
  EXPECT_EQ(accepted.edge, (EdgeKey{kRun, "one", ResultId()}));
  EXPECT_EQ(accepted.redrive, 1u);
  std::vector<StepState> states;
  for (const Reached& reached : All<Reached>()) states.push_back(reached.state);
  EXPECT_EQ(states, (std::vector<StepState>{StepState::kReceived, StepState::kAccepted,
                                            StepState::kExecuting}));
  EXPECT_TRUE(Executes("one"));
}

// The attempt key is the step and its lineage.
// promise: H-06
TEST_F(AcceptTest, WhatComesTwiceIsExecutedOnceAndAcceptedTwice) {
  const HandOver message = Hand({NewStep("one", {"read"})}, Given("read", "cat"));
  Receive(message);
  EXPECT_TRUE(Executes("one"));
  Receive(message);
  EXPECT_EQ(TheSent<Accepted>().edge, message.key());
  EXPECT_FALSE(Executes("one"));
  Produce("one");
  Receive(message);
  EXPECT_EQ(TheSent<Accepted>().edge, message.key());
  EXPECT_FALSE(Executes("one"));
  EXPECT_EQ(core_->stats().duplicates, 2u);
  EXPECT_EQ(core_->stats().attempts, 1u);
}

// promise: H-04
TEST_F(AcceptTest, AnotherResultOfThePredecessorIsOtherWork) {
  Receive(Hand({NewStep("one", {"read"})}, Given("read", "cat")));
  const AttemptKey first = started_.at("one");
  Receive(Hand({NewStep("one", {"read"})}, Given("read", "dog")));
  EXPECT_TRUE(Executes("one"));
  EXPECT_NE(started_.at("one").lineage, first.lineage);
}

// promise: H-27
TEST_F(AcceptTest, WhoDoesNotLeadSaysWhoDoes) {
  Follow(kOther.address, 7);
  Receive(Hand({NewStep("one")}));
  const Nack nack = TheSent<Nack>();
  EXPECT_EQ(nack.reason, Refusal::kNotLeader);
  EXPECT_EQ(nack.leader, kOther.address);
  EXPECT_TRUE(All<Execute>().empty());
  EXPECT_EQ(core_->stats().runs, 0u);
}

// promise: H-23
TEST_F(AcceptTest, ALowerRedriveEpochIsStale) {
  HandOver message = Hand({NewStep("one")});
  message.redrive = 3;
  Receive(message);
  message.redrive = 2;
  Receive(message);
  const Nack nack = TheSent<Nack>();
  EXPECT_EQ(nack.reason, Refusal::kStaleRedrive);
  EXPECT_EQ(nack.seen, 3u);
  EXPECT_EQ(nack.redrive, 2u);
  EXPECT_TRUE(Sent<Accepted>().empty());
}

// Under an epoch lower than seen: StaleEpoch, and the sender steps down; what it accepted in its
// time still counts: a result without effect travels at any epoch.
// promise: H-28
TEST_F(AcceptTest, ADeposedSenderIsToldAndItsResultTaken) {
  HandOver message = Hand({NewStep("one", {"read"})}, Given("read", "cat"));
  Receive(message);
  LinkUp(kB, 5);
  message.sender_epoch = 5;
  Receive(message);
  EXPECT_TRUE(Sent<StaleEpoch>().empty()) << "the epoch seen is not below itself";
  message.sender_epoch = 4;
  Receive(message);
  const StaleEpoch stale = TheSent<StaleEpoch>();
  EXPECT_EQ(stale.cluster, kB.address.cluster);
  EXPECT_EQ(stale.seen, 5u);
  EXPECT_EQ(Sent<Accepted>().size(), 1u);
}

// promise: H-28
TEST_F(AcceptTest, ALeaderThatHearsOfANewerOneStepsDown) {
  Receive(kB, StaleEpoch{"default/b", 9});
  EXPECT_TRUE(core_->leads()) << "that is about another cluster";
  Receive(kB, StaleEpoch{"default/a", 1});
  EXPECT_TRUE(core_->leads()) << "that is this epoch itself";
  Receive(kB, StaleEpoch{"default/a", 2});
  EXPECT_FALSE(core_->leads());
  ASSERT_EQ(All<StepDown>().size(), 1u);
  EXPECT_EQ(All<StepDown>()[0].seen, 2u);
  Receive(Hand({NewStep("one")}));
  EXPECT_EQ(TheSent<Nack>().reason, Refusal::kNotLeader);
}

// promise: E-08
TEST_F(AcceptTest, NobodyStepsDownForAnEpochThatNoElectionCanReach) {
  for (const uint64_t lie : {kMaxEpoch, ~uint64_t{0}}) {
    Receive(kB, StaleEpoch{"default/a", lie});
    EXPECT_TRUE(core_->leads());
    LinkUp(kOther, lie);
    EXPECT_TRUE(core_->leads());
    EXPECT_TRUE(All<StepDown>().empty());
  }
  Receive(kB, StaleEpoch{"default/a", kMaxEpoch - 1});
  EXPECT_EQ(All<StepDown>().size(), 1u);
}

// promise: H-28
TEST_F(AcceptTest, AReplicaThatLeadsUnderAHigherEpochIsBelieved) {
  LinkUp(kOther, 2);
  EXPECT_FALSE(core_->leads());
  EXPECT_EQ(All<StepDown>().size(), 1u);
}

// promise: H-36
TEST_F(AcceptTest, MalformedHandOversChangeNothing) {
  Receive(kB, HandOver());
  EXPECT_TRUE(actions_.empty());
  HandOver no_steps = Hand({});
  Receive(kB, no_steps);
  EXPECT_TRUE(actions_.empty());

  std::vector<HandOver> bad;
  bad.push_back(Hand({NewStep("one", {}, "default/b")}));                  // not for this cluster
  bad.push_back(Hand({NewStep("one", {"read"})}, Given("write", "cat")));  // no such edge
  bad.push_back(Hand({NewStep("one")}, Given("read", "cat")));             // a root has none
  bad.push_back(Hand({NewStep("one", {"read"})}));                         // an edge, no result
  bad.push_back(Hand({NewStep("one", {"read"})}));
  bad.back().edge = "read";
  for (const HandOver& message : bad) {
    Receive(kB, message);
    ASSERT_EQ(actions_.size(), 1u);
    EXPECT_EQ(TheSent<Nack>().reason, Refusal::kInvalid);
    EXPECT_EQ(core_->stats().runs, 0u);
  }
}

// promise: H-36
TEST_F(AcceptTest, WordOfAnUnknownRunChangesNothing) {
  const EdgeKey edge{kRun, "one", ResultId()};
  const Message messages[] = {Accepted{edge, 1},
                              Passed{edge, 1},
                              Nack{edge, 1, Refusal::kNotLeader, 0, {}, {}, ""},
                              Recorded{kRun, 1, {{"one", ResultId()}}, {ResultId()}, {ObjectId()}},
                              Abort{kRun, 1},
                              End{kRun},
                              Report{kRun, 1, {}, {}, {}},
                              FetchRedrive{kRun},
                              Holding{kRun, 1, {}, {}, {}, {}}};
  for (const Message& message : messages) {
    Receive(kB, message);
    EXPECT_TRUE(actions_.empty()) << DebugString(message);
  }
  EXPECT_EQ(core_->stats().runs, 0u);
  Ask(4, {});
  const Holding holding = TheSent<Holding>();
  EXPECT_EQ(holding.redrive, 4u);
  EXPECT_TRUE(holding.attempts.empty());
}

// Overloaded is answered to a new run's first step; steps of admitted runs queue.
// promise: H-34, L-11
TEST_F(AcceptTest, AsManyRunsAreAdmittedAsToldAndTheNextIsRefused) {
  Core::Options options;
  options.max_runs = 3;
  Restart(options);
  for (int i = 0; i < 3; ++i) {
    Receive(Hand({NewStep("one")}, nullptr, {}, NamedId<RunId>(std::to_string(i))));
    EXPECT_EQ(Sent<Accepted>().size(), 1u) << i;
  }
  Receive(Hand({NewStep("one")}, nullptr, {}, NamedId<RunId>("3")));
  const Nack nack = TheSent<Nack>();
  EXPECT_EQ(nack.reason, Refusal::kOverloaded);
  EXPECT_GT(nack.retry_after, Duration::zero());
  // Others already work for this one, so it is let through.
  Receive(Hand({NewStep("two", {"read"})}, Given("read", "cat"), {}, NamedId<RunId>("3")));
  EXPECT_EQ(Sent<Accepted>().size(), 1u);
}

// promise: L-10, H-34
TEST_F(AcceptTest, AtMostMaxInFlightStepsAreAtWorkAndTheOthersQueue) {
  Core::Options options;
  options.max_in_flight = 2;
  Restart(options);
  Receive(Hand({NewStep("a0")}));
  Receive(Hand({NewStep("a1")}));
  EXPECT_TRUE(Executes("a1"));
  Receive(Hand({NewStep("a2")}));
  EXPECT_EQ(Sent<Accepted>().size(), 1u) << "its run is admitted";
  EXPECT_FALSE(Executes("a2"));
  EXPECT_EQ(core_->stats().executing, 2u);
  Receive(Hand({NewStep("b")}, nullptr, {}, NamedId<RunId>("new")));
  EXPECT_EQ(TheSent<Nack>().reason, Refusal::kOverloaded);
  Produce("a0");
  EXPECT_TRUE(Executes("a2"));
  EXPECT_EQ(core_->stats().executing, 2u);
}

// promise: T-10
TEST_F(AcceptTest, WhoDrainsTakesNoNewRunsButFinishesTheOthers) {
  Receive(Hand({NewStep("one")}));
  EXPECT_FALSE(core_->Idle());
  core_->Drain();
  Receive(Hand({NewStep("one")}, nullptr, {}, NamedId<RunId>("new")));
  EXPECT_EQ(TheSent<Nack>().reason, Refusal::kNotLeader);
  Receive(Hand({NewStep("other")}));
  EXPECT_EQ(Sent<Accepted>().size(), 1u);
  Produce("one");
  Produce("other");
  EXPECT_FALSE(core_->Idle()) << "nobody has the results yet";
  const Report report = NextReport();
  Record(report.results);
  EXPECT_TRUE(core_->Idle());
}

// promise: H-41
TEST_F(AcceptTest, TheSameEventsGiveTheSameActions) {
  const auto play = [this] {
    Restart({});
    std::vector<std::string> sent;
    const auto note = [this, &sent] {
      for (const Send& send : All<Send>()) {
        sent.push_back(send.to.ToString() + " " + DebugString(send.message));
      }
    };
    Receive(Hand({NewStep("one"), NewStep("two", {"one"}, "default/b")}));
    note();
    Produce("one");
    note();
    Receive(kB, Nack{SentTo("two").key(), 1, Refusal::kNotLeader, 0, {}, {}, ""});
    for (int i = 0; i < 20; ++i) {
      Advance(std::chrono::milliseconds(7));
      sent.push_back(std::to_string(i));
      note();
    }
    return sent;
  };
  const std::vector<std::string> once = play();
  EXPECT_EQ(once, play());
  EXPECT_GT(once.size(), 22u);
}

}  // namespace
}  // namespace fractos
