// Validate, on the devices of devices.h.
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
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// ---- Parameters ----

// promise: G-03, B-15
TEST(ParametersTest, EachHasAValueFromTheGraphOrTheRun) {
  const std::string spec =
      "  parameters: [{name: a, value: x}, {name: b}]\n"
      "  steps: [{name: s, device: tool, operation: take, arguments: {text: "
      "$(parameters.a)$(parameters.b)}}]\n";
  EXPECT_EQ(
      Check(spec),
      "f:5:37: spec.parameters[1]: the parameter \"b\" has no value: give one here, or for this "
      "run with -p b=VALUE\n");
  EXPECT_EQ(Check(spec, {{"b", ""}}), "");
  EXPECT_EQ(Compiled(spec, {{"b", "y"}}).steps[0]->arguments, R"({"text":"xy"})");
  EXPECT_EQ(Compiled(spec, {{"b", "y"}, {"a", "z"}}).steps[0]->arguments, R"({"text":"zy"})");
  EXPECT_EQ(Check(spec, {{"b", "y"}, {"aa", "z"}}),
            "f: parameter \"aa\": the graph has no such parameter\n");
  EXPECT_THAT(Check("  parameters: [{name: image, value: x}]\n  steps: [{name: s, device: tool, "
                    "operation: take}]\n",
                    {{"imgae", "z"}}),
              HasSubstr("the graph has no such parameter, did you mean \"image\"?"));
}

TEST(ParametersTest, ValuesAreAtMost4KiB) {
  const auto in_file = [](size_t size) {
    return Check(absl::StrCat("  parameters: [{name: a, value: ", std::string(size, 'x'),
                              "}]\n  steps: [{name: s, device: tool, operation: chance}]\n"));
  };
  EXPECT_EQ(in_file(kMaxParameterBytes), "");
  EXPECT_THAT(in_file(kMaxParameterBytes + 1),
              HasSubstr("spec.parameters[0].value: is 4097 bytes long, at most 4096"));
  const auto given = [](size_t size) {
    return Check(
        "  parameters: [{name: a}]\n  steps: [{name: s, device: tool, operation: chance}]\n",
        {{"a", std::string(size, 'x')}});
  };
  EXPECT_EQ(given(kMaxParameterBytes), "");
  EXPECT_THAT(given(kMaxParameterBytes + 1), HasSubstr("f: parameter \"a\": is 4097 bytes long"));
}

TEST(ParametersTest, ThereAreAtMost64WithProperNames) {
  const auto faults = [](size_t count) {
    TaskGraph graph;
    graph.name = "g";
    graph.steps.push_back({});
    graph.steps[0].name = "s";
    graph.steps[0].device = "tool";
    graph.steps[0].operation = "chance";
    for (size_t i = 0; i < count; ++i) graph.parameters.push_back({absl::StrCat("p", i), "v", {}});
    return Validate(graph, Devices(), {});
  };
  EXPECT_THAT(faults(kMaxParameters), IsEmpty());
  EXPECT_THAT(faults(kMaxParameters + 1), SizeIs(1));
  EXPECT_THAT(Check("  parameters: [{name: 1a, value: x}]\n  steps: [{name: s, device: tool, "
                    "operation: chance}]\n"),
              HasSubstr("spec.parameters[0].name: must be a letter"));
}

// A few references to a large value must not make a huge plan out of a small file.
TEST(ParametersTest, ArgumentsTakeAtMost256KiBTogether) {
  const auto faults = [](int references, int extra) {
    std::string text;
    for (int i = 0; i < references; ++i) text += "$(parameters.p)";
    return Check(absl::StrCat(
        "  parameters: [{name: p, value: ", std::string(4096, 'x'),
        "}]\n  steps:\n  - {name: s, device: tool, operation: take, "
        "arguments: {text: ",
        text, std::string(extra, 'y'),
        "}}\n  - {name: t, device: tool, operation: take, arguments: {text: ", text, "}}\n"));
  };
  EXPECT_EQ(faults(32, 0), "");
  const std::string over = faults(32, 1);
  EXPECT_THAT(over, HasSubstr("arguments are more than 262144 bytes"));
  EXPECT_EQ(over.find("more than"), over.rfind("more than"));  // said once
}

// ---- References ----

