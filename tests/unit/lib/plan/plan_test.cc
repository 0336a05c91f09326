// Validate and Compile on the devices of this file.
#include "lib/plan/plan.h"

#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/plan/arguments.h"
#include "lib/plan/template.h"
#include "lib/plan/yaml.h"
#include "tests/unit/lib/plan/shipped.h"

namespace fractos {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// Every kind of argument and input, and refinements over three clusters, one with a cycle.
constexpr char kTool[] = R"({"device":"tool","operations":[
  {"name":"take","deterministic":true,
   "arguments":[{"name":"text","type":"string"},{"name":"count","type":"integer"},
                {"name":"ratio","type":"number"},{"name":"flag","type":"boolean"},
                {"name":"list","type":"strings"},{"name":"map","type":"object"},
                {"name":"color","type":"string","values":["red","green"]},
                {"name":"colors","type":"strings","values":["red","green"]}]},
  {"name":"pass","deterministic":true,"inputs":[{"name":"data","passed":true},{"name":"more"}]},
  {"name":"join","deterministic":true,"inputs":[{"name":"first"},{"name":"rest","variadic":true,"required":true,"passed":true}]},
  {"name":"either","arguments":[{"name":"x","type":"integer","required":true}],"inputs":[{"name":"x"}]},
  {"name":"needs","inputs":[{"name":"x","required":true}],"arguments":[{"name":"x","type":"integer"}]},
  {"name":"chance"},
  {"name":"write","deterministic":true,"effect":"idempotent","inputs":[{"name":"data"},{"name":"others","variadic":true}]},
  {"name":"loop","deterministic":true,"refinesTo":["./loop"]},
  {"name":"grow","deterministic":true,"refinesTo":["far/step","./pass"]},
  {"name":"roll","deterministic":true,"refinesTo":["./chance"]},
  {"name":"stray","deterministic":true,"refinesTo":["nowhere/x","far/lost"]}]})";
constexpr char kFar[] = R"({"device":"far","operations":[
  {"name":"step","deterministic":true,"effect":"idempotent","refinesTo":["tool/pass","./back"],
   "inputs":[{"name":"a","passed":true},{"name":"b"},{"name":"c","variadic":true,"passed":true}]},
  {"name":"back","deterministic":true,"refinesTo":["./step"]}]})";

Descriptions Devices() {
  return {{"default/tool", *ParseDeviceDescription(kTool)},
          {"default/far", *ParseDeviceDescription(kFar)},
          {"other/tool", *ParseDeviceDescription(kTool)},
          {"other/far", *ParseDeviceDescription(kFar)}};
}

std::string File(absl::string_view spec) {
  return absl::StrCat("apiVersion: fractos.dev/v1alpha1\nkind: TaskGraph\nmetadata: {name: g}\n",
                      "spec:\n", spec);
}

std::string Check(absl::string_view spec, const ParameterValues& parameters = {}) {
  return Faults(File(spec), "f", Devices(), parameters);
}

// What is wrong with a step that runs `operation` of tool and has `rest`, after a step "s".
std::string CheckStep(absl::string_view operation, absl::string_view rest) {
  return Check(absl::StrCat("  parameters: [{name: n, value: \"5\"}, {name: big, value: ",
                            "\"18446744073709551616\"}, {name: t, value: \"true\"}, ",
                            "{name: r, value: red}, {name: d, value: \"2.5\"}]\n",
                            "  steps:\n  - {name: s, device: tool, operation: chance}\n",
                            "  - {name: it, device: tool, operation: ", operation, ", ", rest,
                            "}\n"));
}

Plan Compiled(absl::string_view spec, const ParameterValues& parameters = {}) {
  const Documents documents = ParseDocuments(File(spec), "f");
  EXPECT_THAT(documents.diagnostics, IsEmpty());
  if (documents.graphs.empty()) return Plan();
  absl::StatusOr<Plan> plan = Compile(documents.graphs[0], Devices(), parameters);
  EXPECT_TRUE(plan.ok()) << plan.status();
  return plan.ok() ? *std::move(plan) : Plan();
}

