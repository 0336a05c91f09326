// Compile, on the devices of devices.h.
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/plan/plan.h"
#include "tests/unit/lib/plan/devices.h"

namespace fractos {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST(CompileTest, AStepHasEverythingItNeeds) {
  const Plan plan = Compiled(
      "  mode: Centralized\n  deadline: 2m\n  steps:\n"
      "  - {name: a, device: tool, operation: chance}\n"
      "  - {name: b, device: tool, operation: pass, inputs: {data: a, more: a}, after: [a], when: "
      "{input: more, equals: x}, retry: {limit: 2, backoff: 1s}, timeout: 3s}\n");
  EXPECT_EQ(plan.name, "g");
  EXPECT_EQ(plan.mode, Mode::kCentralized);
  EXPECT_EQ(plan.deadline, std::chrono::minutes(2));
  ASSERT_THAT(plan.steps, SizeIs(2));
  EXPECT_THAT(plan.on_failure, IsEmpty());
  EXPECT_THAT(plan.clusters, ElementsAre("default/tool"));
  EXPECT_THAT(plan.signatures, IsEmpty());
  const Step& a = *plan.steps[0];
  EXPECT_EQ(a.path, "a");
  EXPECT_EQ(a.operation, "chance");
  EXPECT_EQ(a.arguments, "{}");
  EXPECT_EQ(a.timeout, seconds(30));
  EXPECT_EQ(a.retry.limit, 0);
  EXPECT_EQ(a.retry.backoff, milliseconds(50));
  EXPECT_EQ(a.effect, Effect::kNone);
  const Step& b = *plan.steps[1];
  EXPECT_THAT(b.inputs, ElementsAre(InputEdge{"data", "a", true}, InputEdge{"more", "a", false}));
  EXPECT_THAT(b.after, ElementsAre("a"));
  EXPECT_EQ(b.when->operand, "x");
  EXPECT_EQ(b.retry.limit, 2);
  EXPECT_EQ(b.retry.backoff, seconds(1));
  EXPECT_EQ(b.timeout, seconds(3));
  EXPECT_THAT(b.bound, IsEmpty());
}

// promise: G-02
TEST(CompileTest, PredecessorsComeBeforeSuccessors) {
  const Plan plan = Compiled(
      "  steps:\n  - {name: z, device: tool, operation: chance}\n"
      "  - {name: 'y', device: tool, operation: pass, inputs: {data: z}}\n"
      "  - {name: a, device: tool, operation: pass, inputs: {data: z}, after: ['y']}\n"
      "  - {name: m, device: tool, operation: pass, inputs: {data: a, more: 'y'}}\n");
  std::set<StepPath> above;
  for (const StepPtr& step : plan.steps) {
    for (const StepPath& predecessor : step->Predecessors()) {
      EXPECT_TRUE(above.contains(predecessor)) << predecessor << " comes after " << step->path;
    }
    above.insert(step->path);
  }
  EXPECT_THAT(above, SizeIs(4));
}

// promise: G-14
TEST(CompileTest, TheSameGraphGivesTheSamePlan) {
  const auto text = [] {
    const Plan plan = Compiled(
        "  parameters: [{name: 'n', value: \"5\"}]\n  steps:\n"
        "  - {name: a, device: tool, operation: take, arguments: {text: $(parameters.n)}}\n"
        "  - {name: b, device: tool, operation: join, inputs: {first: a, z: a, 'y': a}}\n");
    std::string all = absl::StrJoin(plan.clusters, ",");
    for (const StepPtr& step : plan.steps) {
      absl::StrAppend(&all, "\n", step->path, " ", step->cluster, " ", step->operation, " ",
                      step->arguments, " ", step->deterministic_so_far);
      for (const InputEdge& edge : step->inputs) absl::StrAppend(&all, " ", edge.input, edge.from);
    }
    for (const OperationSignature& signature : plan.signatures) {
      absl::StrAppend(&all, "\n", signature.Key());
    }
    return all;
  };
  const std::string once = text();
  EXPECT_THAT(once, HasSubstr("b default/tool join"));
  for (int i = 0; i < 10; ++i) EXPECT_EQ(text(), once);
}

TEST(CompileTest, TheTimeoutIsThirtySecondsOrTheDeadline) {
  const auto timeout = [](absl::string_view deadline) {
    return Compiled(absl::StrCat("  deadline: ", deadline,
                                 "\n  steps: [{name: s, device: tool, operation: chance}]\n"))
        .steps[0]
        ->timeout;
  };
  EXPECT_EQ(timeout("1h"), seconds(30));
  EXPECT_EQ(timeout("30s"), seconds(30));
  EXPECT_EQ(timeout("29s"), seconds(29));
}

TEST(CompileTest, VariadicInputsArePassedAsDeclared) {
  const Plan plan = Compiled(
      "  steps:\n  - {name: a, device: tool, operation: chance}\n"
      "  - {name: b, device: tool, operation: join, inputs: {first: a, x: a}}\n");
  EXPECT_FALSE(plan.steps[1]->inputs[0].passed);
  EXPECT_TRUE(plan.steps[1]->inputs[1].passed);
}

TEST(CompileTest, SinksAreWhatNothingFollows) {
  const Plan plan = Compiled(
      "  steps:\n  - {name: a, device: tool, operation: chance}\n"
      "  - {name: b, device: tool, operation: pass, inputs: {data: a}}\n"
      "  - {name: c, device: tool, operation: chance, after: [a]}\n"
      "  - {name: d, device: tool, operation: chance}\n"
      "  onFailure:\n  - {name: e, device: tool, operation: pass, inputs: {data: d}}\n"
      "  - {name: f, device: tool, operation: pass, inputs: {data: e}}\n"
      "  - {name: g, device: tool, operation: chance, after: [b]}\n");
  EXPECT_THAT(plan.Sinks(), ElementsAre("b", "c", "d"));
  EXPECT_THAT(plan.FailureSinks(), ElementsAre("f", "g"));
}

// A step waits for the record if its effect is idempotent and not all its ancestors are
// deterministic.
TEST(CompileTest, AnEffectWaitsWhenAnAncestorIsNotDeterministic) {
  const Plan plan = Compiled(
      "  steps:\n  - {name: root, device: tool, operation: write}\n"
      "  - {name: sure, device: tool, operation: take}\n"
      "  - {name: w1, device: tool, operation: write, inputs: {data: sure}}\n"
      "  - {name: dice, device: tool, operation: chance}\n"
      "  - {name: mid, device: tool, operation: pass, inputs: {data: dice}}\n"
      "  - {name: w2, device: tool, operation: write, inputs: {data: mid}}\n"
      "  - {name: w3, device: tool, operation: write, inputs: {data: sure}, after: [dice]}\n"
      "  - {name: w4, device: tool, operation: write, inputs: {data: sure, x: root}}\n"
      "  - {name: roll, device: tool, operation: roll}\n"
      "  - {name: w5, device: tool, operation: write, inputs: {data: roll}}\n");
  std::vector<std::string> waiting, so_far;
  for (const StepPtr& step : plan.steps) {
    if (step->waits_for_record) waiting.push_back(step->path);
    if (step->deterministic_so_far) so_far.push_back(step->path);
  }
  EXPECT_THAT(waiting, ElementsAre("w2", "w3", "w5"));
  EXPECT_THAT(so_far, ElementsAre("root", "sure", "w1", "w4"));
}

// Main-step ancestors count as recorded; so only onFailure ancestors matter.
TEST(CompileTest, InOnFailureOnlyItsOwnAncestorsMatter) {
  const Plan plan = Compiled(
      "  steps:\n  - {name: dice, device: tool, operation: chance}\n"
      "  onFailure:\n  - {name: w1, device: tool, operation: write}\n"
      "  - {name: w2, device: tool, operation: write, inputs: {data: dice}}\n"
      "  - {name: more, device: tool, operation: chance}\n"
      "  - {name: w3, device: tool, operation: write, inputs: {data: dice, x: more}}\n"
      "  - {name: w4, device: tool, operation: write, inputs: {data: w2}}\n");
  std::vector<std::string> waiting;
  for (const StepPtr& step : plan.on_failure) {
    if (step->waits_for_record) waiting.push_back(step->path);
  }
  EXPECT_THAT(waiting, ElementsAre("w3"));
  EXPECT_TRUE(plan.on_failure[1]->deterministic_so_far);
  EXPECT_FALSE(plan.on_failure[3]->deterministic_so_far);
  EXPECT_TRUE(plan.on_failure[4]->deterministic_so_far);
}

// Every operation reachable through refines_to transitively from any step.
TEST(CompileTest, SignaturesOfAllThatStepsMayRefineTo) {
  const Plan plan = Compiled("  steps: [{name: s, device: other/tool, operation: grow}]\n");
  EXPECT_THAT(plan.steps[0]->refines_to, ElementsAre("other/far:step", "other/tool:pass"));
  EXPECT_TRUE(plan.steps[0]->deterministic_so_far);
  ASSERT_THAT(plan.signatures, SizeIs(3));
  EXPECT_THAT(plan.clusters, ElementsAre("other/far", "other/tool"));
  const OperationSignature* step = Find(plan, "other/far:step");
  ASSERT_NE(step, nullptr);
  EXPECT_EQ(step->effect, Effect::kIdempotent);
  EXPECT_TRUE(step->deterministic);
  EXPECT_THAT(step->passed_inputs, ElementsAre("a", "*"));
  EXPECT_THAT(step->refines_to, ElementsAre("other/far:back", "other/tool:pass"));
  const OperationSignature* back = Find(plan, "other/far:back");
  ASSERT_NE(back, nullptr);
  EXPECT_EQ(back->effect, Effect::kNone);
  EXPECT_TRUE(back->deterministic);  // although it is in a cycle
  EXPECT_NE(Find(plan, "other/tool:pass"), nullptr);
}

TEST(CompileTest, AnOperationMayRefineToItself) {
  const Plan plan = Compiled("  steps: [{name: s, device: tool, operation: loop}]\n");
  ASSERT_THAT(plan.signatures, SizeIs(1));
  EXPECT_EQ(plan.signatures[0].Key(), "default/tool:loop");
  EXPECT_TRUE(plan.signatures[0].deterministic);
  EXPECT_TRUE(plan.steps[0]->deterministic_so_far);
}

TEST(CompileTest, WhatMayBecomeAnythingIsNotDeterministic) {
  const Plan plan = Compiled("  steps: [{name: s, device: tool, operation: roll}]\n");
  EXPECT_FALSE(plan.steps[0]->deterministic_so_far);
  ASSERT_THAT(plan.signatures, SizeIs(1));
  EXPECT_FALSE(plan.signatures[0].deterministic);
}

TEST(CompileTest, AnInvalidGraphGivesItsFirstDiagnostic) {
  const Documents documents =
      ParseDocuments(File("  steps: [{name: s, device: toool, operation: a, timeout: 0s}]\n"), "f");
  const absl::Status status = Compile(documents.graphs[0], Devices(), {}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(),
            "f:5:29: spec.steps[0].device: there is no device \"toool\", did you mean \"tool\"?");
}

TEST(CompileTest, AGraphWithoutANameIsCalledByItsPrefix) {
  const Documents documents = ParseDocuments(
      "apiVersion: fractos.dev/v1alpha1\nkind: TaskGraph\nmetadata: {generateName: cats-}\nspec: "
      "{steps: [{name: s, device: tool, operation: chance}]}",
      "f");
  EXPECT_EQ(Compile(documents.graphs[0], Devices(), {})->name, "cats");
}

}  // namespace
}  // namespace fractos
