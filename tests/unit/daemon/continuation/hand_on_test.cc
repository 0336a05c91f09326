// What travels with a hand-over, and when its sender may forget: the less usual ways.
#include <gtest/gtest.h>

#include "lib/base/limits.h"
#include "tests/unit/daemon/continuation/core_harness.h"

namespace fractos {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class HandOnTest : public CoreTest {
 protected:
  static StepPtr At(const std::string& cluster, StepPath path, std::vector<StepPath> from) {
    return NewStep(std::move(path), from, "default/" + cluster);
  }
  static std::vector<std::string> Clusters(const HandOver& message) {
    std::vector<std::string> clusters;
    for (const ClusterView& view : message.continuation->clusters) clusters.push_back(view.cluster);
    return clusters;
  }
};

// "The rest of a graph, as it travels: the steps still to do and what doing them takes."
TEST_F(HandOnTest, AContinuationSaysAllThatDoingItTakes) {
  HandOver message = Hand({NewStep("one"), At("b", "two", {"one"}), At("c", "three", {"two"}),
                           At("b", "four", {"three"})});
  auto traced = std::make_shared<Continuation>(*message.continuation);
  traced->traceparent = "00-1-2-01";
  message.continuation = traced;
  Receive(message);
  EXPECT_EQ(All<Execute>()[0].traceparent, "00-1-2-01");
  Produce("one");
  const HandOver onward = SentTo("two");
  EXPECT_EQ(onward.sender, kSelf);
  EXPECT_EQ(onward.sender_epoch, 1u);
  EXPECT_EQ(onward.remaining, seconds(60));
  EXPECT_EQ(onward.edge, "one");
  EXPECT_EQ(onward.continuation->run, kRun);
  EXPECT_EQ(onward.continuation->driver, kDriver.address);
  EXPECT_EQ(onward.continuation->mode, Mode::kDistributed);
  EXPECT_EQ(onward.continuation->traceparent, "00-1-2-01");
  EXPECT_EQ(onward.continuation->steps.size(), 3u);
  EXPECT_EQ(Clusters(onward), (std::vector<std::string>{"default/b", "default/c"}));
}

TEST_F(HandOnTest, WhatALaterStepMayRefineToTravelsAlong) {
  signatures_ = {MultiplyOf("default/c")};
  std::shared_ptr<Step> power = NewStep("power", {"one"}, "default/b");
  power->refines_to = {signatures_[0].Key()};
  Receive(Hand({NewStep("one"), power}));
  Produce("one");
  const HandOver onward = SentTo("power");
  EXPECT_EQ(onward.continuation->signatures, signatures_);
  EXPECT_EQ(Clusters(onward), (std::vector<std::string>{"default/b", "default/c"}));
}

// What others believe of a cluster is told to whoever dials, once.
TEST_F(HandOnTest, NewsOfClustersComeBeforeWhatNeedsThem) {
  Receive(Hand({NewStep("one"), At("b", "two", {"one"})}));
  ASSERT_EQ(All<LearnClusters>().size(), 1u);
  EXPECT_EQ(All<LearnClusters>()[0].clusters.size(), 2u);
  EXPECT_TRUE(std::holds_alternative<LearnClusters>(actions_.front()));
  Receive(Hand({NewStep("other"), At("b", "two", {"other"})}));
  EXPECT_TRUE(All<LearnClusters>().empty());
}

// promise: H-46
TEST_F(HandOnTest, NothingIsLearntOfClustersThatNoStepNeeds) {
  Receive(Hand({NewStep("one")}));
  ASSERT_EQ(All<LearnClusters>().size(), 1u);
  ASSERT_EQ(All<LearnClusters>()[0].clusters.size(), 1u);
  EXPECT_EQ(All<LearnClusters>()[0].clusters[0].cluster, "default/a");
}

// promise: H-28
TEST_F(HandOnTest, TheEpochOfASenderIsRemembered) {
  HandOver message = Hand({NewStep("one", {"read"})}, Given("read", "cat"));
  Receive(message);
  message.sender_epoch = 7;
  Receive(message);
  for (const uint64_t old : {6u, 1u}) {
    message.sender_epoch = old;
    Receive(message);
    EXPECT_EQ(TheSent<StaleEpoch>().seen, 7u);
  }
  EXPECT_EQ(core_->stats().stale_epochs, 2u);
}

// promise: H-06
TEST_F(HandOnTest, WhatComesAgainIsNotHandedOnAgainNorTakenForARedrive) {
  const HandOver message = Hand({NewStep("one"), At("b", "two", {"one"})});
  Receive(message);
  Produce("one");
  EXPECT_EQ(Sent<HandOver>().size(), 1u);
  Receive(message);
  EXPECT_TRUE(Sent<HandOver>().empty());
  Advance(Duration::zero());
  EXPECT_TRUE(Sent<FetchRedrive>().empty());
}

// promise: H-16
TEST_F(HandOnTest, AStepIsReportedOnceItIsAcceptedHereAndElsewhere) {
  Receive(Hand({NewStep("one"), NewStep("two", {"one"}), At("b", "three", {"one"})}));
  Produce("one");
  ASSERT_TRUE(Executes("two"));
  AcceptSent(kB, "three");
  const Report report = NextReport();
  ASSERT_EQ(report.results.size(), 1u);
  EXPECT_FALSE(report.results[0]->value.IsInline()) << "no output, so nobody shows it";
  EXPECT_EQ(report.executing, std::vector<StepPath>{"two"});
}

// promise: H-16
TEST_F(HandOnTest, AStepIsReportedThoughASuccessorRefusesItForGood) {
  Receive(Hand({NewStep("one"), At("b", "two", {"one"}), At("c", "three", {"one"})}));
  Produce("one");
  const EdgeKey two = SentTo("two").key(), three = SentTo("three").key();
  Receive(kC, Nack{three, 1, Refusal::kInvalid, 0, {}, {}, ""});
  Receive(kB, Accepted{two, 1});
  EXPECT_EQ(NextReport().results.size(), 1u) << "the driver finds out what is missing";
  Receive(kC, Accepted{three, 1});
  EXPECT_TRUE(Sent<Passed>().empty()) << "it has changed its mind too late";
}

// promise: H-14, H-40
TEST_F(HandOnTest, WhatPassedTogetherIsHeldNoLonger) {
  const HandOver message =
      Hand({NewStep("one", {"read"}), NewStep("two", {"one"}), At("b", "three", {"two"})},
           Given("read", "cat"));
  Receive(message);
  Produce("one");
  EXPECT_EQ(core_->stats().holds, 1u) << "it might be deposed before `two` is done";
  Produce("two");
  EXPECT_EQ(core_->stats().holds, 2u);
  const EdgeKey three = SentTo("three").key();
  Receive(kB, Accepted{three, 1});
  EXPECT_EQ(TheSent<Passed>().edge, message.key());
  Receive(kB, Passed{three, 1});
  EXPECT_EQ(core_->stats().holds, 0u);
}

// promise: H-08
TEST_F(HandOnTest, WhoMissedThatSeveralAttemptsPassedIsToldOnce) {
  const StepPtr join = NewStep("join", {"left", "right"});
  const HandOver left = Hand({join}, Given("left", "l"));
  Receive(left);
  for (const char* right : {"1", "2"}) {
    Receive(Hand({join}, Given("right", right)));
    Produce("join", right);
  }
  Record(NextReport().results);
  EXPECT_EQ(core_->stats().attempts, 2u);
  Receive(left);
  EXPECT_EQ(TheSent<Passed>().edge, left.key());
}

// Nobody works on what the record has.
// promise: H-09, H-13
TEST_F(HandOnTest, NothingIsHandedOverToAStepThatStandsInTheRecord) {
  const HandOver message =
      Hand({NewStep("one", {"read"}), At("b", "two", {"one"})}, Given("read", "cat"));
  Receive(message);
  Record({Given("two", "done")});
  Produce("one");
  EXPECT_TRUE(Sent<HandOver>().empty());
  EXPECT_EQ(TheSent<Passed>().edge, message.key()) << "there is nothing left to wait for";
}

// promise: H-18
TEST_F(HandOnTest, OtherHoldsStayWhenAResultIsRefused) {
  Receive(Hand({NewStep("one"), At("b", "two", {"one"})}));
  Produce("one");
  const ResultPtr refused = SentTo("two").result;
  Receive(Hand({NewStep("other"), At("b", "next", {"other"})}));
  Produce("other");
  Receive(kDriver, Recorded{kRun, 1, {}, {refused->id}, {}});
  EXPECT_EQ(core_->stats().holds, 1u);
}

// promise: H-34
TEST_F(HandOnTest, WhoIsOverloadedIsGivenATenthOfASecond) {
  Core::Options options;
  options.max_in_flight = 1;
  Restart(options);
  Receive(Hand({NewStep("one")}));
  Receive(Hand({NewStep("one")}, nullptr, {}, NamedId<RunId>("other")));
  EXPECT_EQ(TheSent<Nack>().reason, Refusal::kOverloaded);
  EXPECT_EQ(TheSent<Nack>().retry_after, milliseconds(100));
}

}  // namespace
}  // namespace fractos