TEST(ReferencesTest, OnFailureMayReferToMainStepsAndToItsOwnAbove) {
  const auto faults = [](absl::string_view b) {
    return Check(
        absl::StrCat("  steps:\n  - {name: m, device: tool, operation: chance}\n  onFailure:\n"
                     "  - {name: a, device: tool, operation: chance}\n"
                     "  - {name: b, device: tool, operation: pass, inputs: {data: ",
                     b, "}}\n  - {name: c, device: tool, operation: chance}\n"));
  };
  EXPECT_EQ(faults("m"), "");
  EXPECT_EQ(faults("a"), "");
  EXPECT_THAT(faults("b"),
              HasSubstr("spec.onFailure[1].inputs.data: a step cannot refer to itself"));
  EXPECT_THAT(faults("c"), HasSubstr("\"c\" stands below"));
  EXPECT_THAT(faults("d"), HasSubstr("there is no step \"d\""));
}

TEST(ReferencesTest, InputNamesAreIdentifiers) {
  EXPECT_THAT(CheckStep("join", "inputs: {\"a/b\": s}"), HasSubstr("inputs.a/b: must be a letter"));
}

TEST(ReferencesTest, TheSameStepMayFeedSeveralInputsAndStandInAfter) {
  EXPECT_EQ(CheckStep("join", "inputs: {a: s, b: s}, after: [s]"), "");
}

// ---- Limits ----

// promise: B-12
TEST(LimitsTest, StepsOfBothListsTogether) {
  const auto faults = [](size_t steps, size_t on_failure) {
    std::string spec = "  steps:\n";
    for (size_t i = 0; i < steps; ++i) {
      absl::StrAppend(&spec, "  - {name: s", i, ", device: tool, operation: chance}\n");
    }
    if (on_failure > 0) spec += "  onFailure:\n";
    for (size_t i = 0; i < on_failure; ++i) {
      absl::StrAppend(&spec, "  - {name: f", i, ", device: tool, operation: chance}\n");
    }
    return Check(spec);
  };
  EXPECT_EQ(faults(256, 0), "");
  EXPECT_EQ(faults(1, 255), "");
  EXPECT_EQ(faults(257, 0),
            "f:262:5: spec.steps: the graph has 257 steps, at most 256 are allowed\n");
  EXPECT_EQ(faults(256, 1),
            "f:263:5: spec.onFailure: the graph has 257 steps, at most 256 are allowed\n");
}

TEST(LimitsTest, ThirtyTwoInputs) {
  const auto faults = [](int count) {
    std::vector<std::string> inputs;
    for (int i = 0; i < count; ++i) inputs.push_back(absl::StrCat("i", i, ": s"));
    return CheckStep("join", absl::StrCat("inputs: {", absl::StrJoin(inputs, ", "), "}"));
  };
  EXPECT_EQ(faults(31), "");
  EXPECT_EQ(faults(32), "");
  EXPECT_THAT(faults(33), HasSubstr("inputs: has 33 entries, at most 32 are allowed"));
}

// promise: G-10, L-12
TEST(LimitsTest, TheDeadlineIsOneMillisecondToOneHour) {
  const auto faults = [](absl::string_view deadline) {
    return Check(absl::StrCat("  deadline: ", deadline,
                              "\n  steps: [{name: s, device: tool, operation: chance}]\n"));
  };
  EXPECT_EQ(faults("1ms"), "");
  EXPECT_EQ(faults("1h"), "");
  EXPECT_EQ(faults("999us"), "f:5:13: spec.deadline: must be 1ms to 1h, not 999us\n");
  EXPECT_THAT(faults("3600001ms"), HasSubstr("must be 1ms to 1h"));
}

TEST(LimitsTest, TimeoutAndBackoffArePositiveAndWithinTheDeadline) {
  EXPECT_EQ(CheckStep("chance", "timeout: 60s"), "");
  EXPECT_EQ(CheckStep("chance", "timeout: 1ns"), "");
  EXPECT_THAT(CheckStep("chance", "timeout: 60001ms"),
              HasSubstr("timeout: must be more than 0s and at most the deadline, 1m, not 60001ms"));
  EXPECT_THAT(CheckStep("chance", "timeout: 0s"), HasSubstr("must be more than 0s"));
  EXPECT_EQ(CheckStep("chance", "retry: {limit: 1, backoff: 60s}"), "");
  EXPECT_THAT(CheckStep("chance", "retry: {limit: 1, backoff: 61s}"),
              HasSubstr("retry.backoff: must be more than 0s"));
  EXPECT_EQ(Check("  deadline: 10ms\n  steps: [{name: s, device: tool, operation: chance, retry: "
                  "{limit: 1}}]\n"),
            "");
}

