#include "lib/protocol/hold_table.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "lib/base/limits.h"
#include "tests/unit/lib/protocol/builders.h"

namespace fractos {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const std::string kCluster = "default/b";
const RunId kRun = NamedId<RunId>("run");

class HoldTableTest : public ::testing::Test {
 protected:
  HoldTableTest() { book_.Learn({kCluster, {"unix:/0", "unix:/1", "unix:/2"}, 0, 1}); }

  // Holds a hand-over to step `path` and returns its key.
  EdgeKey Add(const StepPath& path = "step", const RunId& run = kRun,
              Duration deadline = seconds(60)) {
    auto continuation = std::make_shared<Continuation>();
    continuation->run = run;
    continuation->steps = {NewStep(path, {}, kCluster)};
    HandOver message;
    message.continuation = std::move(continuation);
    const EdgeKey key = message.key();
    table_.Add(now_, std::move(message), now_ + deadline, &sends_);
    return key;
  }
  // What is sent when `by` has passed.
  size_t After(Duration by) {
    sends_.clear();
    now_ += std::chrono::duration_cast<Time::duration>(by);
    table_.Tick(now_, &sends_);
    return sends_.size();
  }

  Time now_ = Time(seconds(100));
  LeaderBook book_;
  SeededRandom random_{1};
  HoldTable table_{&book_, &random_};
  HoldTable::Sends sends_;
};

TEST_F(HoldTableTest, SendsAtOnceToTheLeader) {
  Add();
  ASSERT_EQ(sends_.size(), 1u);
  EXPECT_EQ(sends_[0].to, (Address{kCluster, 0}));
  EXPECT_EQ(std::get<HandOver>(sends_[0].message).remaining, seconds(60));
}

// promise: H-11, H-07
TEST_F(HoldTableTest, SendsAgainEveryTwoSecondsEvenWhenAccepted) {
  const EdgeKey key = Add();
  EXPECT_EQ(After(kHoldResend - milliseconds(1)), 0u);
  EXPECT_EQ(After(milliseconds(1)), 1u);
  EXPECT_TRUE(table_.OnAccepted(Replica(kCluster), key));
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(table_.NextTick(), now_ + kHoldResend);
    EXPECT_EQ(After(kHoldResend - milliseconds(1)), 0u);
    EXPECT_EQ(After(milliseconds(1)), 1u);
  }
  EXPECT_EQ(table_.size(), 1u) << "never forgotten on Accepted";
  table_.Erase(key);
  EXPECT_EQ(After(kHoldResend), 0u);
  EXPECT_EQ(table_.NextTick(), std::nullopt);
}

TEST_F(HoldTableTest, TellsHowMuchTimeRemains) {
  Add();
  ASSERT_EQ(After(kHoldResend), 1u);
  EXPECT_EQ(std::get<HandOver>(sends_[0].message).remaining, seconds(58));
}

// promise: H-35
TEST_F(HoldTableTest, SendsNothingFromTheDeadlineOn) {
  Add("step", kRun, seconds(3));
  EXPECT_EQ(After(seconds(2)), 1u);
  EXPECT_EQ(After(seconds(2)), 0u);
  EXPECT_EQ(After(seconds(60)), 0u);
  Add("another", kRun, kHoldResend);
  EXPECT_EQ(After(kHoldResend), 0u) << "nor at it";
}

// promise: H-35
TEST_F(HoldTableTest, BacksOffFrom50MillisecondsDoublingTo250WithFullJitter) {
  const Duration bounds[] = {milliseconds(50),  milliseconds(100), milliseconds(200),
                             milliseconds(250), milliseconds(250), milliseconds(250)};
  Duration longest[6] = {};
  for (uint64_t seed = 0; seed < 300; ++seed) {
    SeededRandom random(seed);
    HoldTable table(&book_, &random);
    std::swap(table_, table);
    const EdgeKey key = Add();
    for (int i = 0; i < 6; ++i) {
      table_.Retry(now_, key, Duration::zero());
      const Duration wait = *table_.NextTick() - now_;
      EXPECT_GE(wait, Duration::zero());
      EXPECT_LE(wait, bounds[i]);
      longest[i] = std::max(longest[i], wait);
      EXPECT_EQ(After(wait), 1u);
    }
    std::swap(table_, table);
  }
  for (int i = 0; i < 6; ++i) EXPECT_GT(longest[i], bounds[i] * 9 / 10) << "full jitter, try " << i;
}

