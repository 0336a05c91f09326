// Whether everything still to be done is held somewhere: then the redrive epoch stays as it is.
// "Only what nobody holds is driven again."
#include <gtest/gtest.h>

#include "lib/base/limits.h"
#include "tests/unit/lib/driver/core/run_core_harness.h"

namespace fractos {
namespace {

class HeldTest : public RunCoreTest {
 protected:
  // What each cluster's leader says, and a follower of b.
  struct Answers {
    Holding a, b, follower;
  };
  Answers None() const {
    Answers answers;
    for (Holding* holding : {&answers.a, &answers.b, &answers.follower}) {
      holding->run = kRun;
      holding->redrive = 1;
    }
    return answers;
  }
  // Runs up to where `results` are durable, and then somebody dies who held nothing.
  void Ask(const std::vector<ResultPtr>& results) {
    Run();
    Up(kB1, 0);
    Up(Replica("default/a", 1), 0);
    if (!results.empty()) {
      ReportFrom(kA, results);
      LetWrite();
      Written();
    }
    Down(Replica("default/a", 1));
    Advance(kHoldWindow);
    ASSERT_EQ(Sent<Query>().size(), 4u);
  }
  // Whether the answers leave the epoch as it is.
  bool IsHeldBy(const std::vector<ResultPtr>& results, const Answers& answers) {
    Ask(results);
    Receive(kB, answers.b);
    Receive(kB1, answers.follower);
    EXPECT_EQ(record().redrive, 1u) << "not before all have answered";
    Receive(kA, answers.a);
    EXPECT_EQ(record().redrive, All<WriteRecord>().empty() ? 1u : 2u);
    return record().redrive == 1;
  }
};

// promise: R-07
TEST_F(HeldTest, WorkOnAStepHoldsIt) {
  for (const bool executing : {true, false}) {
    Answers answers = None();
    answers.a.attempts = {{"read", Lineage(), executing}};
    EXPECT_TRUE(IsHeldBy({}, answers)) << "what is committed will be reported";
  }
}

// promise: R-07
TEST_F(HeldTest, TheDriversOwnHoldHoldsIt) { EXPECT_TRUE(IsHeldBy({}, None())); }

// promise: H-19, R-07
TEST_F(HeldTest, WithWhatItStandsOnRecordedAStepIsHeldByAHandOverToIt) {
  const ResultPtr read = Given("read", "cat", {});
  const EdgeKey edge{kRun, "classify", read->id};
  EXPECT_FALSE(IsHeldBy({read}, None()));
  Answers answers = None();
  answers.a.holds = {edge};
  EXPECT_TRUE(IsHeldBy({read}, answers)) << "sent by its predecessor";
  answers = None();
  answers.b.candidates = {edge};
  EXPECT_TRUE(IsHeldBy({read}, answers)) << "waiting at who leads";
  answers = None();
  answers.follower.candidates = {edge};
  EXPECT_FALSE(IsHeldBy({read}, answers)) << "at a deposed leader it waits in vain";
  answers = None();
  answers.a.holds = {{kRun, "classify", ResultId()}};
  EXPECT_FALSE(IsHeldBy({read}, answers)) << "along another edge";
  answers = None();
  answers.a.attempts = {{"read", read->lineage, true}};
  EXPECT_TRUE(IsHeldBy({read}, answers)) << "who executes it once more will hand it on";
  answers = None();
  answers.a.attempts = {{"read", read->lineage, false}};
  EXPECT_FALSE(IsHeldBy({read}, answers)) << "who has done so has passed it";
}

// promise: H-20, R-07
TEST_F(HeldTest, AJoinIsHeldIfAllItsEdgesAre) {
  plan_.steps = {NewStep("left"), NewStep("right", {}, "default/b"),
                 NewStep("join", {"left", "right"})};
  const ResultPtr left = Given("left", "l", {}), right = Given("right", "r", {});
  Answers answers = None();
  answers.a.candidates = {{kRun, "join", left->id}};
  EXPECT_FALSE(IsHeldBy({left, right}, answers));
  answers.b.holds = {{kRun, "join", right->id}};
  EXPECT_TRUE(IsHeldBy({left, right}, answers));
  // Of one that is not recorded yet its executor will send it.
  answers = None();
  answers.b.attempts = {{"right", Lineage(), true}};
  EXPECT_FALSE(IsHeldBy({left}, answers));
  answers.a.holds = {{kRun, "join", left->id}};
  EXPECT_TRUE(IsHeldBy({left}, answers));
}

// What was handed over from here and passed is further on, or nowhere.
// promise: H-19, R-07
TEST_F(HeldTest, WhatWasPassedIsHeldByWhatIsFurtherOn) {
  plan_.steps.push_back(NewStep("print", {"read"}));
  const auto is_held = [this](const Answers& answers) {
    Ask({});
    Receive(kA, Passed{{kRun, "read", ResultId()}, 1});
    Receive(kB, answers.b);
    Receive(kB1, answers.follower);
    Receive(kA, answers.a);
    return All<WriteRecord>().empty();
  };
  const ResultId id = Given("read", "cat", {})->id;
  Answers answers = None();
  EXPECT_FALSE(is_held(answers));
  answers.a.attempts = {{"print", Lineage(), true}};
  EXPECT_FALSE(is_held(answers)) << "classify is nowhere";
  answers.b.attempts = {{"classify", Lineage(), false}};
  EXPECT_TRUE(is_held(answers));
  answers = None();
  answers.a.holds = {{kRun, "classify", id}};
  answers.a.candidates = {{kRun, "print", id}};
  EXPECT_TRUE(is_held(answers));
}

// promise: R-07, H-33
TEST_F(HeldTest, WhatWaitsForTheRecordIsHeldByTheDriver) {
  std::shared_ptr<Step> put = NewStep("put", {"read"}, "default/b");
  put->waits_for_record = true;
  plan_.steps = {NewStep("read"), put};
  const ResultPtr read = Given("read", "cat", {});
  EXPECT_TRUE(IsHeldBy({read}, None())) << "it was just handed over from here";
  Ask({read});
  Receive(kB, Passed{{kRun, "put", read->id}, 1});
  Hold(kB, 1);
  Hold(kB1, 1);
  Hold(kA, 1);
  EXPECT_EQ(TheWrite().redrive, 2u) << "nobody has what it gave";
}

// promise: G-20, R-07
TEST_F(HeldTest, RefinedStepsAreHeldLikeOthers) {
  plan_.steps = {NewRefiningStep("power"), NewStep("print", {"power"}, "default/b")};
  const Refinement two = {NewMultiply(), NewMultiply({{"a", 0, ""}})};
  const ResultPtr refined = Given("power", EncodeRefinement(two), {}, ResultState::kRefined);
  const StepPath first = RefinedPath("power", 0, refined->id);
  EXPECT_FALSE(IsHeldBy({refined}, None()));
  Answers answers = None();
  answers.a.holds = {{kRun, first, refined->id}};
  EXPECT_TRUE(IsHeldBy({refined}, answers)) << "the last and print come after it";
}

}  // namespace
}  // namespace fractos
