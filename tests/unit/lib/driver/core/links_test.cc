// Links to daemons come and go: what is sent again, what is suspected, whose word counts.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lib/base/limits.h"
#include "tests/unit/lib/driver/core/run_core_harness.h"

namespace fractos {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::IsEmpty;

const Incarnation kA1 = Replica("default/a", 1);
const EdgeKey kRead = {kRun, "read", ResultId()};

class LinksTest : public RunCoreTest {};

// promise: H-12
TEST_F(LinksTest, WhatTheDriverHandedOverFollowsTheLeader) {
  Run();
  Advance(Duration::zero());
  EXPECT_EQ(Sent<HandOver>(kA.address).size(), 1u) << "a leader is there now";
  Receive(kA, Accepted{kRead, 1});
  Up(kA1, 2);
  Advance(Duration::zero());
  EXPECT_EQ(Sent<HandOver>(kA1.address).size(), 1u);
}

// promise: H-12
TEST_F(LinksTest, WhatWasSentOverALinkThatBrokeGoesToTheNextReplica) {
  Run();
  Advance(Duration::zero());
  Down(kA);
  Advance(milliseconds(50));
  EXPECT_EQ(Sent<HandOver>(kA1.address).size(), 1u);
}

// promise: H-12
TEST_F(LinksTest, WhatADaemonAcceptedBeforeItRestartedIsSentAgain) {
  Run();
  Advance(Duration::zero());
  Receive(kA, Accepted{kRead, 1});
  Up(kA);
  Advance(Duration::zero());
  EXPECT_TRUE(Sent<HandOver>().empty());
  Up(Replica("default/a", 0, "second"));
  Advance(Duration::zero());
  EXPECT_EQ(Sent<HandOver>(kA.address).size(), 1u);
}

// promise: H-44
TEST_F(LinksTest, SoItDoesToAReplicaThatTheClusterGotMeanwhile) {
  Run();
  Advance(Duration::zero());
  core_->Learn({"default/a", {"unix:/0", "unix:/1", "unix:/2"}, 0, 1});
  Down(kA);
  const Incarnation third = Replica("default/a", 2);
  Up(third, 2);
  Advance(Duration::zero());
  ASSERT_EQ(Sent<HandOver>(third.address).size(), 1u);
  const std::vector<ClusterView> handed_on =
      Sent<HandOver>(third.address)[0].continuation->clusters;
  ASSERT_EQ(handed_on.size(), 2u);
  EXPECT_EQ(handed_on[0].endpoints.size(), 3u) << "it is told of itself";
  Advance(kHoldWindow);
  EXPECT_EQ(Sent<Query>(third.address).size(), 1u);
}

// promise: H-27, H-35
TEST_F(LinksTest, ARefusedHandOverIsSentAgainSoon) {
  Run();
  Advance(Duration::zero());
  Receive(kA, Nack{kRead, 1, Refusal::kNotLeader, 0, kA1.address, {}, ""});
  EXPECT_TRUE(Sent<HandOver>().empty());
  Advance(milliseconds(50));
  EXPECT_EQ(Sent<HandOver>(kA1.address).size(), 1u);
}

// promise: R-06
TEST_F(LinksTest, ADaemonThatRestartedIsALoss) {
  Run();
  Up(Replica("default/b", 0, "second"));
  EXPECT_EQ(core_->NextTick(), now_) << "the hold is due";
  Advance(kHoldWindow);
  EXPECT_EQ(Sent<Query>().size(), 4u);
}

TEST_F(LinksTest, WordOfTheSameLeaderIsNoLoss) {
  Run();
  Up(kB);
  Up(kB1, 0);
  Advance(kHoldWindow);
  EXPECT_TRUE(Sent<Query>().empty());
}

TEST_F(LinksTest, BeforeAnythingIsDurableNothingCanBeLost) {
  Start();
  Up(kA);
  Down(kA);
  Advance(kHoldWindow);
  EXPECT_TRUE(Sent<Query>().empty());
}

// promise: R-06
TEST_F(LinksTest, WhoComesWhileAllAreAskedIsAskedToo) {
  Run();
  Probe();
  Up(kB1, 0);
  ASSERT_EQ(Sent<Query>().size(), 1u);
  EXPECT_EQ(Sent<Query>(kB1.address).size(), 1u);
  Up(kB1, 0);
  EXPECT_TRUE(Sent<Query>().empty()) << "it knows";
  Up(Replica("default/b", 1, "second"), 0);
  EXPECT_EQ(Sent<Query>(kB1.address).size(), 1u) << "it has forgotten";
}

TEST_F(LinksTest, NobodyElseIsAskedOnItsOwn) {
  Run();
  Up(kB1, 0);
  EXPECT_TRUE(Sent<Query>().empty());
}

// promise: R-06
TEST_F(LinksTest, TheAnswerOfADeadIncarnationIsForgotten) {
  Run();
  Receive(kA, Passed{kRead, 1});
  Probe();
  Hold(kA, 1);
  Up(Replica("default/a", 0, "second"));
  Hold(kB, 1);
  EXPECT_TRUE(All<WriteRecord>().empty());
  Hold(Replica("default/a", 0, "second"), 1);
  EXPECT_EQ(TheWrite().redrive, 2u);
}

// promise: R-06
TEST_F(LinksTest, TheAnswerOfWhomNobodyReachesIsForgotten) {
  Run();
  Receive(kA, Passed{kRead, 1});
  Probe();
  Hold(kA, 1);
  Down(kA);
  Up(kA);
  Hold(kB, 1);
  EXPECT_TRUE(All<WriteRecord>().empty()) << "its process may be another one's now";
  Hold(kA, 1);
  EXPECT_EQ(TheWrite().redrive, 2u);
}

TEST_F(LinksTest, AnAnswerStaysWhileItsLinkDoes) {
  Run();
  Receive(kA, Passed{kRead, 1});
  Probe();
  Hold(kA, 1);
  Up(kA);
  Hold(kB, 1);
  EXPECT_EQ(TheWrite().redrive, 2u);
}

// promise: R-06
TEST_F(LinksTest, NobodyWaitsForTheAnswerOfOneWhoIsGone) {
  Run();
  Receive(kA, Passed{kRead, 1});
  Probe();
  Hold(kA, 1);
  EXPECT_TRUE(All<WriteRecord>().empty());
  Down(kB);
  ASSERT_EQ(TheWrite().redrive, 2u);
  Written();
  Up(kB);
  Up(kB1, 0);
  Hold(kA, 2);
  Hold(kB, 2);
  EXPECT_TRUE(Sent<HandOver>().empty());
  Down(kB1);
  EXPECT_TRUE(HandsOverTo("read"));
}

// promise: R-06
TEST_F(LinksTest, ALinkThatBreaksLeavesThoseWhoHaveNotAnsweredTheirTime) {
  Run();
  Receive(kA, Passed{kRead, 1});
  Up(kB1, 0);
  Probe();
  Up(kB1, 0);
  Hold(kA, 1);
  Down(kB1);
  EXPECT_TRUE(All<WriteRecord>().empty());
}

// promise: R-13
TEST_F(LinksTest, AfterTheEndNobodyIsAnswered) {
  plan_.steps = {NewStep("read")};
  Run();
  ReportFrom(kA, {Given("read", "cat", {})});
  Written();
  ASSERT_EQ(All<Finished>().size(), 1u);
  Receive(kA, FetchRedrive{kRun});
  EXPECT_THAT(actions_, IsEmpty());
  Up(kB1, 0);
  Down(kA);
  EXPECT_THAT(actions_, IsEmpty());
  Written();
  EXPECT_THAT(actions_, IsEmpty());
}

}  // namespace
}  // namespace fractos