// The arguments that a step of `take` gets, in the main list or in onFailure.
std::string Taken(absl::string_view arguments, const ParameterValues& parameters = {}) {
  return Compiled(absl::StrCat("  parameters: [{name: n, value: \"5\"}, {name: e, value: \"\"}]\n",
                               "  steps: [{name: a, device: tool, operation: take, arguments: ",
                               arguments, "}]\n"),
                  parameters)
      .steps[0]
      ->arguments;
}
std::string TakenOnFailure(absl::string_view arguments, const ParameterValues& parameters = {}) {
  return Compiled(absl::StrCat("  parameters: [{name: n, value: \"5\"}]\n",
                               "  steps: [{name: a, device: tool, operation: chance}]\n",
                               "  onFailure: [{name: b, device: tool, operation: take, arguments: ",
                               arguments, "}]\n"),
                  parameters)
      .on_failure[0]
      ->arguments;
}

const OperationSignature* Find(const Plan& plan, const std::string& key) {
  for (const OperationSignature& signature : plan.signatures) {
    if (signature.Key() == key) return &signature;
  }
  return nullptr;
}

// ---- Arguments ----

TEST(ArgumentsTest, EachTypeTakesItsOwn) {
  EXPECT_EQ(CheckStep("take",
                      "arguments: {text: a, count: 5, ratio: 2.5, flag: true, list: [a, b], "
                      "map: {a: [1]}, color: red, colors: [green, red]}"),
            "");
  EXPECT_EQ(CheckStep("take", "arguments: {ratio: 5, count: '12', list: [], map: {}, colors: []}"),
            "");
}

TEST(ArgumentsTest, WrongTypesAreNamed) {
  const auto wrong = [](absl::string_view argument) {
    return CheckStep("take", absl::StrCat("arguments: {", argument, "}"));
  };
  EXPECT_THAT(wrong("text: 5"),
              HasSubstr("arguments.text: must be text; write it in quotes: \"5\""));
  EXPECT_THAT(wrong("text: true"), HasSubstr("must be text; write it in quotes: \"true\""));
  EXPECT_THAT(wrong("text: [a]"), HasSubstr("must be text, not a list"));
  EXPECT_THAT(wrong("text: {a: b}"), HasSubstr("must be text, not a map"));
  EXPECT_THAT(wrong("count: 1.5"), HasSubstr("must be an integer, not 1.5"));
  EXPECT_THAT(wrong("count: 1e3"), HasSubstr("must be an integer, not 1000.0"));
  EXPECT_THAT(wrong("count: true"), HasSubstr("must be an integer, not true"));
  EXPECT_THAT(wrong("count: '1x'"), HasSubstr("must be an integer, not text \"1x\""));
  EXPECT_THAT(wrong("count: ''"), HasSubstr("must be an integer, not text \"\""));
  EXPECT_THAT(wrong("ratio: '2.5'"), HasSubstr("must be a number, not text \"2.5\""));
  EXPECT_THAT(wrong("ratio: '5'"), HasSubstr("must be a number, not text \"5\""));
  EXPECT_THAT(wrong("ratio: [1]"), HasSubstr("must be a number, not a list"));
  EXPECT_THAT(wrong("flag: 'true'"), HasSubstr("must be true or false, not text \"true\""));
  EXPECT_THAT(wrong("flag: 1"), HasSubstr("must be true or false, not 1"));
  EXPECT_THAT(wrong("list: a"), HasSubstr("must be a list of texts, not text \"a\""));
  EXPECT_THAT(wrong("list: {a: b}"), HasSubstr("must be a list of texts, not a map"));
  EXPECT_THAT(wrong("list: [a, 1]"), HasSubstr("must be a list of texts, not 1"));
  EXPECT_THAT(wrong("map: a"), HasSubstr("must be a map, not text \"a\""));
  EXPECT_THAT(wrong("map: [a]"), HasSubstr("must be a map, not a list"));
  EXPECT_THAT(wrong("color: blue"), HasSubstr("must be one of red, green, not \"blue\"\n"));
  EXPECT_THAT(wrong("color: gren"), HasSubstr("not \"gren\", did you mean \"green\"?"));
  EXPECT_THAT(wrong("colors: [red, blue]"), HasSubstr("must be one of red, green, not \"blue\""));
}

