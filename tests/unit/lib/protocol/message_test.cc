#include "lib/protocol/message.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "tests/unit/lib/protocol/builders.h"

namespace fractos {
namespace {

using ::testing::HasSubstr;

const RunId kRun = NamedId<RunId>("run");
const EdgeKey kEdge{kRun, "classify", NamedId<ResultId>("read")};

HandOver Example() {
  auto continuation = std::make_shared<Continuation>();
  continuation->run = kRun;
  continuation->steps = {NewStep("classify", {"read"})};
  HandOver message;
  message.redrive = 7;
  message.sender = Replica("default/storage", 1);
  message.sender_epoch = 3;
  message.edge = "read";
  message.result = NewResult(kRun, *NewStep("read"), {}, InlineValue("cat"));
  message.continuation = std::move(continuation);
  return message;
}

TEST(HandOverTest, IsNamedByTheRunTheStepAndTheResultItBrings) {
  HandOver message = Example();
  EXPECT_EQ(message.key(), (EdgeKey{kRun, "classify", message.result->id}));
  message.result = nullptr;
  EXPECT_EQ(message.key(), (EdgeKey{kRun, "classify", ResultId()})) << "a root's has none";
}

TEST(DebugStringTest, NamesEveryMessageTheRunAndTheStep) {
  const StepPath step = "classify";
  const ResultPtr result = Example().result;
  const std::vector<std::pair<Message, std::vector<std::string>>> cases = {
      {Example(), {"HandOver(", "classify", "R=7", "default/storage-1", "epoch 3"}},
      {Accepted{kEdge, 2}, {"Accepted(", "classify", "R=2"}},
      {Passed{kEdge, 2}, {"Passed(", "classify", "R=2"}},
      {Nack{kEdge, 2, Refusal::kStaleRedrive, 5, {}, {}, ""},
       {"Nack(", "classify", "R=2", "StaleRedrive", "seen=5"}},
      {StaleEpoch{"default/a", 4}, {"StaleEpoch(", "default/a", "seen=4"}},
      {Report{kRun, 2, {result}, {ObjectId()}, {step}},
       {"Report(", "R=2", "read=" + result->id.ToShortHex(), "lost 1", "executing 1"}},
      {Recorded{kRun, 2, {{step, result->id}}, {result->id}, {ObjectId(), ObjectId()}},
       {"Recorded(", "R=2", "1 steps", "1 refused", "2 released"}},
      {Query{kRun, 2, {}, {}, {{step, result->id}}}, {"Query(", "R=2", "pinned 1"}},
      {FetchRedrive{kRun}, {"FetchRedrive("}},
      {Holding{kRun, 2, {{step, Lineage(), true}}, {kEdge}, {kEdge, kEdge}, {}},
       {"Holding(", "R=2", "attempts 1", "holds 1", "candidates 2"}},
      {Abort{kRun, 2}, {"Abort(", "R=2"}},
      {End{kRun}, {"End("}},
  };
  // One case for each kind of message: a new kind must be added here.
  ASSERT_EQ(cases.size(), std::variant_size_v<Message>);
  for (size_t i = 0; i < cases.size(); ++i) {
    EXPECT_EQ(cases[i].first.index(), i);
    const std::string text = DebugString(cases[i].first);
    for (const std::string& part : cases[i].second) EXPECT_THAT(text, HasSubstr(part));
    if (!std::holds_alternative<StaleEpoch>(cases[i].first)) {
      EXPECT_THAT(text, HasSubstr(kRun.ToShortHex()));
    }
  }
}

TEST(NamesTest, EveryStateAndRefusalHasItsOwn) {
  EXPECT_EQ(ResultStateName(ResultState::kSucceeded), "Succeeded");
  EXPECT_EQ(ResultStateName(ResultState::kFailed), "Failed");
  EXPECT_EQ(ResultStateName(ResultState::kSkipped), "Skipped");
  EXPECT_EQ(ResultStateName(ResultState::kRefined), "Refined");
  EXPECT_EQ(RefusalName(Refusal::kStaleRedrive), "StaleRedrive");
  EXPECT_EQ(RefusalName(Refusal::kNotLeader), "NotLeader");
  EXPECT_EQ(RefusalName(Refusal::kInvalid), "Invalid");
  EXPECT_EQ(RefusalName(Refusal::kOverloaded), "Overloaded");
  EXPECT_EQ(RefusalName(Refusal::kEnded), "Ended");
}

// A peer on another version may send numbers that have no name here; they are printed in logs.
TEST(NamesTest, WhatHasNoNameIsSaidToBeUnknown) {
  EXPECT_EQ(ResultStateName(static_cast<ResultState>(99)), "Unknown");
  EXPECT_EQ(RefusalName(static_cast<Refusal>(99)), "Unknown");
}

}  // namespace
}  // namespace fractos
