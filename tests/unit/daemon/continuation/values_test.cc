// Which bytes are fetched, kept and let go, and what a result says of its making.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "lib/base/limits.h"
#include "tests/unit/daemon/continuation/core_harness.h"

namespace fractos {
namespace {

using std::chrono::milliseconds;

class ValuesTest : public CoreTest {
 protected:
  // Reads `data`, and comes after `first` without reading it.
  static StepPtr Late(const StepPath& data, const StepPath& first) {
    std::shared_ptr<Step> late = NewStep("late", {data});
    late->after = {first};
    return late;
  }
  std::vector<ObjectId> Released() const {
    std::vector<ObjectId> objects;
    for (const Release& release : All<Release>()) objects.push_back(release.object);
    return objects;
  }
  const ResultPtr large_ = GivenLarge("read", "many bytes");
};

// promise: M-06
TEST_F(ValuesTest, WhatWasMadeHereIsNotFetched) {
  Receive(Hand({NewStep("one"), NewStep("two", {"one"})}));
  ProduceLarge("one");
  EXPECT_TRUE(All<Fetch>().empty());
  EXPECT_TRUE(Executes("two"));
}

// promise: M-10
TEST_F(ValuesTest, WhatWasMadeHereAndReleasedIsNotTakenForHere) {
  std::shared_ptr<Step> one = NewStep("one");
  Receive(Hand({one, NewStep("two", {"one"}, "default/b")}));
  ProduceLarge("one");
  const ResultPtr result = SentTo("two").result;
  Receive(kDriver, Recorded{kRun, 1, {}, {}, {result->value.object}});
  Receive(Hand({NewStep("again", {"one"})}, result));
  EXPECT_FALSE(Executes("again"));
  EXPECT_EQ(All<Fetch>().size(), 1u) << "which will say that it is gone";
}

// promise: M-09
TEST_F(ValuesTest, APassedInputIsNotFetchedForAConditionOnAnother) {
  std::shared_ptr<Step> one = NewStep("one");
  one->inputs = {{"data", "read", /*passed=*/true}};
  one->when = WhenSpec{"label", Comparison::kEquals, "cat"};
  Receive(Hand({one}, large_));
  EXPECT_TRUE(All<Fetch>().empty());
  EXPECT_TRUE(Executes("one"));
}

// promise: G-05, M-11
TEST_F(ValuesTest, WhatOnlyOrdersIsNotFetched) {
  Receive(Hand({Late("data", "read")}, large_));
  EXPECT_TRUE(All<Fetch>().empty());
}

// promise: M-15
TEST_F(ValuesTest, WhatIsReadIsReleasedWhateverElseWaits) {
  const ResultPtr other = GivenLarge("other", "other bytes");
  Receive(Hand({NewStep("one", {"read"})}, large_));
  Fetched(large_);
  Receive(Hand({Late("data", "read")}, large_));
  Receive(Hand({NewStep("join", {"small", "else"})}, Given("small", "s")));
  Receive(Hand({NewStep("reader", {"other"})}, other));
  Fetched(other);
  ASSERT_TRUE(Executes("reader"));
  Produce("one");
  ASSERT_EQ(All<Release>().size(), 1u) << "late comes after it, join and reader read others";
  EXPECT_EQ(All<Release>()[0].object, large_->value.object);
}

TEST_F(ValuesTest, AFetchThatFailsIsNoMatterOfThoseThatWaitForAnother) {
  const ResultPtr other = GivenLarge("other", "other bytes");
  Receive(Hand({NewStep("one", {"read"})}, large_));
  Receive(Hand({NewStep("two", {"other"})}, other));
  Fetched(large_, absl::DeadlineExceededError("too slow"));
  EXPECT_EQ(ResultOf(NextReport(), "one")->state, ResultState::kFailed);
  Fetched(other);
  EXPECT_TRUE(Executes("two"));
}

// promise: M-13
TEST_F(ValuesTest, WhatIsLostIsReportedOnceAndFetchedOnceAtATime) {
  Receive(Hand({NewStep("one", {"read"})}, large_));
  Receive(Hand({NewStep("two", {"read"})}, large_));
  Fetched(large_, absl::NotFoundError("gone"));
  EXPECT_EQ(core_->NextTick(), now_) << "the driver is told at once";
  Advance(Duration::zero());
  EXPECT_EQ(TheSent<Report>().lost.size(), 1u);
  EXPECT_EQ(core_->NextTick(), now_ + milliseconds(500));
  Receive(Hand({NewStep("other")}));
  Produce("other");
  Advance(Duration::zero());
  EXPECT_TRUE(TheSent<Report>().lost.empty());
  Advance(milliseconds(499));
  EXPECT_TRUE(All<Fetch>().empty());
  Advance(milliseconds(1));
  EXPECT_EQ(All<Fetch>().size(), 1u) << "for both";
}

// promise: M-15
TEST_F(ValuesTest, WhatComesWhenItsReaderIsSkippedAlreadyIsReleased) {
  Receive(Hand({NewStep("join", {"read", "bad"})}, large_));
  Receive(Hand({NewStep("join", {"read", "bad"})}, GivenNothing("bad", ResultState::kFailed)));
  Fetched(large_);
  EXPECT_EQ(Released(), std::vector<ObjectId>{large_->value.object});
}

// promise: M-15
TEST_F(ValuesTest, WhatComesWhileItsReaderWaitsForOthersIsKept) {
  Receive(Hand({NewStep("join", {"read", "else"})}, large_));
  Fetched(large_);
  EXPECT_TRUE(Released().empty());
  Receive(Hand({NewStep("join", {"read", "else"})}, Given("else", "e")));
  EXPECT_TRUE(All<Fetch>().empty());
  EXPECT_TRUE(Executes("join"));
}

// Of what a re-drive or an abort drops nothing is left to be read, whether it executed or waited.
// promise: M-15
TEST_F(ValuesTest, WhatADroppedStepWasToReadIsReleased) {
  const ResultPtr other = GivenLarge("other", "other bytes");
  const ResultPtr late = GivenLarge("late", "late bytes");
  const auto begin = [&] {
    Restart({});
    Receive(Hand({NewStep("one", {"read"})}, large_));
    Fetched(large_);
    ASSERT_TRUE(Executes("one"));
    Receive(Hand({NewStep("join", {"other", "else"})}, other));
    Fetched(other);
    Receive(Hand({NewStep("second", {"late", "else"})}, late));
  };
  const auto dropped = ::testing::UnorderedElementsAre(large_->value.object, other->value.object);

  begin();
  Ask(2, {Given("read", "x"), Given("other", "y"), Given("late", "z")});
  EXPECT_THAT(Released(), dropped) << "other results stand in the record";
  Fetched(late);
  EXPECT_EQ(Released(), std::vector<ObjectId>{late->value.object});

  begin();
  Receive(kDriver, Abort{kRun, 2});
  EXPECT_THAT(Released(), dropped);
  Fetched(late);
  EXPECT_EQ(Released(), std::vector<ObjectId>{late->value.object});

  begin();
  Ask(2, {large_, other});
  EXPECT_TRUE(Released().empty()) << "all of it goes on";
}

// promise: M-15
TEST_F(ValuesTest, AStepThatFoundNoRoomWakesByItself) {
  Receive(Hand({NewStep("one", {"read"})}, large_));
  Fetched(large_, absl::ResourceExhaustedError("full"));
  Advance(milliseconds(1));
  EXPECT_TRUE(actions_.empty());
  EXPECT_EQ(core_->NextTick(), now_ + milliseconds(499));
}

// promise: M-24
TEST_F(ValuesTest, WhatIsOnItsWayWhenItsRunEndsNeedNotCome) {
  const ResultPtr lost = GivenLarge("lost", "lost bytes");
  Receive(Hand({NewStep("one", {"read"})}, large_));
  Receive(Hand({NewStep("two", {"lost"})}, lost));
  Fetched(lost, absl::NotFoundError("gone"));
  Receive(kDriver, End{kRun});
  EXPECT_EQ(Released(), std::vector<ObjectId>{large_->value.object});
  Fetched(large_, absl::CancelledError("not needed any more"));
  EXPECT_TRUE(actions_.empty());
}

// promise: M-15, M-24
TEST_F(ValuesTest, PastTheDeadlineNothingIsFetchedOrKeptForReading) {
  const ResultPtr here = GivenLarge("here", "other bytes");
  Receive(Hand({NewStep("one", {"read"})}, large_));
  Receive(Hand({NewStep("two", {"here"})}, here));
  Fetched(here);
  Receive(Hand({NewStep("made")}));
  ProduceLarge("made");
  Advance(std::chrono::seconds(60));
  EXPECT_THAT(Released(), ::testing::UnorderedElementsAre(large_->value.object, here->value.object))
      << "what was made here stays";
  Fetched(large_, absl::CancelledError("not needed any more"));
  EXPECT_TRUE(actions_.empty());
}

// promise: H-05
TEST_F(ValuesTest, AFailuresIdIsThatOfItsReason) {
  Receive(Hand({NewStep("one")}));
  Fail("one", /*retryable=*/false);
  const ResultPtr failed = ResultOf(NextReport(), "one");
  EXPECT_EQ(failed->id, ComputeResultId(started_.at("one"), "Failed", Digest::Of("Broken")));
}

TEST_F(ValuesTest, AResultHasTheLineageOfItsAttempt) {
  const ResultPtr read = Given("read", "cat");
  Receive(Hand({NewStep("one", {"read"})}, read));
  Produce("one");
  EXPECT_EQ(ResultOf(NextReport(), "one")->lineage, ComputeLineage({read->id}));
}

// promise: C-05
TEST_F(ValuesTest, AResultTellsWhenEachOfItsStatesBegan) {
  const int64_t start =
      std::chrono::duration_cast<std::chrono::microseconds>(now_.time_since_epoch()).count();
  Core::Options options;
  options.wall_offset_us = 5;
  Restart(options);
  Receive(Hand({NewStep("one", {"read"}), NewStep("two", {"one"}, "default/b")}, large_));
  Advance(milliseconds(1));
  Fetched(large_);
  Advance(milliseconds(1));
  Produce("one");
  const int64_t received = start + 5;
  EXPECT_EQ(SentTo("two").result->timing,
            (Timing{received, received + 1000, received + 2000, received + 2000}));
}

// promise: R-18
TEST_F(ValuesTest, AResultCountsWhatItTookBetweenProcesses) {
  const HandOver message = Hand({NewStep("one", {"read"}), NewStep("two", {"one"})}, large_);
  Receive(message);
  Receive(message);
  Fetched(large_);
  Produce("one");
  Produce("two");
  const Report report = NextReport();
  EXPECT_EQ(ResultOf(report, "one")->transfer, (Transfer{1, 2, large_->value.size}));
  EXPECT_EQ(ResultOf(report, "two")->transfer, Transfer()) << "it never left the process";
}

// promise: H-35, G-07
TEST_F(ValuesTest, RetriesAreSpreadOverTheLaterHalfOfTheirBackOff) {
  Duration shortest = milliseconds(100), longest = milliseconds(0);
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    Core::Options options;
    options.seed = seed;
    Restart(options);
    std::shared_ptr<Step> one = NewStep("one");
    one->retry = {1, milliseconds(100)};
    Receive(Hand({one}, nullptr, {}, NamedId<RunId>(std::to_string(seed))));
    Fail("one", /*retryable=*/true);
    const Duration wait = *core_->NextTick() - now_;
    shortest = std::min(shortest, wait);
    longest = std::max(longest, wait);
  }
  EXPECT_GE(shortest, milliseconds(50));
  EXPECT_LT(shortest, milliseconds(60));
  EXPECT_GT(longest, milliseconds(90));
  EXPECT_LE(longest, milliseconds(100));
}

}  // namespace
}  // namespace fractos