// Types are checked on the substituted text.
TEST(ArgumentsTest, AWholeReferenceBecomesTheTypeThatIsWanted) {
  EXPECT_EQ(Taken("{count: $(parameters.n)}"), R"({"count":5})");
  EXPECT_EQ(Taken("{count: $(parameters.n)}", {{"n", "18446744073709551616"}}),
            R"({"count":"18446744073709551616"})");
  EXPECT_EQ(Taken("{ratio: $(parameters.n)}"), R"({"ratio":5})");
  EXPECT_EQ(Taken("{ratio: $(parameters.n)}", {{"n", "-2.5e1"}}), R"({"ratio":-25.0})");
  EXPECT_EQ(Taken("{ratio: $(parameters.n)}", {{"n", "18446744073709551616"}}),
            R"({"ratio":1.8446744073709552e+19})");
  EXPECT_EQ(Taken("{flag: $(parameters.n)}", {{"n", "true"}}), R"({"flag":true})");
  EXPECT_EQ(Taken("{flag: $(parameters.n)}", {{"n", "false"}}), R"({"flag":false})");
  EXPECT_EQ(Taken("{text: $(parameters.n)}"), R"({"text":"5"})");
  EXPECT_EQ(Taken("{color: $(parameters.n)}", {{"n", "red"}}), R"({"color":"red"})");
  EXPECT_EQ(Taken("{colors: [$(parameters.n)]}", {{"n", "red"}}), R"({"colors":["red"]})");
  EXPECT_EQ(Taken("{map: {a: [$(parameters.n), 1]}}"), R"({"map":{"a":["5",1]}})");
}

TEST(ArgumentsTest, ParametersOfTheWrongTypeAreFound) {
  const auto wrong = [](absl::string_view argument, absl::string_view value) {
    return Check(absl::StrCat("  parameters: [{name: n}]\n  steps: [{name: a, device: tool, "
                              "operation: take, arguments: {",
                              argument, "}}]\n"),
                 {{"n", std::string(value)}});
  };
  EXPECT_THAT(wrong("count: $(parameters.n)", "five"), HasSubstr("must be an integer, not text"));
  EXPECT_THAT(wrong("count: $(parameters.n)", "1.0"), HasSubstr("must be an integer"));
  EXPECT_THAT(wrong("ratio: $(parameters.n)", "inf"), HasSubstr("must be a number"));
  EXPECT_THAT(wrong("ratio: $(parameters.n)", "1e999"), HasSubstr("must be a number"));
  EXPECT_THAT(wrong("ratio: 1$(parameters.n)", "1.5"), HasSubstr("must be a number"));
  EXPECT_THAT(wrong("flag: $(parameters.n)", "yes"), HasSubstr("must be true or false"));
  EXPECT_THAT(wrong("color: $(parameters.n)", "blue"), HasSubstr("must be one of red, green"));
  EXPECT_THAT(wrong("list: $(parameters.n)", "a"), HasSubstr("must be a list of texts"));
  EXPECT_EQ(wrong("count: 1$(parameters.n)", "0"), "");
}

