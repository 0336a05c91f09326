// Holds, Passed and Reports: who may forget what, and when.
#include <gtest/gtest.h>

#include "lib/base/limits.h"
#include "tests/unit/daemon/continuation/core_harness.h"

namespace fractos {
namespace {

using std::chrono::milliseconds;

class ForwardTest : public CoreTest {
 protected:
  static StepPtr At(const std::string& cluster, StepPath path, std::vector<StepPath> from) {
    return NewStep(std::move(path), from, "default/" + cluster);
  }
};

// A sender re-sends every 2 s. It forgets the hold on Passed, never on Accepted.
// promise: H-07, H-08, H-11
TEST_F(ForwardTest, AHandOverIsHeldUntilItIsPassed) {
  Receive(Hand({NewStep("one"), At("b", "two", {"one"})}));
  Produce("one");
  const HandOver onward = SentTo("two");
  AcceptSent(kB, "two");
  EXPECT_EQ(core_->stats().holds, 1u);
  Advance(kHoldResend);
  EXPECT_EQ(SentTo("two").key(), onward.key());
  Receive(kB, Passed{onward.key(), 1});
  EXPECT_EQ(core_->stats().holds, 0u);
  Advance(kHoldResend);
  EXPECT_TRUE(Sent<HandOver>().empty());
}

// promise: H-09
TEST_F(ForwardTest, AHoldIsForgottenOnceItsStepStandsInTheRecord) {
  Receive(Hand({NewStep("one"), At("b", "two", {"one"})}));
  Produce("one");
  const ResultPtr two = Given("two", "done", {SentTo("two").result});
  Record({two});
  EXPECT_EQ(core_->stats().holds, 0u);
  EXPECT_EQ(Sent<Passed>().size(), 1u) << "and what led to it is safe";
}

// Passed is sent when the successors on all outgoing edges have accepted in another process.
// promise: H-13, G-19
TEST_F(ForwardTest, PassedIsSentWhenAllSuccessorsHaveAcceptedElsewhere) {
  const HandOver message =
      Hand({NewStep("one", {"read"}), At("b", "two", {"one"}), At("c", "three", {"one"})},
           Given("read", "cat"));
  Receive(message);
  Produce("one");
  EXPECT_EQ(Sent<HandOver>().size(), 2u) << "one continuation to each branch";
  const EdgeKey two = SentTo("two").key(), three = SentTo("three").key();
  EXPECT_TRUE(Sent<Passed>().empty());
  Receive(kB, Accepted{two, 1});
  EXPECT_TRUE(Sent<Passed>().empty());
  Receive(kC, Accepted{three, 1});
  EXPECT_EQ(TheSent<Passed>().edge, message.key());
  EXPECT_EQ(All<Send>()[0].to, kB.address);
}

// Consecutive steps in one process pass together.
// promise: H-14
TEST_F(ForwardTest, ConsecutiveStepsInOneProcessPassTogether) {
  const HandOver message =
      Hand({NewStep("one", {"read"}), NewStep("two", {"one"}), At("b", "three", {"two"})},
           Given("read", "cat"));
  Receive(message);
  Produce("one");
  EXPECT_TRUE(Executes("two")) << "a hand-over within the process needs no message";
  EXPECT_TRUE(Sent<HandOver>().empty());
  EXPECT_TRUE(Sent<Passed>().empty());
  Produce("two");
  EXPECT_TRUE(Sent<Passed>().empty());
  AcceptSent(kB, "three");
  EXPECT_EQ(TheSent<Passed>().edge, message.key());
}

// A sink sends Passed when it is recorded.
// promise: H-15
TEST_F(ForwardTest, ASinkPassesWhenItIsRecorded) {
  const HandOver message = Hand({NewStep("one", {"read"})}, Given("read", "cat"));
  Receive(message);
  Produce("one");
  EXPECT_TRUE(Sent<Passed>().empty());
  const Report report = NextReport();
  EXPECT_TRUE(Sent<Passed>().empty());
  Record(report.results);
  EXPECT_EQ(TheSent<Passed>().edge, message.key());
}

TEST_F(ForwardTest, WhoMissedThatItPassedIsToldAgain) {
  const HandOver message =
      Hand({NewStep("one", {"read"}), At("b", "two", {"one"})}, Given("read", "cat"));
  Receive(message);
  Produce("one");
  AcceptSent(kB, "two");
  Receive(message);
  EXPECT_EQ(TheSent<Passed>().edge, message.key());
}

// promise: H-27, H-35
TEST_F(ForwardTest, ARefusedHandOverGoesToTheLeaderThatIsNamed) {
  Receive(Hand({NewStep("one"), At("b", "two", {"one"})}));
  Produce("one");
  const EdgeKey edge = SentTo("two").key();
  Receive(kB, Nack{edge, 1, Refusal::kNotLeader, 0, {"default/b", 2}, {}, ""});
  EXPECT_TRUE(Sent<HandOver>().empty()) << "not at once, lest two refuse in a circle";
  Advance(milliseconds(50));
  SentTo("two");
  EXPECT_EQ(All<Send>()[0].to, (Address{"default/b", 2}));
}

TEST_F(ForwardTest, WhatIsRefusedForGoodIsNotSentAgain) {
  for (const Refusal refusal : {Refusal::kInvalid, Refusal::kEnded}) {
    Restart({});
    Receive(Hand({NewStep("one"), At("b", "two", {"one"})}));
    Produce("one");
    Receive(kB, Nack{SentTo("two").key(), 1, refusal, 0, {}, {}, ""});
    EXPECT_EQ(core_->stats().holds, 0u);
  }
}

TEST_F(ForwardTest, AnOverloadedReceiverIsGivenTheTimeItAskedFor) {
  Receive(Hand({NewStep("one"), At("b", "two", {"one"})}));
  Produce("one");
  Receive(kB, Nack{SentTo("two").key(), 1, Refusal::kOverloaded, 0, {}, milliseconds(700), ""});
  Advance(milliseconds(699));
  EXPECT_TRUE(Sent<HandOver>().empty());
  Advance(milliseconds(1));
  EXPECT_EQ(Sent<HandOver>().size(), 1u);
}

// promise: H-12
TEST_F(ForwardTest, ANewLeaderOfTheReceiverGetsItAtOnce) {
  Receive(Hand({NewStep("one"), At("b", "two", {"one"})}));
  Produce("one");
  AcceptSent(kB, "two");
  LinkUp(Replica("default/b", 1), 2);
  Advance(Duration::zero());
  SentTo("two");
  EXPECT_EQ(All<Send>()[0].to, (Address{"default/b", 1}));
}

// "A step with successors is Reported once they have Accepted"; sinks "at once".
// promise: H-16
TEST_F(ForwardTest, AStepWithSuccessorsIsReportedOnceTheyHaveAccepted) {
  Receive(Hand({NewStep("one"), At("b", "two", {"one"})}));
  Produce("one");
  const EdgeKey edge = SentTo("two").key();
  Advance(milliseconds(100));
  EXPECT_TRUE(Sent<Report>().empty());
  Receive(kB, Accepted{edge, 1});
  EXPECT_TRUE(Sent<Report>().empty());
  Advance(milliseconds(49));
  EXPECT_TRUE(Sent<Report>().empty()) << "in batches, off the path";
  Advance(milliseconds(1));
  EXPECT_EQ(TheSent<Report>().results.size(), 1u);
}

// promise: H-16
TEST_F(ForwardTest, ASinkIsReportedAsSoonAsItIsCommitted) {
  Receive(Hand({NewStep("one")}));
  Produce("one", "the output");
  EXPECT_EQ(core_->NextTick(), now_);
  Advance(Duration::zero());
  const ResultPtr result = ResultOf(TheSent<Report>(), "one");
  ASSERT_TRUE(result->value.IsInline()) << "small outputs are shown without being asked for";
  EXPECT_EQ(*result->value.inline_bytes, "the output");
}

// promise: H-16
TEST_F(ForwardTest, SeveralResultsTravelInOneReport) {
  for (const char* step : {"one", "two", "three"}) Receive(Hand({NewStep(step)}));
  for (const char* step : {"one", "two", "three"}) Produce(step);
  Advance(Duration::zero());
  EXPECT_EQ(TheSent<Report>().results.size(), 3u);
}

// promise: H-17, L-05
TEST_F(ForwardTest, MoreThanAMessageMayHaveTravelsInSeveralReports) {
  std::vector<ResultPtr> ancestors;
  for (int i = 0; i < 100; ++i) {
    const std::string path = "refined" + std::to_string(i);
    ancestors.push_back(NewResult(kRun, *NewStep(path), {},
                                  InlineValue(std::string(kMaxInlineValueBytes, 'x'), kB),
                                  ResultState::kRefined));
  }
  Receive(Hand({NewStep("one", {"read"})}, Given("read", "cat"), ancestors));
  Produce("one");
  Advance(Duration::zero());
  size_t results = 0;
  for (const Report& report : Sent<Report>()) {
    results += report.results.size();
    EXPECT_LT(report.results.size() * kMaxInlineValueBytes, kMaxMessageBytes);
  }
  EXPECT_EQ(results, ancestors.size() + 2);
  EXPECT_GT(Sent<Report>().size(), 1u);
}

// Each report is kept until it is answered Recorded.
// promise: H-17
TEST_F(ForwardTest, AReportIsRepeatedUntilItIsAnswered) {
  Receive(Hand({NewStep("one")}));
  Produce("one");
  const Report report = NextReport();
  for (int i = 0; i < 3; ++i) {
    Advance(kHoldResend);
    EXPECT_EQ(TheSent<Report>().results.front()->id, report.results.front()->id);
  }
  Record(report.results);
  Advance(kHoldResend);
  EXPECT_TRUE(Sent<Report>().empty());
}

// A Report that the driver refuses is Nacked and dropped.
// promise: H-18
TEST_F(ForwardTest, WhatTheDriverRefusesIsNeitherReportedNorHandedOnAgain) {
  std::shared_ptr<Step> effect = NewStep("put", {"one"}, "default/b");
  effect->waits_for_record = true;
  Receive(Hand({NewStep("one"), At("c", "two", {"one"}), effect}));
  Produce("one");
  const Report report = NextReport();
  Receive(kDriver, Recorded{kRun, 1, {}, {report.results.front()->id}, {}});
  EXPECT_EQ(core_->stats().holds, 0u);
  Advance(kHoldResend);
  EXPECT_TRUE(Sent<Report>().empty());
  EXPECT_TRUE(Sent<HandOver>().empty());
}

// A Report carries the ancestors of its results.
// promise: R-03
TEST_F(ForwardTest, AReportCarriesTheAncestorsThatAreNotRecordedYet) {
  const ResultPtr source = Given("source", "s");
  const ResultPtr read = Given("read", "cat", {source});
  Receive(Hand({NewStep("one", {"read"})}, read, {source}));
  Record({source});
  Produce("one");
  std::vector<StepPath> paths;
  for (const ResultPtr& result : NextReport().results) paths.push_back(result->path);
  EXPECT_EQ(paths, (std::vector<StepPath>{"read", "one"})) << "ancestors first";
}

// Into a step that waits for the record the Report replaces the HandOver.
// promise: H-33, H-32
TEST_F(ForwardTest, NobodyButTheDriverHandsOverToAStepThatWaitsForTheRecord) {
  std::shared_ptr<Step> put = NewStep("put", {"one"}, "default/b");
  put->effect = Effect::kIdempotent;
  put->waits_for_record = true;
  const HandOver message = Hand({NewStep("one", {"read"}), put}, Given("read", "cat"));
  Receive(message);
  ProduceLarge("one");
  EXPECT_TRUE(Sent<HandOver>().empty());
  Advance(Duration::zero());
  const Report report = TheSent<Report>();
  EXPECT_EQ(ResultOf(report, "one")->value.owner, kSelf) << "its bytes stay for the consumer";
  EXPECT_TRUE(Sent<Passed>().empty());
  Record(report.results);
  EXPECT_EQ(TheSent<Passed>().edge, message.key());
}

// promise: R-14
TEST_F(ForwardTest, InCentralizedModeTheDriverHandsOverEverything) {
  mode_ = Mode::kCentralized;
  Receive(Hand({NewStep("one"), At("b", "two", {"one"})}));
  Produce("one");
  EXPECT_TRUE(Sent<HandOver>().empty());
  Advance(Duration::zero());
  EXPECT_EQ(TheSent<Report>().results.size(), 1u);
}

// promise: R-08
TEST_F(ForwardTest, AnExecutingStepKeepsItsRunAlive) {
  Receive(Hand({NewStep("one")}));
  for (int i = 0; i < 3; ++i) {
    Advance(std::chrono::seconds(1));
    const Report alive = TheSent<Report>();
    EXPECT_TRUE(alive.results.empty());
    EXPECT_EQ(alive.executing, std::vector<StepPath>{"one"});
  }
  Produce("one");
  Record(NextReport().results);
  Advance(std::chrono::seconds(5));
  EXPECT_TRUE(Sent<Report>().empty());
}

}  // namespace
}  // namespace fractos