TEST(LimitsTest, GraphsMadeInCodeAreCheckedToo) {
  TaskGraph graph;
  EXPECT_THAT(Validate(graph, Devices(), {}), SizeIs(2));  // no name, no steps
  graph.name = "g";
  graph.ns = "No";
  graph.steps.resize(1);
  TaskGraphStep& step = graph.steps[0];
  step.name = "s";
  step.device = "default/tool";
  step.operation = "chance";
  EXPECT_THAT(Validate(graph, Devices(), {}), SizeIs(1));
  graph.ns = "default";
  EXPECT_THAT(Validate(graph, Devices(), {}), IsEmpty());
  step.retry = RetrySpec{-1, milliseconds(50)};
  EXPECT_THAT(Validate(graph, Devices(), {}), SizeIs(1));
  step.retry = RetrySpec{11, milliseconds(50)};
  EXPECT_THAT(Validate(graph, Devices(), {}), SizeIs(1));
  step.retry.reset();
  step.arguments = "[";
  EXPECT_THAT(Validate(graph, Devices(), {}), SizeIs(1));
  step.arguments = "[]";
  EXPECT_EQ(Validate(graph, Devices(), {})[0].message, "must be a map");
  step.arguments = "{}";
  step.operation = "join";
  graph.steps.insert(graph.steps.begin(), step);
  graph.steps[0].name = "first";
  graph.steps[0].operation = "chance";
  graph.steps[1].inputs = {{"a", "first"}, {"a", "first"}};
  ASSERT_THAT(Validate(graph, Devices(), {}), SizeIs(1));
  EXPECT_EQ(Validate(graph, Devices(), {})[0].ToString(), "spec.steps[1].inputs.a: is there twice");
}

TEST(LimitsTest, AtMostAHundredFaultsAreListed) {
  std::string spec = "  steps:\n";
  for (int i = 0; i < 200; ++i)
    absl::StrAppend(&spec, "  - {name: s", i, ", device: nobody, operation: x}\n");
  EXPECT_THAT(Validate(ParseDocuments(File(spec), "f").graphs[0], Devices(), {}), SizeIs(100));
}

// ---- Devices and operations ----

// promise: G-04
TEST(DevicesTest, ADeviceIsOfTheGraphsNamespaceUnlessItSaysMore) {
  EXPECT_EQ(
      Compiled("  steps: [{name: s, device: other/tool, operation: chance}]\n").steps[0]->cluster,
      "other/tool");
  EXPECT_EQ(Compiled("  steps: [{name: s, device: tool, operation: chance}]\n").steps[0]->cluster,
            "default/tool");
  EXPECT_THAT(Check("  steps: [{name: s, device: other/tol, operation: chance}]\n"),
              HasSubstr("there is no device \"other/tol\", did you mean \"other/tool\"?"));
  EXPECT_THAT(Check("  steps: [{name: s, device: toool, operation: chance}]\n"),
              HasSubstr("did you mean \"tool\"?"));
  EXPECT_THAT(Check("  steps: [{name: s, device: /tool, operation: chance}]\n"),
              HasSubstr("must be \"name\" or \"namespace/name\""));
}

// "unless undescribed names it: its operations cannot be checked yet".
TEST(DevicesTest, WhatHasNotDescribedItselfYetIsNotChecked) {
  const std::string file =
      File("  steps: [{name: s, device: later, operation: x, arguments: {a: b}}]\n");
  EXPECT_THAT(Faults(file, "f", Devices()), HasSubstr("there is no device \"later\""));
  EXPECT_EQ(Faults(file, "f", Devices(), {}, {"default/later"}), "");
  EXPECT_THAT(Faults(file, "f", Devices(), {}, {"other/later"}), HasSubstr("there is no device"));
  EXPECT_THAT(Faults(File("  steps: [{name: s, device: later, operation: a/b}]\n"), "f", {}, {},
                     {"default/later"}),
              HasSubstr("operation: must be a letter"));
  // A reference in its arguments is, all the same.
  EXPECT_THAT(
      Faults(File("  steps: [{name: s, device: later, operation: x, arguments: {a: $(b)}}]\n"), "f",
             {}, {}, {"default/later"}),
      HasSubstr("unknown reference"));
}

