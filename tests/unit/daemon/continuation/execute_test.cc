// From an accepted attempt to a committed result: inputs, retries, values, refinements, effects.
#include <gtest/gtest.h>

#include "lib/base/limits.h"
#include "tests/unit/daemon/continuation/core_harness.h"

namespace fractos {
namespace {

using std::chrono::milliseconds;

class ExecuteTest : public CoreTest {
 protected:
  // one -> two at another cluster, which shows what became of one.
  void Start(const std::shared_ptr<Step>& one, ResultPtr result = nullptr) {
    Receive(Hand({one, NewStep("two", {"one"}, "default/b")}, std::move(result)));
  }
};

// "No half-done output is ever visible": the commit comes before anybody hears of the value.
// promise: M-01, H-05
TEST_F(ExecuteTest, AValueIsCommittedBeforeItIsHandedOn) {
  Start(NewStep("one"));
  Produce("one", "bytes");
  const Value value = InlineValue("bytes", kSelf);
  ASSERT_EQ(All<Commit>().size(), 1u);
  EXPECT_EQ(All<Commit>()[0].object, value.object);
  bool committed = false;
  for (const Action& action : actions_) {
    committed = committed || std::holds_alternative<Commit>(action);
    if (std::holds_alternative<Send>(action)) {
      EXPECT_TRUE(committed);
    }
  }
  const StepResult& result = *SentTo("two").result;
  EXPECT_EQ(result.id, ComputeResultId(started_.at("one"), "Succeeded", value.digest));
  EXPECT_EQ(result.executor, kSelf);
  EXPECT_EQ(result.attempts, 1u);
}

// promise: S-01, S-06
TEST_F(ExecuteTest, OfATracedRunAStepSaysWhatItGaveAndOnWhat) {
  const ResultPtr read = Given("read", "in");
  HandOver hand = Hand({NewStep("one", {"read"}), NewStep("two", {"one"}, "default/b")}, read);
  auto continuation = std::make_shared<Continuation>(*hand.continuation);
  continuation->traceparent = "whatever it is";
  hand.continuation = continuation;
  Receive(hand);
  Produce("one");
  ASSERT_EQ(All<Traced>().size(), 1u);
  const Traced traced = All<Traced>()[0];
  EXPECT_EQ(traced.step->path, "one");
  EXPECT_EQ(traced.result->id, SentTo("two").result->id);
  EXPECT_EQ(traced.predecessors, std::vector<ResultId>{read->id});
  EXPECT_EQ(traced.continuation->traceparent, "whatever it is");
  EXPECT_EQ(SentTo("two").continuation->traceparent, "whatever it is");

  Restart({});
  Start(NewStep("one"));
  Produce("one");
  EXPECT_TRUE(All<Traced>().empty()) << "nobody traces this one";
}

// promise: M-11
TEST_F(ExecuteTest, ALargeInputIsFetchedBeforeTheStepStarts) {
  const ResultPtr large = GivenLarge("read", "many bytes");
  Start(NewStep("one", {"read"}), large);
  ASSERT_EQ(All<Fetch>().size(), 1u);
  EXPECT_EQ(All<Fetch>()[0].run, kRun);
  EXPECT_FALSE(Executes("one"));
  Fetched(large);
  EXPECT_TRUE(Executes("one"));
  Produce("one");
  EXPECT_EQ(SentTo("two").result->transfer.bytes, large->value.size);
  EXPECT_EQ(SentTo("two").result->transfer.hops, 1u);
}

// An input declared passed is not fetched: the device answers by its name, and the value keeps its
// digest and its owner.
// promise: M-09
TEST_F(ExecuteTest, APassedInputIsNotFetchedAndKeepsItsOwner) {
  const ResultPtr large = GivenLarge("read", "many bytes");
  std::shared_ptr<Step> one = NewStep("one");
  one->inputs = {{"data", "read", /*passed=*/true}};
  Start(one, large);
  EXPECT_TRUE(All<Fetch>().empty());
  ASSERT_TRUE(Executes("one"));
  EXPECT_TRUE(All<Execute>()[0].inputs[0].passed);
  Executed("one", {Outcome::PassedInput{"data"}});
  EXPECT_TRUE(All<Commit>().empty()) << "it is somebody else's";
  const StepResult& result = *SentTo("two").result;
  EXPECT_EQ(result.value, large->value);
  EXPECT_EQ(result.transfer.bytes, 0u);
}

TEST_F(ExecuteTest, APassedInputIsFetchedWhenItsConditionLooksAtIt) {
  std::shared_ptr<Step> one = NewStep("one");
  one->inputs = {{"data", "read", /*passed=*/true}};
  one->when = WhenSpec{"data", Comparison::kEquals, "cat"};
  Start(one, GivenLarge("read", "many bytes"));
  EXPECT_EQ(All<Fetch>().size(), 1u);
}

TEST_F(ExecuteTest, AnAnswerThatPassesAnInputThereIsNotFails) {
  Start(NewStep("one", {"read"}), Given("read", "cat"));
  Executed("one", {Outcome::PassedInput{"nonsense"}});
  EXPECT_EQ(SentTo("two").result->state, ResultState::kFailed);
  EXPECT_EQ(SentTo("two").result->failure.reason, "UnknownInput");
}

// promise: G-06
TEST_F(ExecuteTest, AConditionThatDoesNotHoldSkipsTheStep) {
  Start(NewStep("one"));
  Executed("one", {Outcome::Skipped{"cat is not dog"}});
  EXPECT_EQ(SentTo("two").result->state, ResultState::kSkipped);
  EXPECT_EQ(SentTo("two").result->failure.reason, "WhenNotMet");
}

// promise: G-07, A-18
TEST_F(ExecuteTest, ARetryableFailureIsRetriedAsOftenAsToldUnderTheSameKey) {
  std::shared_ptr<Step> one = NewStep("one");
  one->retry = {2, milliseconds(50)};
  Start(one);
  const AttemptKey key = started_.at("one");
  Duration longest = milliseconds(50);
  for (int retry = 0; retry < 2; ++retry) {
    Fail("one", /*retryable=*/true);
    EXPECT_FALSE(Executes("one"));
    Advance(longest / 2 - milliseconds(1));
    EXPECT_FALSE(Executes("one")) << "it waits at least half of its back-off";
    Advance(longest / 2 + milliseconds(1));
    EXPECT_TRUE(Executes("one"));
    EXPECT_EQ(started_.at("one"), key);
    longest *= 2;
  }
  Fail("one", /*retryable=*/true);
  const StepResult& result = *SentTo("two").result;
  EXPECT_EQ(result.state, ResultState::kFailed);
  EXPECT_EQ(result.failure, (Failure{"Broken", "it broke"}));
  EXPECT_EQ(result.attempts, 3u);
}

// promise: G-07
TEST_F(ExecuteTest, AFailureThatWillNotPassIsNotRetried) {
  std::shared_ptr<Step> one = NewStep("one");
  one->retry = {5, milliseconds(50)};
  Start(one);
  Fail("one", /*retryable=*/false);
  EXPECT_EQ(SentTo("two").result->state, ResultState::kFailed);
  EXPECT_EQ(SentTo("two").result->attempts, 1u);
}

TEST_F(ExecuteTest, AStepThatWaitsToBeRetriedGivesItsPlaceToOthers) {
  Core::Options options;
  options.max_in_flight = 1;
  Restart(options);
  std::shared_ptr<Step> one = NewStep("one");
  one->retry.limit = 1;
  Receive(Hand({one}));
  Receive(Hand({NewStep("other")}));
  EXPECT_FALSE(Executes("other"));
  Fail("one", /*retryable=*/true);
  EXPECT_TRUE(Executes("other"));
}

// "Report.lost": the driver learns that the only copy of a needed value is gone.
// promise: M-13
TEST_F(ExecuteTest, AValueThatNobodyHasIsReportedLostAndTriedAgain) {
  for (const absl::Status& gone : {absl::NotFoundError("gone"), absl::UnavailableError("dead")}) {
    Restart({});
    const ResultPtr large = GivenLarge("read", "many bytes");
    Start(NewStep("one", {"read"}), large);
    Fetched(large, gone);
    EXPECT_TRUE(Sent<HandOver>().empty()) << "the step has not failed";
    Advance(Duration::zero());
    EXPECT_EQ(TheSent<Report>().lost, std::vector<ObjectId>{large->value.object});
    Advance(milliseconds(500));
    EXPECT_EQ(All<Fetch>().size(), 1u);
    Fetched(large);
    EXPECT_TRUE(Executes("one"));
  }
}

// promise: M-16
TEST_F(ExecuteTest, AFetchThatFailsOtherwiseFailsTheStep) {
  const ResultPtr large = GivenLarge("read", "many bytes");
  Start(NewStep("one", {"read"}), large);
  Fetched(large, absl::OutOfRangeError("larger than all of Memory"));
  const StepResult& result = *SentTo("two").result;
  EXPECT_EQ(result.state, ResultState::kFailed);
  EXPECT_EQ(result.failure.reason, "FetchFailed");
  EXPECT_NE(result.failure.message.find("default/b-0"), std::string::npos);
  EXPECT_EQ(core_->stats().executing, 0u);
}

// promise: M-15
TEST_F(ExecuteTest, WhatWasFetchedIsReleasedOnceItHasBeenRead) {
  const ResultPtr large = GivenLarge("read", "many bytes");
  Start(NewStep("one", {"read"}), large);
  Fetched(large);
  Receive(Hand({NewStep("late", {"read", "other"})}, large));
  Produce("one");
  EXPECT_TRUE(All<Release>().empty()) << "another step waits for its other input";
  Receive(Hand({NewStep("late", {"read", "other"})}, Given("other", "o")));
  ASSERT_TRUE(Executes("late"));
  Produce("late");
  ASSERT_EQ(All<Release>().size(), 1u);
  EXPECT_EQ(All<Release>()[0].object, large->value.object);
  // And comes again when it is needed after all.
  Receive(Hand({NewStep("again", {"read"})}, large));
  EXPECT_EQ(All<Fetch>().size(), 1u);
}

// promise: M-15
TEST_F(ExecuteTest, WhatTheNextStepHereReadsTooIsNotFetchedTwice) {
  const ResultPtr large = GivenLarge("read", "many bytes");
  std::shared_ptr<Step> one = NewStep("one");
  one->inputs = {{"data", "read", /*passed=*/false}};
  Receive(Hand({one, NewStep("two", {"one"})}, large));
  Fetched(large);
  Executed("one", {Outcome::PassedInput{"data"}});
  EXPECT_TRUE(All<Release>().empty());
  EXPECT_TRUE(All<Fetch>().empty());
  ASSERT_TRUE(Executes("two"));
  Produce("two");
  EXPECT_EQ(All<Release>().size(), 1u);
}

// promise: M-15
TEST_F(ExecuteTest, AFetchThatFindsNoRoomIsTriedAgain) {
  Core::Options options;
  options.max_in_flight = 1;
  Restart(options);
  const ResultPtr large = GivenLarge("read", "many bytes");
  Start(NewStep("one", {"read"}), large);
  Receive(Hand({NewStep("other", {"read"})}, Given("read", "few")));
  EXPECT_FALSE(Executes("other"));
  Fetched(large, absl::ResourceExhaustedError("full"));
  EXPECT_TRUE(Executes("other")) << "it may be what makes room";
  EXPECT_TRUE(Sent<HandOver>().empty()) << "the step has not failed";
  Produce("other");
  Advance(Duration::zero());
  for (const Report& report : Sent<Report>()) EXPECT_TRUE(report.lost.empty());
  Advance(milliseconds(500));
  EXPECT_EQ(All<Fetch>().size(), 1u);
  Fetched(large);
  EXPECT_TRUE(Executes("one"));
}

TEST_F(ExecuteTest, AnswersThatNobodyWaitsForAreReleased) {
  Begin();
  core_->Executed(now_, {kRun, "one", Lineage()}, {Outcome::Produced{InlineValue("x", kSelf)}},
                  &actions_);
  EXPECT_EQ(All<Release>().size(), 1u);
  EXPECT_TRUE(All<Commit>().empty());
  Fetched(GivenLarge("read", "many bytes"));
  EXPECT_EQ(All<Release>().size(), 1u);
}

// Commit is one pointer swap, and only if nothing is committed under the attempt key.
// promise: H-31
TEST_F(ExecuteTest, NothingIsCommittedTwice) {
  Start(NewStep("one"));
  Produce("one", "bytes");
  Produce("one", "other bytes");
  EXPECT_TRUE(All<Commit>().empty());
  EXPECT_TRUE(Sent<HandOver>().empty());
  EXPECT_EQ(All<Release>().size(), 1u);
}

// Epochs fence effects: whoever leads now executes it, under the same idempotency key.
// promise: H-30
TEST_F(ExecuteTest, AnEffectCommitsOnlyUnderTheEpochItWasAcceptedUnder) {
  std::shared_ptr<Step> put = NewStep("one");
  put->effect = Effect::kIdempotent;
  Start(put);
  const AttemptKey key = started_.at("one");
  Follow(kOther.address, 2);
  Produce("one");
  EXPECT_TRUE(All<Commit>().empty());
  EXPECT_TRUE(Sent<HandOver>().empty());
  EXPECT_EQ(All<Release>().size(), 1u) << "what it staged is of no use";
  Lead(3);
  Start(put);
  ASSERT_TRUE(Executes("one"));
  EXPECT_EQ(started_.at("one"), key);
  Produce("one");
  EXPECT_EQ(All<Commit>().size(), 1u);
  EXPECT_EQ(SentTo("two").sender_epoch, 3u);
}

// promise: H-30
TEST_F(ExecuteTest, AnEffectOfALaterLeadershipOfTheSameDaemonIsFencedToo) {
  std::shared_ptr<Step> put = NewStep("one");
  put->effect = Effect::kIdempotent;
  Start(put);
  Follow(kOther.address, 2);
  Lead(3);
  Produce("one");
  EXPECT_TRUE(All<Commit>().empty()) << "another leader may have executed it in between";
}

// An accepted none step's result commits and travels at any epoch.
// promise: H-29
TEST_F(ExecuteTest, WithoutEffectAnAcceptedStepIsFinishedAfterSteppingDown) {
  Start(NewStep("one"));
  Follow(kOther.address, 2);
  Produce("one");
  EXPECT_EQ(All<Commit>().size(), 1u);
  EXPECT_EQ(SentTo("two").sender_epoch, 1u);
}

}  // namespace
}  // namespace fractos
