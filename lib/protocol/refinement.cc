// A refinement as bytes: JSON with sorted keys, so that equal refinements are equal values.
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "lib/base/limits.h"
#include "lib/protocol/message.h"

namespace fractos {
namespace {

using nlohmann::json;

absl::Status Malformed(size_t index, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("refinement: step ", index, ": ", what));
}

bool IsStepIndex(const json& value, size_t below) {
  return value.is_number_unsigned() && value.get<uint64_t>() < below;
}

absl::Status DecodeInputs(const json& inputs, size_t index, RefinedStep* step) {
  if (!inputs.is_array() || inputs.size() > kMaxInputs) return Malformed(index, "bad inputs");
  for (const json& entry : inputs) {
    RefinedStep::Input input;
    if (!entry.is_object() || entry.size() != 2 || !entry.contains("input") ||
        !entry["input"].is_string()) {
      return Malformed(index, "bad input");
    }
    input.input = entry["input"].get<std::string>();
    if (entry.contains("own") && entry["own"].is_string()) {
      input.own_input = entry["own"].get<std::string>();
    } else if (entry.contains("step") && IsStepIndex(entry["step"], index)) {
      input.step = entry["step"].get<int>();
    } else {
      return Malformed(index, "an input is neither an earlier step's nor an own one");
    }
    step->inputs.push_back(std::move(input));
  }
  return absl::OkStatus();
}

absl::StatusOr<RefinedStep> DecodeStep(const json& entry, size_t index) {
  RefinedStep step;
  for (const char* field : {"cluster", "operation", "arguments"}) {
    if (!entry.is_object() || !entry.contains(field) || !entry[field].is_string()) {
      return Malformed(index, absl::StrCat("no ", field));
    }
  }
  if (!entry.contains("inputs") || !entry.contains("after") || entry.size() != 5) {
    return Malformed(index, "unexpected fields");
  }
  step.cluster = entry["cluster"].get<std::string>();
  step.operation = entry["operation"].get<std::string>();
  step.arguments = entry["arguments"].get<std::string>();
  if (absl::Status status = DecodeInputs(entry["inputs"], index, &step); !status.ok()) {
    return status;
  }
  if (!entry["after"].is_array() || entry["after"].size() > kMaxSteps) {
    return Malformed(index, "bad after");
  }
  for (const json& after : entry["after"]) {
    if (!IsStepIndex(after, index)) return Malformed(index, "is after a step that is not earlier");
    step.after.push_back(after.get<int>());
  }
  return step;
}

}  // namespace

std::string EncodeRefinement(const Refinement& refinement) {
  json steps = json::array();
  for (const RefinedStep& step : refinement) {
    json inputs = json::array();
    for (const RefinedStep::Input& input : step.inputs) {
      json entry = {{"input", input.input}};
      if (input.own_input.empty()) {
        entry["step"] = input.step;
      } else {
        entry["own"] = input.own_input;
      }
      inputs.push_back(std::move(entry));
    }
    steps.push_back({{"cluster", step.cluster},
                     {"operation", step.operation},
                     {"arguments", step.arguments},
                     {"inputs", std::move(inputs)},
                     {"after", step.after}});
  }
  // Names and arguments come from outside and may not be UTF-8: replaced rather than thrown over.
  return steps.dump(-1, ' ', false, json::error_handler_t::replace);
}

absl::StatusOr<Refinement> DecodeRefinement(absl::string_view bytes) {
  const json steps = json::parse(bytes.begin(), bytes.end(), nullptr, /*allow_exceptions=*/false);
  if (!steps.is_array() || steps.empty() || steps.size() > kMaxSteps) {
    return absl::InvalidArgumentError("refinement: not a list of 1 to 256 steps");
  }
  Refinement refinement;
  for (size_t i = 0; i < steps.size(); ++i) {
    absl::StatusOr<RefinedStep> step = DecodeStep(steps[i], i);
    if (!step.ok()) return step.status();
    refinement.push_back(*std::move(step));
  }
  return refinement;
}

}  // namespace fractos
