// Hand-overs from the record.
#include <gtest/gtest.h>

#include "lib/base/limits.h"
#include "tests/unit/lib/driver/core/run_core_harness.h"

namespace fractos {
namespace {

class DrivingTest : public RunCoreTest {};

TEST_F(DrivingTest, BetweenDaemonsTheDriverHandsNothingOver) {
  Run();
  ReportFrom(kA, {Given("read", "cat", {})});
  LetWrite();
  Written();
  EXPECT_FALSE(HandsOverTo("classify"));
}

// Into a step that waits for the record the Report replaces the HandOver: the driver sends it once
// all predecessors are recorded; bytes still go from owner to consumer.
// promise: H-33, H-32
TEST_F(DrivingTest, AStepThatWaitsForTheRecordIsHandedOverOnceItsPredecessorsAreDurable) {
  std::shared_ptr<Step> put = NewStep("put", {"read", "other"}, "default/b");
  put->effect = Effect::kIdempotent;
  put->waits_for_record = true;
  plan_.steps = {NewStep("read"), NewStep("other"), put};
  Run();
  const ResultPtr read = GivenLarge("read", "many bytes", {});
  const ResultPtr other = GivenLarge("other", "more bytes", {});
  ReportFrom(kA, {read});
  EXPECT_EQ(TheWrite().steps.size(), 1u) << "somebody waits, so it is written at once";
  ReportFrom(kA, {other});
  Written();
  EXPECT_FALSE(HandsOverTo("put")) << "only one predecessor is durable";
  EXPECT_EQ(TheWrite().steps.size(), 2u);
  Written();
  ASSERT_EQ(Sent<HandOver>(kB.address).size(), 2u) << "one along each edge";
  EXPECT_EQ(Sent<HandOver>()[0].result->value.owner, kA);
  EXPECT_TRUE(All<PullValue>().empty());
}

// promise: H-32
TEST_F(DrivingTest, AStepThatWaitsForTheRecordWaitsForAllOfItsPredecessors) {
  std::shared_ptr<Step> put = NewStep("put", {"read", "other"}, "default/b");
  put->waits_for_record = true;
  plan_.steps = {NewStep("read"), NewStep("other"), put};
  Run();
  ReportFrom(kA, {GivenLarge("read", "many bytes", {})});
  Written();
  EXPECT_FALSE(HandsOverTo("put"));
}

// What travels with it: "the steps still to do and what doing them takes".
TEST_F(DrivingTest, AHandOverSaysAllThatDoingItTakes) {
  plan_.signatures = {MultiplyOf("default/c")};
  plan_.clusters.push_back("default/c");
  plan_.steps.push_back(NewStep("print", {"classify"}));
  Run();
  Advance(Duration::zero());
  const HandOver plain = SentTo("read");
  EXPECT_EQ(plain.sender, kDriver);
  EXPECT_EQ(plain.edge, "");
  EXPECT_EQ(plain.continuation->mode, Mode::kDistributed);
  EXPECT_EQ(plain.continuation->traceparent, "");
  EXPECT_TRUE(plain.continuation->signatures.empty());
  ASSERT_EQ(plain.continuation->clusters.size(), 2u);
  EXPECT_EQ(plain.continuation->clusters[0].cluster, "default/a");
  EXPECT_EQ(plain.continuation->clusters[1].cluster, "default/b");

  std::shared_ptr<Step> power = NewStep("classify", {"read"}, "default/b");
  power->refines_to = {plan_.signatures[0].Key()};
  plan_.steps = {NewStep("read"), power, NewStep("write", {"classify"})};
  plan_.mode = Mode::kCentralized;
  traceparent_ = "00-1-2-01";
  Run();
  Advance(Duration::zero());
  const HandOver refining = SentTo("read");
  EXPECT_EQ(refining.continuation->mode, Mode::kCentralized);
  EXPECT_EQ(refining.continuation->traceparent, "00-1-2-01");
  EXPECT_EQ(refining.continuation->signatures, plan_.signatures);
  EXPECT_EQ(refining.continuation->clusters.size(), 3u);
}

TEST_F(DrivingTest, AHandOverFromTheRecordNamesItsEdgeAndWhatItStandsOn) {
  plan_.mode = Mode::kCentralized;
  Run();
  const ResultPtr read = GivenLarge("read", "many bytes", {});
  ReportFrom(kA, {read});
  Pulled("read", LargeValue("many bytes", kDriver));
  EXPECT_EQ(SentTo("classify").edge, "read");
  EXPECT_TRUE(SentTo("classify").ancestors.empty());
  ReportFrom(kB, {GivenFailure("classify", {read})});
  EXPECT_EQ(SentTo("write").edge, "classify");
  ASSERT_EQ(SentTo("write").ancestors.size(), 1u);
  EXPECT_EQ(SentTo("write").ancestors[0]->id, read->id);
}

// promise: H-09
TEST_F(DrivingTest, TheDriverForgetsItsHoldOnceTheStepStandsInTheRecord) {
  plan_.steps.push_back(NewStep("other"));
  Run();
  ReportFrom(kA, {Given("read", "cat", {})});
  Advance(kHoldResend);
  EXPECT_FALSE(HandsOverTo("read"));
  EXPECT_TRUE(HandsOverTo("other"));
}

// promise: H-07, H-08
TEST_F(DrivingTest, TheDriverHoldsLikeEverybodyElse) {
  Run();
  const EdgeKey edge{kRun, "read", ResultId()};
  Receive(kA, Accepted{edge, 1});
  Advance(kHoldResend);
  EXPECT_TRUE(HandsOverTo("read"));
  Receive(kA, Passed{edge, 1});
  Advance(kHoldResend);
  EXPECT_FALSE(HandsOverTo("read"));
}

// promise: H-27, H-34
TEST_F(DrivingTest, ItTurnsToTheLeaderThatIsNamedAndWaitsForTheOverloaded) {
  Run();
  const EdgeKey edge{kRun, "read", ResultId()};
  Receive(kA, Nack{edge, 1, Refusal::kNotLeader, 0, {"default/a", 1}, {}, ""});
  Advance(std::chrono::milliseconds(50));
  EXPECT_EQ(Sent<HandOver>({"default/a", 1}).size(), 1u);
  Receive(Replica("default/a", 1),
          Nack{edge, 1, Refusal::kOverloaded, 0, {}, std::chrono::milliseconds(900), ""});
  Advance(std::chrono::milliseconds(899));
  EXPECT_TRUE(Sent<HandOver>().empty());
  Advance(std::chrono::milliseconds(1));
  EXPECT_EQ(Sent<HandOver>().size(), 1u);
}

// In mode Centralized the driver pulls each result and serves it from its own Memory to the next
// device.
// promise: R-14
TEST_F(DrivingTest, InCentralizedModeEveryResultGoesThroughTheDriver) {
  plan_.mode = Mode::kCentralized;
  Run();
  const ResultPtr read = GivenLarge("read", "many bytes", {});
  ReportFrom(kA, {read});
  ASSERT_EQ(All<PullValue>().size(), 1u);
  EXPECT_EQ(All<PullValue>()[0].value, read->value);
  EXPECT_FALSE(HandsOverTo("classify"));
  Value own = LargeValue("many bytes", kDriver);
  Begin();
  core_->Pulled(now_, "read", own, &actions_);
  ASSERT_TRUE(HandsOverTo("classify"));
  EXPECT_EQ(Sent<HandOver>()[0].result->value.owner, kDriver);
  EXPECT_EQ(Sent<HandOver>()[0].result->id, read->id) << "it is the same result";
  EXPECT_EQ(core_->transfer(), (Transfer{1, 1, read->value.size})) << "the detour is counted";
}

TEST_F(DrivingTest, AValueForWhichTheDriverHasNoRoomFailsTheRun) {
  plan_.mode = Mode::kCentralized;
  Run();
  ReportFrom(kA, {GivenLarge("read", "many bytes", {})});
  Begin();
  core_->Pulled(now_, "read", absl::ResourceExhaustedError("no room"), &actions_);
  EXPECT_EQ(TheWrite().phase, RunPhase::kFailed);
  EXPECT_EQ(TheWrite().failure.reason, "MemoryExhausted");
}

// promise: R-14
TEST_F(DrivingTest, BytesOfAnotherResultAreNotHandedOnInItsName) {
  plan_.mode = Mode::kCentralized;
  Run();
  ReportFrom(kA, {GivenLarge("read", "what it is now", {})});
  ASSERT_EQ(All<PullValue>().size(), 1u);
  Begin();
  core_->Pulled(now_, "read", LargeValue("what it was before", kDriver), &actions_);
  EXPECT_FALSE(HandsOverTo("classify"));
  ASSERT_EQ(All<PullValue>().size(), 1u) << "it is asked for again";
  Begin();
  core_->Pulled(now_, "read", LargeValue("what it is now", kDriver), &actions_);
  EXPECT_TRUE(HandsOverTo("classify"));
}

}  // namespace
}  // namespace fractos