// Type integer accepts a JSON integer or, however big, a decimal string: equal numbers are equal
// text.
TEST(ArgumentsTest, IntegersAreCanonical) {
  EXPECT_EQ(Taken("{count: '007'}"), R"({"count":7})");
  EXPECT_EQ(Taken("{count: '+7'}"), R"({"count":7})");
  EXPECT_EQ(Taken("{count: '-0'}"), R"({"count":0})");
  EXPECT_EQ(Taken("{count: '-007'}"), R"({"count":-7})");
  EXPECT_EQ(Taken("{count: '0009223372036854775808'}"), R"({"count":"9223372036854775808"})");
  EXPECT_EQ(Taken("{count: 9223372036854775808}"), R"({"count":"9223372036854775808"})");
  EXPECT_EQ(Taken("{count: -9223372036854775808}"), R"({"count":-9223372036854775808})");
}

// promise: G-03
TEST(ArgumentsTest, ReferencesStandAnywhereInTextAndCanBeEscaped) {
  EXPECT_EQ(Taken("{text: a$(parameters.n)b$(parameters.n)}"), R"({"text":"a5b5"})");
  EXPECT_EQ(Taken("{text: $$(parameters.n)}"), R"j({"text":"$(parameters.n)"})j");
  EXPECT_EQ(Taken("{text: $$$(parameters.n)}"), R"j({"text":"$$(parameters.n)"})j");
  EXPECT_EQ(Taken("{text: '$ ( $'}"), R"({"text":"$ ( $"})");
  EXPECT_EQ(Taken("{text: $(parameters.e)}"), R"({"text":""})");
  // What a parameter holds is not looked at again.
  EXPECT_EQ(Taken("{text: $(parameters.n)}", {{"n", "$(parameters.n)"}}),
            R"j({"text":"$(parameters.n)"})j");
}

TEST(TemplateTest, PartsAndFaults) {
  using Kind = TemplatePart::Kind;
  EXPECT_THAT(
      *ParseTemplate("a$(parameters.x)$(failure.reason)$$(b"),
      ElementsAre(TemplatePart{Kind::kLiteral, "a"}, TemplatePart{Kind::kParameter, "x"},
                  TemplatePart{Kind::kFailure, "reason"}, TemplatePart{Kind::kLiteral, "$(b"}));
  EXPECT_THAT(*ParseTemplate(""), IsEmpty());
  EXPECT_THAT(ParseTemplate("$(parameters.x").status().message(), HasSubstr("is not closed"));
  EXPECT_THAT(ParseTemplate("$(x)").status().message(), HasSubstr("unknown reference \"x\""));
  EXPECT_THAT(ParseTemplate("$()").status().message(), HasSubstr("unknown reference"));
  EXPECT_THAT(ParseTemplate("$(failure.mesage)").status().message(),
              HasSubstr("not \"mesage\", did you mean \"message\"?"));
  for (const char* literal : {"$(", "a$(b)", "$$(", "$", "((", "$$$(x$("}) {
    EXPECT_THAT(*ParseTemplate(EscapeTemplate(literal)),
                ElementsAre(TemplatePart{Kind::kLiteral, literal}));
  }
}

// ---- $(failure...) ----

TEST(FailureTest, StaysUntilSubstituted) {
  const std::string arguments = TakenOnFailure(
      "{text: '$(parameters.n) $(failure.step): $(failure.reason) $(failure.message)'}");
  EXPECT_EQ(arguments, R"j({"text":"5 $(failure.step): $(failure.reason) $(failure.message)"})j");
  EXPECT_EQ(SubstituteFailure(arguments, "read", "NotFound", "no \"cat\"\n"),
            R"({"text":"5 read: NotFound no \"cat\"\n"})");
}

TEST(FailureTest, IsPutIntoListsAndMapsToo) {
  EXPECT_EQ(SubstituteFailure(
                TakenOnFailure("{list: [x, $(failure.step)], map: {a: {b: $(failure.reason)}}}"),
                "s", "R", "m"),
            R"({"list":["x","s"],"map":{"a":{"b":"R"}}})");
  EXPECT_EQ(SubstituteFailure(R"({"n":1})", "s", "R", "m"), R"({"n":1})");
}