TEST_F(HoldTableTest, WaitsAtLeastAsLongAsAskedTo) {
  const EdgeKey key = Add();
  table_.OnAccepted(Replica(kCluster), key);
  table_.Retry(now_, key, seconds(1));
  EXPECT_EQ(table_.NextTick(), now_ + seconds(1));
  EXPECT_FALSE(table_.Find(key)->accepted) << "it was refused";
  table_.Retry(now_, key, seconds(5));
  EXPECT_EQ(table_.NextTick(), now_ + seconds(5)) << "not when it would have been sent otherwise";
}

TEST_F(HoldTableTest, CountsWhatItSendsAgain) {
  Add("one");
  Add("two");
  EXPECT_EQ(table_.Tick(now_, &sends_), 0u);
  EXPECT_EQ(table_.Tick(now_ + kHoldResend, &sends_), 2u);
}

TEST_F(HoldTableTest, AcceptedStartsTheBackOffAfresh) {
  const EdgeKey key = Add();
  for (int i = 0; i < 8; ++i) table_.Retry(now_, key, Duration::zero());
  table_.OnAccepted(Replica(kCluster), key);
  table_.Retry(now_, key, Duration::zero());
  EXPECT_LE(*table_.NextTick() - now_, milliseconds(50));
}

// promise: H-12
TEST_F(HoldTableTest, SendsAgainToTheNextReplicaWhenTheLinkBreaks) {
  const EdgeKey key = Add();
  table_.OnAccepted(Replica(kCluster, 0), key);
  book_.Lost({kCluster, 0});
  table_.OnLost(now_, {kCluster, 0});
  EXPECT_EQ(After(milliseconds(50)), 1u);
  EXPECT_EQ(sends_[0].to, (Address{kCluster, 1}));
}

// promise: H-12
TEST_F(HoldTableTest, ALinkThatBreaksMattersToWhatWasSentOverItAndToWhatWasAcceptedThere) {
  const EdgeKey key = Add();
  table_.OnLost(now_, {kCluster, 0});
  EXPECT_EQ(After(milliseconds(50)), 1u) << "whether it arrived is not known";
  table_.OnAccepted(Replica(kCluster, 1), key);
  table_.OnLost(now_, {kCluster, 1});
  EXPECT_FALSE(table_.Find(key)->accepted);
  EXPECT_EQ(After(milliseconds(250)), 1u) << "by whom a follower had passed it on to";
}

TEST_F(HoldTableTest, ALinkToSomebodyElseBreaksAndNothingIsSent) {
  const EdgeKey key = Add();
  table_.OnAccepted(Replica(kCluster, 0), key);
  table_.OnLost(now_, {kCluster, 2});
  EXPECT_EQ(After(milliseconds(250)), 0u);
}

// promise: H-12
TEST_F(HoldTableTest, SendsAgainAtOnceToANewLeader) {
  const EdgeKey key = Add();
  table_.OnAccepted(Replica(kCluster, 0), key);
  ASSERT_TRUE(book_.SawLeader({kCluster, 2}, 2));
  table_.OnPeer(now_, Replica(kCluster, 2), /*new_leader=*/true);
  EXPECT_FALSE(table_.Find(key)->accepted);
  EXPECT_EQ(After(Duration::zero()), 1u);
  EXPECT_EQ(sends_[0].to, (Address{kCluster, 2}));
}

