#include "lib/protocol/expand.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "lib/base/limits.h"
#include "tests/unit/lib/protocol/builders.h"

namespace fractos {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const ResultId kResult = NamedId<ResultId>("refined");

std::vector<StepPath> Paths(const std::vector<StepPtr>& steps) {
  std::vector<StepPath> paths;
  for (const StepPtr& step : steps) paths.push_back(step->path);
  return paths;
}

OperationSignature Signature(std::string cluster, std::string operation) {
  OperationSignature signature;
  signature.cluster = std::move(cluster);
  signature.operation = std::move(operation);
  signature.deterministic = true;
  return signature;
}

// `power` in front of `print`: may refine to its own multiply and to log's put.
struct Refining {
  std::shared_ptr<Step> parent = NewStep("power", {"base"}, "default/math");
  std::vector<OperationSignature> signatures = {Signature("default/math", "multiply"),
                                                Signature("default/log", "put")};
  std::vector<BoundInput> own = {{"base", InlineValue("7"), false}};
  Refinement steps;

  Refining() { parent->refines_to = {"default/math:multiply", "default/log:put"}; }

  RefinedStep& Add(std::string cluster = ".", std::string operation = "multiply") {
    steps.emplace_back();
    steps.back().cluster = std::move(cluster);
    steps.back().operation = std::move(operation);
    return steps.back();
  }
  absl::StatusOr<std::vector<StepPtr>> Expand() const {
    return ExpandRefinement(*parent, kResult, steps, own, signatures);
  }
  void ExpectRefused(const std::string& why) const {
    const absl::StatusOr<std::vector<StepPtr>> expanded = Expand();
    ASSERT_FALSE(expanded.ok()) << why;
    EXPECT_TRUE(absl::IsInvalidArgument(expanded.status()));
    EXPECT_THAT(std::string(expanded.status().message()), HasSubstr(why));
  }
};

TEST(SuccessorsOfTest, FollowInputsAndOrder) {
  std::shared_ptr<Step> later = NewStep("later");
  later->after = {"a"};
  const std::vector<StepPtr> steps = {NewStep("b", {"a"}), NewStep("c", {"b"}), later};
  EXPECT_THAT(Paths(SuccessorsOf("a", steps)), ElementsAre("b", "later"));
  EXPECT_THAT(Paths(SuccessorsOf("later", steps)), ElementsAre());
}

TEST(StepsFromTest, CarriesOnlyWhatCanBeReached) {
  const StepPtr b = NewStep("b", {"a"});
  const std::vector<StepPtr> steps = {b, NewStep("other", {"a"}), NewStep("c", {"b"}),
                                      NewStep("join", {"other", "c"})};
  EXPECT_THAT(Paths(StepsFrom(b, steps)), ElementsAre("b", "c", "join"));
}

// promise: G-20
TEST(StepsFromTest, WhatFollowsARefiningStepFollowsWhatStandsForIt) {
  std::shared_ptr<Step> last = NewStep("power/1@x", {"power/0@x"});
  last->stands_for = "power";
  EXPECT_THAT(Paths(StepsFrom(last, {last, NewStep("print", {"power"})})),
              ElementsAre("power/1@x", "print"));
}

// A refining step is followed by its refined steps under its own path as well.
// promise: G-20, G-21
TEST(StepsFromTest, WhatARefinedStepRefinedIntoFollowsItUnderItsOwnPath) {
  std::shared_ptr<Step> nested = NewStep("power/1@x", {"power/0@x"});
  nested->stands_for = "power";
  std::shared_ptr<Step> deeper = NewStep("power/0@y");
  deeper->after = {"power/1@x"};
  const StepPtr first = NewStep("power/0@x");
  const std::vector<StepPtr> steps = {first, nested, deeper, NewStep("print", {"power"})};
  EXPECT_THAT(Paths(StepsFrom(nested, steps)), ElementsAre("power/1@x", "power/0@y", "print"));
  EXPECT_THAT(Paths(StepsFrom(first, steps)),
              ElementsAre("power/0@x", "power/1@x", "power/0@y", "print"));
}

TEST(OwnInputsTest, AreWhatIsKnownAlongTheInputsAndThenWhatIsBound) {
  std::shared_ptr<Step> step = NewStep("join", {"a", "b", "c"});
  step->inputs.push_back({"again", "a", true});
  step->after = {"d"};
  step->bound = {{"given", InlineValue("bound"), false}};
  const auto result = [](const std::string& path) {
    return NewResult(RunId(), *NewStep(path), {}, InlineValue(path));
  };
  // In the order of Predecessors; of "d" nothing is known, and nothing is an input.
  EXPECT_THAT(OwnInputs(*step, {result("a"), nullptr, result("c")}),
              ElementsAre(BoundInput{"a", InlineValue("a"), false},
                          BoundInput{"c", InlineValue("c"), false},
                          BoundInput{"again", InlineValue("a"), true},
                          BoundInput{"given", InlineValue("bound"), false}));
}

// promise: G-20
TEST(ExpandRefinementTest, TheLastStepStandsForTheRefiningOne) {
  Refining refining;
  refining.Add().inputs = {{"a", -1, "base"}};
  refining.Add().inputs = {{"a", 0, ""}, {"b", -1, "base"}};
  const auto steps = refining.Expand();
  ASSERT_TRUE(steps.ok()) << steps.status();
  ASSERT_EQ(steps->size(), 2u);
  EXPECT_EQ((*steps)[0]->path, RefinedPath("power", 0, kResult));
  EXPECT_EQ((*steps)[0]->stands_for, "");
  EXPECT_EQ((*steps)[1]->path, RefinedPath("power", 1, kResult));
  EXPECT_EQ((*steps)[1]->stands_for, "power");
  EXPECT_EQ((*steps)[1]->alias(), "power");
}

// promise: G-21
TEST(ExpandRefinementTest, InputsComeFromTheRefiningStepOrFromEarlierRefinedOnes) {
  Refining refining;
  refining.Add().inputs = {{"a", -1, "base"}};
  refining.Add().inputs = {{"a", 0, ""}, {"b", -1, "base"}};
  const auto steps = refining.Expand();
  ASSERT_TRUE(steps.ok()) << steps.status();
  const Step& first = *(*steps)[0];
  ASSERT_EQ(first.bound.size(), 1u);
  EXPECT_EQ(first.bound[0].input, "a");
  EXPECT_EQ(first.bound[0].value, refining.own[0].value);
  EXPECT_THAT(first.Predecessors(), ElementsAre("power")) << "it follows the refining step";
  const Step& second = *(*steps)[1];
  ASSERT_EQ(second.inputs.size(), 1u);
  EXPECT_EQ(second.inputs[0].from, first.path);
  EXPECT_EQ(second.bound.size(), 1u);
  EXPECT_THAT(second.Predecessors(), ElementsAre(first.path));
}

// promise: G-21
TEST(ExpandRefinementTest, ARefinedStepMayItselfRefineAndItsLastStepStillStandsForTheFirst) {
  Refining refining;
  refining.signatures[0].refines_to = {"default/log:put"};
  refining.Add();
  const auto steps = refining.Expand();
  ASSERT_TRUE(steps.ok()) << steps.status();
  const Step& nested = *steps->front();
  EXPECT_THAT(nested.refines_to, ElementsAre("default/log:put"));
  RefinedStep put;
  put.cluster = "log";
  put.operation = "put";
  const auto deeper = ExpandRefinement(nested, NamedId<ResultId>("again"), {put}, nested.bound,
                                       refining.signatures);
  ASSERT_TRUE(deeper.ok()) << deeper.status();
  EXPECT_EQ(deeper->front()->alias(), "power");
  EXPECT_NE(deeper->front()->path, nested.path);
}

TEST(ExpandRefinementTest, NamesClustersAsGraphsDo) {
  Refining refining;
  refining.Add(".", "multiply");
  refining.Add("log", "put").after = {0};
  refining.Add("default/log", "put").after = {1};
  const auto steps = refining.Expand();
  ASSERT_TRUE(steps.ok()) << steps.status();
  EXPECT_EQ((*steps)[0]->cluster, "default/math");
  EXPECT_EQ((*steps)[1]->cluster, "default/log");
  EXPECT_EQ((*steps)[2]->cluster, "default/log");
}

TEST(ExpandRefinementTest, TakesRetriesAndTimeoutFromTheRefiningStepAndEffectsFromTheSignature) {
  Refining refining;
  refining.parent->retry.limit = 4;
  refining.parent->timeout = std::chrono::seconds(3);
  refining.signatures[1].effect = Effect::kIdempotent;
  refining.signatures[1].passed_inputs = {"*"};
  RefinedStep& put = refining.Add("log", "put");
  put.arguments = R"({"key":"k"})";
  put.inputs = {{"data", -1, "base"}};
  const auto steps = refining.Expand();
  ASSERT_TRUE(steps.ok()) << steps.status();
  const Step& step = *steps->front();
  EXPECT_EQ(step.retry.limit, 4);
  EXPECT_EQ(step.timeout, std::chrono::seconds(3));
  EXPECT_EQ(step.effect, Effect::kIdempotent);
  EXPECT_EQ(step.arguments, R"({"key":"k"})");
  EXPECT_TRUE(step.bound[0].passed);
}

// promise: G-22, H-32
TEST(ExpandRefinementTest, IsDeterministicSoFarOnlyIfAllItStandsOnIs) {
  for (const bool parent : {true, false}) {
    for (const bool first : {true, false}) {
      Refining refining;
      refining.parent->deterministic_so_far = parent;
      refining.signatures[0].deterministic = first;
      refining.signatures[1].effect = Effect::kIdempotent;
      refining.Add(".", "multiply");
      refining.Add("log", "put").after = {0};
      const auto steps = refining.Expand();
      ASSERT_TRUE(steps.ok()) << steps.status();
      EXPECT_EQ((*steps)[0]->deterministic_so_far, parent && first);
      EXPECT_EQ((*steps)[1]->deterministic_so_far, parent && first);
      EXPECT_FALSE((*steps)[0]->waits_for_record) << "it has no effect";
      EXPECT_EQ((*steps)[1]->waits_for_record, !(parent && first));
    }
  }
}

// What an adaptor answers is hostile: each of these is refused with the reason.
TEST(ExpandRefinementTest, RefusesNoSteps) { Refining().ExpectRefused("no steps"); }

// promise: B-24
TEST(ExpandRefinementTest, RefusesWhatIsNotDeclared) {
  Refining refining;
  refining.Add(".", "shutdown");
  refining.ExpectRefused("refined step 0 is default/math:shutdown, which work does not declare");
  Refining undeclared;
  undeclared.parent->refines_to.clear();
  undeclared.Add();
  undeclared.ExpectRefused("does not declare in refinesTo");
  Refining elsewhere;
  elsewhere.Add("other/log", "put");
  elsewhere.ExpectRefused("other/log:put");
  Refining unsigned_one;
  unsigned_one.signatures.clear();
  unsigned_one.Add();
  unsigned_one.ExpectRefused("does not declare in refinesTo");
}

TEST(ExpandRefinementTest, RefusesInputsThatThereAreNot) {
  for (const int step : {-1, 0, 1, 1'000'000}) {
    Refining refining;
    refining.Add().inputs = {{"a", step, ""}};
    refining.ExpectRefused("takes an input from a step that is not above it");
  }
  for (const int step : {-1, 0, 7}) {
    Refining refining;
    refining.Add().after = {step};
    refining.ExpectRefused("comes after a step that is not above it");
  }
  Refining refining;
  refining.Add().inputs = {{"a", -1, "exponent"}};
  refining.ExpectRefused("takes over input \"exponent\", which the refining step has not");
}

TEST(ExpandRefinementTest, RefusesAStepThatLeadsNowhere) {
  Refining refining;
  refining.Add();
  refining.Add();
  refining.ExpectRefused("refined step 0 leads nowhere");
}

// promise: L-02
TEST(ExpandRefinementTest, BoundsInputs) {
  Refining refining;
  refining.Add().inputs.assign(kMaxInputs, {"a", -1, "base"});
  EXPECT_TRUE(refining.Expand().ok());
  refining.steps[0].inputs.push_back({"a", -1, "base"});
  refining.ExpectRefused("too many inputs");
}

// promise: L-01
TEST(ExpandRefinementTest, BoundsStepsWithTheRefiningOneCounted) {
  Refining refining;
  refining.Add();
  for (size_t i = 1; i < kMaxSteps - 1; ++i) refining.Add().after = {static_cast<int>(i) - 1};
  EXPECT_TRUE(refining.Expand().ok()) << refining.Expand().status();
  refining.Add().after = {static_cast<int>(kMaxSteps) - 2};
  refining.ExpectRefused("a run has at most 256");
}

}  // namespace
}  // namespace fractos