// Neither an escape, nor a parameter, nor what failed can smuggle in a reference.
TEST(FailureTest, WhatIsLiteralStaysLiteral) {
  const auto final = [](absl::string_view text, const std::string& n) {
    return SubstituteFailure(TakenOnFailure(absl::StrCat("{text: '", text, "'}"), {{"n", n}}), "S",
                             "$(failure.step)", "M");
  };
  EXPECT_EQ(final("$$(failure.step)", ""), R"j({"text":"$(failure.step)"})j");
  EXPECT_EQ(final("$(parameters.n)", "$(failure.step)"), R"j({"text":"$(failure.step)"})j");
  EXPECT_EQ(final("$(parameters.n)(failure.step)", "$"), R"j({"text":"$(failure.step)"})j");
  EXPECT_EQ(final("$(failure.reason)", ""), R"j({"text":"$(failure.step)"})j");
  EXPECT_EQ(final("$$(a)$(failure.step)$$(b)", ""), R"j({"text":"$(a)S$(b)"})j");
}

TEST(FailureTest, LongTextsAreCutBetweenCharacters) {
  const auto text = [](const std::string& message) {
    return SubstituteFailure(R"j({"t":"$(failure.message)"})j", "s", "r", message).size() - 8;
  };
  EXPECT_EQ(text(std::string(kMaxFailureText, 'x')), kMaxFailureText);
  EXPECT_EQ(text(std::string(kMaxFailureText + 1, 'x')), kMaxFailureText);
  EXPECT_EQ(text(std::string(kMaxFailureText - 1, 'x') + "é"), kMaxFailureText - 1);
  EXPECT_EQ(text(std::string(kMaxFailureText - 2, 'x') + "é"), kMaxFailureText);
}

TEST(FailureTest, TextThatIsNoJsonIsLeftAlone) {
  EXPECT_EQ(SubstituteFailure("{", "s", "r", "m"), "{");
  EXPECT_EQ(SubstituteFailure(R"j({"t":"$(x)"})j", "s", "r", "m"), R"j({"t":"$(x)"})j");
}

TEST(FailureTest, OnlyTextInOnFailureMayUseIt) {
  EXPECT_THAT(CheckStep("take", "arguments: {text: $(failure.step)}"),
              HasSubstr("known only to steps of onFailure"));
  const auto on_failure = [](absl::string_view argument) {
    return Check(
        absl::StrCat("  steps: [{name: a, device: tool, operation: chance}]\n  onFailure: "
                     "[{name: b, device: tool, operation: take, arguments: {",
                     argument, "}}]\n"));
  };
  EXPECT_EQ(on_failure("text: $(failure.step)"), "");
  EXPECT_THAT(on_failure("count: $(failure.step)"), HasSubstr("must be an integer"));
  EXPECT_THAT(on_failure("color: $(failure.step)"), HasSubstr("cannot depend on what failed"));
}

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
  graph.name_space = "No";
  graph.steps.resize(1);
  TaskGraphStep& step = graph.steps[0];
  step.name = "s";
  step.device = "default/tool";
  step.operation = "chance";
  EXPECT_THAT(Validate(graph, Devices(), {}), SizeIs(1));
  graph.name_space = "default";
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

// ---- Compile ----

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
      "  - {name: y, device: tool, operation: pass, inputs: {data: z}}\n"
      "  - {name: a, device: tool, operation: pass, inputs: {data: z}, after: [y]}\n"
      "  - {name: m, device: tool, operation: pass, inputs: {data: a, more: y}}\n");
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
        "  parameters: [{name: n, value: \"5\"}]\n  steps:\n"
        "  - {name: a, device: tool, operation: take, arguments: {text: $(parameters.n)}}\n"
        "  - {name: b, device: tool, operation: join, inputs: {first: a, z: a, y: a}}\n");
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
