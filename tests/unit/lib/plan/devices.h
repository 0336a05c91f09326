// Devices to validate and compile graphs on, for tests.
#ifndef FRACTOS_TESTS_UNIT_LIB_PLAN_DEVICES_H_
#define FRACTOS_TESTS_UNIT_LIB_PLAN_DEVICES_H_

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "lib/plan/plan.h"
#include "lib/plan/yaml.h"
#include "tests/unit/lib/plan/shipped.h"

namespace fractos {

// Every kind of argument and input, and refinements over three clusters, one with a cycle.
inline constexpr char kTool[] = R"({"device":"tool","operations":[
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
inline constexpr char kFar[] = R"({"device":"far","operations":[
  {"name":"step","deterministic":true,"effect":"idempotent","refinesTo":["tool/pass","./back"],
   "inputs":[{"name":"a","passed":true},{"name":"b"},{"name":"c","variadic":true,"passed":true}]},
  {"name":"back","deterministic":true,"refinesTo":["./step"]}]})";

inline Descriptions Devices() {
  return {{"default/tool", *ParseDeviceDescription(kTool)},
          {"default/far", *ParseDeviceDescription(kFar)},
          {"other/tool", *ParseDeviceDescription(kTool)},
          {"other/far", *ParseDeviceDescription(kFar)}};
}

inline std::string File(absl::string_view spec) {
  return absl::StrCat("apiVersion: fractos.dev/v1alpha1\nkind: TaskGraph\nmetadata: {name: g}\n",
                      "spec:\n", spec);
}

inline std::string Check(absl::string_view spec, const ParameterValues& parameters = {}) {
  return Faults(File(spec), "f", Devices(), parameters);
}

// What is wrong with a step that runs `operation` of tool and has `rest`, after a step "s".
inline std::string CheckStep(absl::string_view operation, absl::string_view rest) {
  return Check(absl::StrCat("  parameters: [{name: 'n', value: \"5\"}, {name: big, value: ",
                            "\"18446744073709551616\"}, {name: t, value: \"true\"}, ",
                            "{name: r, value: red}, {name: d, value: \"2.5\"}]\n",
                            "  steps:\n  - {name: s, device: tool, operation: chance}\n",
                            "  - {name: it, device: tool, operation: ", operation, ", ", rest,
                            "}\n"));
}

inline Plan Compiled(absl::string_view spec, const ParameterValues& parameters = {}) {
  const Documents documents = ParseDocuments(File(spec), "f");
  EXPECT_TRUE(documents.diagnostics.empty());
  if (documents.graphs.empty()) return Plan();
  absl::StatusOr<Plan> plan = Compile(documents.graphs[0], Devices(), parameters);
  EXPECT_TRUE(plan.ok()) << plan.status();
  return plan.ok() ? *std::move(plan) : Plan();
}

// The arguments that a step of `take` gets, in the main list or in onFailure.
inline std::string Taken(absl::string_view arguments, const ParameterValues& parameters = {}) {
  return Compiled(absl::StrCat(
                      "  parameters: [{name: 'n', value: \"5\"}, {name: e, value: \"\"}]\n",
                      "  steps: [{name: a, device: tool, operation: take, arguments: ", arguments,
                      "}]\n"),
                  parameters)
      .steps[0]
      ->arguments;
}
inline std::string TakenOnFailure(absl::string_view arguments,
                                  const ParameterValues& parameters = {}) {
  return Compiled(absl::StrCat("  parameters: [{name: 'n', value: \"5\"}]\n",
                               "  steps: [{name: a, device: tool, operation: chance}]\n",
                               "  onFailure: [{name: b, device: tool, operation: take, arguments: ",
                               arguments, "}]\n"),
                  parameters)
      .on_failure[0]
      ->arguments;
}

inline const OperationSignature* Find(const Plan& plan, const std::string& key) {
  for (const OperationSignature& signature : plan.signatures) {
    if (signature.Key() == key) return &signature;
  }
  return nullptr;
}

}  // namespace fractos

#endif  // FRACTOS_TESTS_UNIT_LIB_PLAN_DEVICES_H_
