// Joins, and what travels along edges. "A join keeps candidates per (run, step path, incoming
// edge), never a count; it fires for a combination that agrees on common ancestors."
#include "daemon/continuation/join.h"

#include <gtest/gtest.h>

#include "tests/unit/daemon/continuation/core_harness.h"

namespace fractos {
namespace {

// source -> left, right -> join: what the two branches made of one result of the source.
class JoinTest : public CoreTest {
 protected:
  struct Branches {
    ResultPtr source, left, right;
  };
  Branches Of(const std::string& source) const {
    Branches branches;
    branches.source = Given("source", source);
    branches.left = Given("left", "l" + source, {branches.source});
    branches.right = Given("right", "r" + source, {branches.source}, kC);
    return branches;
  }
  void Left(const Branches& branches) {
    Receive(Hand({NewStep("join", {"left", "right"})}, branches.left, {branches.source}));
  }
  void Right(const Branches& branches) {
    Receive(Hand({NewStep("join", {"left", "right"})}, branches.right, {branches.source}));
  }
};

// promise: G-19, H-20
TEST_F(JoinTest, WaitsForAllOfItsInputs) {
  const Branches branches = Of("1");
  Left(branches);
  EXPECT_FALSE(Executes("join"));
  Left(branches);
  EXPECT_FALSE(Executes("join")) << "the same input twice is not two inputs";
  Right(branches);
  ASSERT_TRUE(Executes("join"));
  const Execute execute = All<Execute>().front();
  EXPECT_EQ(execute.attempt.lineage, ComputeLineage({branches.left->id, branches.right->id}));
  ASSERT_EQ(execute.inputs.size(), 2u);
  EXPECT_EQ(execute.inputs[0].input, "left");
  EXPECT_EQ(*execute.inputs[0].value.inline_bytes, "l1");
  EXPECT_EQ(*execute.inputs[1].value.inline_bytes, "r1");
}

// The case in which a join that counts executes on two pasts and is then stuck for ever.
// promise: H-20, H-21
TEST_F(JoinTest, FiresOnlyForInputsOfOnePastAndIsNotStuckByOthers) {
  const Branches discarded = Of("1");
  const Branches stands = Of("2");
  Left(discarded);
  Right(stands);
  EXPECT_FALSE(Executes("join")) << "they stand on different results of the source";
  Left(stands);
  ASSERT_TRUE(Executes("join"));
  EXPECT_EQ(All<Execute>().front().attempt.lineage,
            ComputeLineage({stands.left->id, stands.right->id}));
  EXPECT_EQ(core_->stats().attempts, 1u);
}

TEST_F(JoinTest, EachPastThatIsCompleteIsExecuted) {
  Left(Of("1"));
  Left(Of("2"));
  Right(Of("1"));
  EXPECT_TRUE(Executes("join"));
  Right(Of("2"));
  EXPECT_TRUE(Executes("join"));
  EXPECT_EQ(core_->stats().attempts, 2u);
}

TEST_F(JoinTest, AResultThatIsItselfAnAncestorOfTheOtherMustAgree) {
  const ResultPtr one = Given("source", "1");
  const ResultPtr two = Given("source", "2");
  const StepPtr join = NewStep("join", {"source", "left"});
  Receive(Hand({join}, one));
  Receive(Hand({join}, Given("left", "l2", {two}), {two}));
  EXPECT_FALSE(Executes("join"));
  Receive(Hand({join}, two));
  EXPECT_TRUE(Executes("join"));
}

// promise: M-11
TEST_F(JoinTest, LargeValuesAreFetchedBeforeTheJoinIsComplete) {
  const ResultPtr large = GivenLarge("left", "many bytes");
  Receive(Hand({NewStep("join", {"left", "right"})}, large));
  ASSERT_EQ(All<Fetch>().size(), 1u);
  EXPECT_EQ(All<Fetch>()[0].value, large->value);
  Receive(Hand({NewStep("join", {"left", "right"})}, Given("right", "r")));
  EXPECT_FALSE(Executes("join"));
  EXPECT_TRUE(All<Fetch>().empty()) << "it is on its way";
  Fetched(large);
  EXPECT_TRUE(Executes("join"));
}

// promise: G-05
TEST_F(JoinTest, AfterIsAnEdgeWithoutData) {
  std::shared_ptr<Step> later = NewStep("later", {"data"});
  later->after = {"first"};
  Receive(Hand({later}, Given("data", "d")));
  EXPECT_FALSE(Executes("later"));
  Receive(Hand({later}, Given("first", "f")));
  ASSERT_TRUE(Executes("later"));
  EXPECT_EQ(All<Execute>().front().inputs.size(), 1u);
}

// Failed and Skipped are results and travel along edges; a step with a Failed or Skipped input is
// Skipped.
// promise: H-22, G-05
TEST_F(JoinTest, AStepWithAFailedOrSkippedInputIsSkipped) {
  for (const ResultState state : {ResultState::kFailed, ResultState::kSkipped}) {
    Restart({});
    const StepPtr after = NewStep("after", {"one"}, "default/b");
    Receive(Hand({NewStep("one", {"read"}), after}, GivenNothing("read", state)));
    EXPECT_FALSE(Executes("one"));
    const HandOver onward = SentTo("after");
    EXPECT_EQ(onward.result->state, ResultState::kSkipped);
    EXPECT_EQ(onward.result->failure.reason,
              state == ResultState::kFailed ? "InputFailed" : "InputSkipped");
    EXPECT_NE(onward.result->failure.message.find("read"), std::string::npos);
  }
}

// promise: H-22
TEST_F(JoinTest, AFailureTravelsAndTheJoinIsSkippedOnceAllItsInputsAreThere) {
  Receive(Hand({NewStep("join", {"left", "right"})}, GivenNothing("left", ResultState::kFailed)));
  EXPECT_TRUE(Sent<Report>().empty());
  Receive(Hand({NewStep("join", {"left", "right"})}, Given("right", "r")));
  EXPECT_FALSE(Executes("join"));
  EXPECT_EQ(ResultOf(NextReport(), "join")->state, ResultState::kSkipped);
}

TEST_F(JoinTest, AncestorsTravelOnceWithoutTheirBytes) {
  const Branches branches = Of("1");
  const StepPtr join = NewStep("join", {"left", "right"});
  const StepPtr after = NewStep("after", {"join"}, "default/b");
  Receive(Hand({join, after}, branches.left, {branches.source}));
  Receive(Hand({join, after}, branches.right, {branches.source}));
  Produce("join");
  const HandOver onward = SentTo("after");
  std::vector<StepPath> paths;
  for (const ResultPtr& ancestor : onward.ancestors) {
    paths.push_back(ancestor->path);
    EXPECT_FALSE(ancestor->value.IsInline());
  }
  EXPECT_EQ(paths, (std::vector<StepPath>{"source", "left", "right"})) << "predecessors first";
  EXPECT_TRUE(onward.result->value.IsInline());
}

// Two results along each of `count` edges, all of which agree: there are 2^count combinations.
std::map<ResultId, Candidate> Pairs(size_t count, std::vector<StepPath>* edges) {
  std::map<ResultId, Candidate> candidates;
  for (size_t i = 0; i < count; ++i) {
    edges->push_back("edge" + std::to_string(i));
    for (const char* bytes : {"1", "2"}) {
      Candidate candidate;
      candidate.edge = edges->back();
      candidate.result = NewResult(kRun, *NewStep(candidate.edge), {}, InlineValue(bytes, kB));
      candidate.key = {kRun, "join", candidate.result->id};
      candidate.redrive = 1;
      candidates[candidate.result->id] = candidate;
    }
  }
  return candidates;
}

size_t CountCombinations(size_t edges_with_two) {
  std::vector<StepPath> edges;
  const std::map<ResultId, Candidate> candidates = Pairs(edges_with_two + 1, &edges);
  for (const auto& [from, candidate] : candidates) {
    if (candidate.edge != edges.back()) continue;
    return AgreeingCombinations(edges, candidates, candidate, 1).size();
  }
  return 0;
}

// promise: L-13
TEST(AgreeingCombinationsTest, AreBounded) {
  static_assert(kMaxCombinations == 1 << 6);
  EXPECT_EQ(CountCombinations(6), kMaxCombinations);
  EXPECT_EQ(CountCombinations(7), kMaxCombinations);
  EXPECT_EQ(CountCombinations(31), kMaxCombinations);
}

// promise: L-13
TEST(AgreeingCombinationsTest, SearchingInVainIsBoundedToo) {
  std::vector<StepPath> edges;
  std::map<ResultId, Candidate> candidates = Pairs(31, &edges);
  edges.push_back("last");
  Candidate must;
  must.edge = "last";
  must.result = NewResult(kRun, *NewStep("last"), {}, InlineValue("1", kB));
  must.key = {kRun, "join", must.result->id};
  must.redrive = 1;
  // It stands on a result that none of the others does.
  must.ancestors = {NewResult(kRun, *NewStep(edges.front()), {}, InlineValue("3", kB))};
  candidates[must.result->id] = must;
  EXPECT_TRUE(AgreeingCombinations(edges, candidates, must, 1).empty());
  candidates.erase(must.result->id);
  EXPECT_TRUE(AgreeingCombinations(edges, candidates, candidates.begin()->second, 1).empty());
}

// promise: L-13
TEST_F(JoinTest, MoreResultsAlongOneEdgeWaitUntilTheDriverSaysWhichStands) {
  const StepPtr join = NewStep("join", {"left", "right"});
  for (size_t i = 0; i < kMaxCandidates; ++i) {
    Receive(Hand({join}, Given("left", std::to_string(i))));
    EXPECT_EQ(Sent<Accepted>().size(), 1u);
  }
  const ResultPtr stands = Given("left", "stands");
  Receive(Hand({join}, stands));
  EXPECT_TRUE(Sent<Accepted>().empty()) << "its sender keeps it";
  Receive(Hand({join}, Given("right", "r")));
  EXPECT_EQ(Sent<Accepted>().size(), 1u) << "another edge";
  Ask(2, {stands});
  HandOver again = Hand({join}, stands);
  again.redrive = 2;
  Receive(again);
  EXPECT_EQ(Sent<Accepted>().size(), 1u);
}

// promise: L-13
TEST_F(JoinTest, AttemptsOfOneStepAreBounded) {
  const StepPtr join = NewStep("join", {"left", "right"});
  for (size_t i = 0; i < 2 * kMaxCandidates; ++i) {
    const std::string bytes = std::to_string(i / 2);
    Receive(Hand({join}, Given(i % 2 == 0 ? "left" : "right", bytes)));
  }
  EXPECT_EQ(core_->stats().attempts, kMaxCombinations);
}

TEST(WithoutInlineBytesTest, RefinementsKeepTheirsForLaterStepsAreMadeOfThem) {
  const ResultPtr refined =
      NewResult(kRun, *NewStep("power"), {}, InlineValue("[...]", kB), ResultState::kRefined);
  EXPECT_TRUE(WithoutInlineBytes(refined)->value.IsInline());
  const ResultPtr plain = NewResult(kRun, *NewStep("power"), {}, InlineValue("7", kB));
  EXPECT_FALSE(WithoutInlineBytes(plain)->value.IsInline());
  EXPECT_EQ(WithoutInlineBytes(plain)->value, plain->value);
}

}  // namespace
}  // namespace fractos