TEST(DevicesTest, ArgumentsAndInputsMustBeKnown) {
  EXPECT_THAT(
      CheckStep("take", "arguments: {texxt: a}"),
      HasSubstr("arguments.texxt: \"take\" has no argument \"texxt\", did you mean \"text\"?"));
  EXPECT_THAT(CheckStep("pass", "arguments: {a: b}"), HasSubstr("\"pass\" takes no arguments"));
  EXPECT_THAT(CheckStep("pass", "inputs: {dta: s}"),
              HasSubstr("inputs.dta: \"pass\" has no input \"dta\", did you mean \"data\"?"));
  EXPECT_THAT(CheckStep("take", "inputs: {a: s}"), HasSubstr("\"take\" takes no inputs"));
}

// An argument that has an input of the same name may be met by the input; giving both is an error.
TEST(DevicesTest, AnArgumentOrTheInputOfTheSameName) {
  for (const char* operation : {"either", "needs"}) {
    EXPECT_EQ(CheckStep(operation, "arguments: {x: 1}"), "");
    EXPECT_EQ(CheckStep(operation, "inputs: {x: s}"), "");
    EXPECT_THAT(CheckStep(operation, "inputs: {x: s}, arguments: {x: 1}"),
                HasSubstr("inputs.x: is given as an argument, too"));
  }
  EXPECT_THAT(CheckStep("either", "after: []"),
              HasSubstr("arguments.x: is required by \"either\", here or as an input"));
  EXPECT_THAT(CheckStep("needs", "after: []"), HasSubstr("inputs.x: is required by \"needs\""));
}

TEST(DevicesTest, ARequiredVariadicInputNeedsAtLeastOne) {
  EXPECT_THAT(CheckStep("join", "after: []"),
              HasSubstr("inputs: \"join\" needs at least one input"));
  EXPECT_THAT(CheckStep("join", "inputs: {first: s}"), HasSubstr("needs at least one input"));
  EXPECT_EQ(CheckStep("join", "inputs: {anything: s}"), "");
}

// A refines_to naming a cluster that descriptions lacks is a diagnostic on the step.
TEST(DevicesTest, RefinementsMustLeadSomewhere) {
  EXPECT_EQ(
      CheckStep("stray", "after: []"),
      "f:8:41: spec.steps[1].operation: \"stray\" may continue with \"default/far:lost\", but "
      "the device \"default/far\" has no operation \"lost\"\n"
      "f:8:41: spec.steps[1].operation: \"stray\" may continue with \"default/nowhere:x\", but "
      "there is no device \"default/nowhere\"\n");
  EXPECT_THAT(Faults(File("  steps: [{name: s, device: tool, operation: stray}]\n"), "f", Devices(),
                     {}, {"default/nowhere"}),
              HasSubstr("has no operation \"lost\""));
}

TEST(WhenTest, ComparesAnInputOfTheStep) {
  EXPECT_EQ(CheckStep("pass", "inputs: {data: s}, when: {input: data, equals: a}"), "");
  EXPECT_EQ(CheckStep("pass", "inputs: {data: s}, when: {input: data, notEquals: 'a('}"), "");
  EXPECT_EQ(CheckStep("pass", "inputs: {data: s}, when: {input: data, matches: 'a(b|c)*'}"), "");
  EXPECT_THAT(CheckStep("pass", "inputs: {data: s}, when: {input: more, equals: a}"),
              HasSubstr("when.input: the step has no input \"more\""));
  EXPECT_THAT(
      CheckStep("pass", "inputs: {data: s}, when: {input: data, notEquals: $(parameters.n)}"),
      HasSubstr("when.notEquals: parameters can be used in arguments only"));
  EXPECT_THAT(CheckStep("pass", "inputs: {data: s}, when: {input: data, matches: '('}"),
              HasSubstr("when.matches: is no regular expression"));
  const auto operand = [](size_t size) {
    return CheckStep("pass", absl::StrCat("inputs: {data: s}, when: {input: data, equals: ",
                                          std::string(size, 'x'), "}"));
  };
  EXPECT_EQ(operand(kMaxParameterBytes), "");
  EXPECT_THAT(operand(kMaxParameterBytes + 1), HasSubstr("when.equals: is 4097 bytes long"));
}

}  // namespace
}  // namespace fractos