TEST_F(HoldTableTest, ALeaderThatHasItAndAFollowerAreSentNothing) {
  const EdgeKey key = Add();
  table_.OnPeer(now_, Replica(kCluster, 1), /*new_leader=*/false);
  EXPECT_EQ(After(Duration::zero()), 0u) << "it does not lead";
  table_.OnAccepted(Replica(kCluster, 1), key);
  table_.OnPeer(now_, Replica(kCluster, 1), /*new_leader=*/true);
  EXPECT_EQ(After(Duration::zero()), 0u) << "it has it already";
  EXPECT_TRUE(table_.Find(key)->accepted);
}

// promise: H-12, T-04
TEST_F(HoldTableTest, SendsAgainAtOnceToAReceiverThatCameBackWithNothing) {
  const EdgeKey key = Add();
  table_.OnAccepted(Replica(kCluster, 0, "first"), key);
  table_.OnPeer(now_, Replica(kCluster, 0, "first"), false);
  EXPECT_EQ(After(Duration::zero()), 0u) << "it never went";
  table_.OnPeer(now_, Replica(kCluster, 0, "second"), false);
  EXPECT_EQ(After(Duration::zero()), 1u);
}

TEST_F(HoldTableTest, NewsOfAnotherClusterChangesNothing) {
  const EdgeKey key = Add();
  table_.OnAccepted(Replica(kCluster), key);
  table_.OnPeer(now_, Replica("default/c", 0, "second"), true);
  EXPECT_EQ(After(Duration::zero()), 0u);
}

TEST_F(HoldTableTest, WhatIsSuspendedIsNotSent) {
  const EdgeKey key = Add();
  table_.Find(key)->suspended = true;
  EXPECT_EQ(After(kHoldResend), 0u);
  table_.Find(key)->suspended = false;
  table_.Resend(now_, *table_.Find(key));
  EXPECT_EQ(After(Duration::zero()), 1u);
}

TEST_F(HoldTableTest, WaitsForAClusterThatIsNotKnownYet) {
  LeaderBook nobody;
  HoldTable table(&nobody, &random_);
  std::swap(table_, table);
  Add();
  EXPECT_TRUE(sends_.empty());
  nobody.Learn({kCluster, {"unix:/0"}, 0, 0});
  EXPECT_EQ(After(kHoldResend), 1u);
}

TEST_F(HoldTableTest, KeepsRunsApart) {
  const RunId other = NamedId<RunId>("another run");
  Add("one");
  Add("two");
  Add("one", other);
  std::vector<StepPath> seen;
  table_.ForEach(kRun, [&seen](Hold& hold) { seen.push_back(hold.hand_over.step().path); });
  EXPECT_EQ(seen, (std::vector<StepPath>{"one", "two"}));
  table_.EraseIf(kRun, [](const Hold& hold) { return hold.hand_over.step().path == "one"; });
  EXPECT_EQ(table_.size(), 2u);
  table_.EraseIf(kRun, [](const Hold&) { return true; });
  EXPECT_EQ(table_.size(), 1u);
  EXPECT_NE(table_.Find({other, "one", ResultId()}), nullptr);
}

TEST_F(HoldTableTest, TheSameKeyReplacesWhatWasHeld) {
  const EdgeKey key = Add();
  table_.OnAccepted(Replica(kCluster), key);
  EXPECT_EQ(Add(), key);
  EXPECT_EQ(table_.size(), 1u);
  EXPECT_FALSE(table_.Find(key)->accepted);
  EXPECT_EQ(After(kHoldResend), 1u) << "once, not once for each";
}

TEST_F(HoldTableTest, AnswersAboutWhatIsNotHeldChangeNothing) {
  const EdgeKey key{kRun, "unknown", ResultId()};
  EXPECT_FALSE(table_.OnAccepted(Replica(kCluster), key));
  table_.Retry(now_, key, Duration::zero());
  table_.Erase(key);
  EXPECT_EQ(table_.Find(key), nullptr);
  EXPECT_EQ(table_.NextTick(), std::nullopt);
}

}  // namespace
}  // namespace fractos
