#include "daemon/device/answer.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "lib/base/limits.h"
#include "lib/base/utf8.h"
#include "lib/plan/names.h"
#include "lib/plan/reasons.h"
#include "lib/protocol/message.h"

namespace fractos {
namespace {

using Json = nlohmann::json;

bool IsReason(absl::string_view text) {
  return !text.empty() && text.size() <= kMaxFailureReasonBytes && absl::ascii_isupper(text[0]) &&
         std::all_of(text.begin(), text.end(), [](char c) { return absl::ascii_isalnum(c); });
}

bool HasInput(const Execute& execution, absl::string_view name) {
  return std::any_of(execution.inputs.begin(), execution.inputs.end(),
                     [name](const NamedValue& input) { return input.input == name; });
}

Outcome Garbage(std::string message) { return FailedOutcome(kAdaptorGarbage, message); }

Outcome Staged(absl::StatusOr<Value> value) {
  if (value.ok()) return {Outcome::Produced{*std::move(value)}};
  absl::string_view reason = kAdaptorGarbage;
  if (absl::IsFailedPrecondition(value.status())) reason = kUnsealable;
  if (absl::IsResourceExhausted(value.status())) reason = kMemoryExhausted;
  // Memory that is short now may not be so later.
  return FailedOutcome(reason, value.status().message(), reason == kMemoryExhausted);
}

// What is wrong with one refined step, or empty.
std::string JudgeRefinedStep(const v1::RefinedStep& step, int index, const Execute& execution) {
  std::string where = absl::StrCat("refined step ", index, ": ");
  if (step.cluster().empty() || step.cluster().size() > kMaxNamespaceLength + 1 + kMaxNameLength) {
    return absl::StrCat(where, "cluster must be \".\" or \"namespace/name\"");
  }
  if (step.operation().empty() || step.operation().size() > kMaxNameLength) {
    return absl::StrCat(where, "operation must be a name of at most ", kMaxNameLength,
                        " characters");
  }
  if (step.arguments_json().size() > kMaxSpecBytes) {
    return absl::StrCat(where, "more than ", kMaxSpecBytes, " bytes of arguments");
  }
  if (!step.arguments_json().empty()) {
    Json arguments = Json::parse(step.arguments_json(), nullptr, /*allow_exceptions=*/false);
    if (!arguments.is_object()) return absl::StrCat(where, "arguments are no JSON object");
  }
  if (step.inputs_size() > static_cast<int>(kMaxInputs)) {
    return absl::StrCat(where, "more than ", kMaxInputs, " inputs");
  }
  for (const v1::RefinedInput& input : step.inputs()) {
    if (input.input().empty() || input.input().size() > kMaxNameLength) {
      return absl::StrCat(where, "an input without a proper name");
    }
    switch (input.from_case()) {
      case v1::RefinedInput::kStep:
        if (input.step() < static_cast<uint32_t>(index)) break;
        return absl::StrCat(where, "input \"", input.input(), "\" comes from step ", input.step(),
                            ", which is not before it");
      case v1::RefinedInput::kOwnInput:
        if (HasInput(execution, input.own_input())) break;
        return absl::StrCat(where, "input \"", input.input(), "\" comes from the own input \"",
                            CutText(input.own_input(), kMaxNameLength), "\", which does not exist");
      case v1::RefinedInput::FROM_NOT_SET:
        return absl::StrCat(where, "input \"", input.input(), "\" comes from nowhere");
    }
  }
  if (step.after_size() > index) return absl::StrCat(where, "after more steps than are before it");
  for (uint32_t after : step.after()) {
    if (after >= static_cast<uint32_t>(index)) {
      return absl::StrCat(where, "after step ", after, ", which is not before it");
    }
  }
  return "";
}

Outcome JudgeRefinement(v1::Refinement* refinement, const Execute& execution, MemoryStore* store) {
  if (refinement->steps().empty()) return Garbage("a refinement without steps");
  if (refinement->steps_size() >= static_cast<int>(kMaxSteps)) {
    return FailedOutcome(reason::kRefinementTooLong,
                         absl::StrCat("a refinement of ", refinement->steps_size(),
                                      " steps; a run may have ", kMaxSteps, " in all"));
  }
  Refinement steps;
  for (int index = 0; index < refinement->steps_size(); ++index) {
    v1::RefinedStep& step = *refinement->mutable_steps(index);
    std::string wrong = JudgeRefinedStep(step, index, execution);
    if (!wrong.empty()) return Garbage(std::move(wrong));
    RefinedStep& refined = steps.emplace_back();
    refined.cluster = std::move(*step.mutable_cluster());
    refined.operation = std::move(*step.mutable_operation());
    if (!step.arguments_json().empty())
      refined.arguments = std::move(*step.mutable_arguments_json());
    for (v1::RefinedInput& input : *step.mutable_inputs()) {
      RefinedStep::Input& from = refined.inputs.emplace_back();
      from.input = std::move(*input.mutable_input());
      if (input.from_case() == v1::RefinedInput::kStep) {
        from.step = static_cast<int>(input.step());
      } else {
        from.own_input = std::move(*input.mutable_own_input());
      }
    }
    for (uint32_t after : step.after()) refined.after.push_back(static_cast<int>(after));
  }
  std::string bytes = EncodeRefinement(steps);
  if (bytes.size() > kMaxSpecBytes) {
    return FailedOutcome(kReplyTooLarge,
                         absl::StrCat("a refinement of ", bytes.size(), " bytes; at most ",
                                      kMaxSpecBytes, " are allowed"));
  }
  Outcome staged = Staged(store->StageInline(std::move(bytes)));
  auto* produced = std::get_if<Outcome::Produced>(&staged.what);
  if (produced == nullptr) return staged;
  return {Outcome::Refined{std::move(steps), std::move(produced->value)}};
}

// Peers are told it as this process writes it, a little longer maybe, and must find it within the
// bound, too: they would have nothing to do with whoever says more.
absl::StatusOr<DeviceDescription> JudgeDescribed(absl::string_view json) {
  absl::StatusOr<DeviceDescription> description = ParseDeviceDescription(json);
  if (!description.ok()) return description;
  const size_t told = DeviceDescriptionToJson(*description).size();
  if (told <= kMaxSpecBytes) return description;
  return absl::InvalidArgumentError(absl::StrCat("the description is ", told,
                                                 " bytes long as it is passed on, at most ",
                                                 kMaxSpecBytes, " are allowed"));
}

}  // namespace

absl::StatusOr<DeviceDescription> JudgeDescription(absl::string_view frame) {
  v1::FromAdaptor reply;
  if (reply.ParseFromArray(frame.data(), static_cast<int>(frame.size()))) {
    if (reply.has_description()) return JudgeDescribed(reply.description().json());
    if (reply.has_result() && reply.result().has_failure()) {
      const v1::Failure& failure = reply.result().failure();
      return absl::FailedPreconditionError(absl::StrCat(
          "the adaptor refuses its options: ", failure.reason(), ": ", failure.message()));
    }
  }
  return absl::InvalidArgumentError("the adaptor's first frame is no description");
}

Outcome FailedOutcome(absl::string_view reason, absl::string_view message, bool retryable) {
  return {Outcome::Failed{
      {std::string(reason), std::string(CutText(EscapeLines(message), kMaxFailureMessageBytes))},
      retryable}};
}

Outcome JudgeAnswer(v1::Result* result, const Execute& execution, MemoryStore* store) {
  switch (result->what_case()) {
    case v1::Result::kInline:
      if (result->inline_().size() > kMaxInlineValueBytes) {
        return FailedOutcome(
            kReplyTooLarge,
            absl::StrCat("an inline answer of ", result->inline_().size(), " bytes; over ",
                         kMaxInlineValueBytes, " the adaptor must send a memory file"));
      }
      return Staged(store->StageInline(std::move(*result->mutable_inline_())));
    case v1::Result::kPassedInput:
      if (!HasInput(execution, result->passed_input())) {
        return Garbage(absl::StrCat("the answer is the input \"",
                                    CutText(result->passed_input(), kMaxNameLength),
                                    "\", which the step does not have"));
      }
      return {Outcome::PassedInput{std::move(*result->mutable_passed_input())}};
    case v1::Result::kRefinement:
      return JudgeRefinement(result->mutable_refinement(), execution, store);
    case v1::Result::kFailure: {
      const v1::Failure& failure = result->failure();
      bool proper = IsReason(failure.reason());
      return FailedOutcome(proper ? failure.reason() : std::string(reason::kAdaptorFailed),
                           failure.message(), failure.retryable());
    }
    case v1::Result::kFile:
    case v1::Result::WHAT_NOT_SET:
      break;
  }
  return Garbage("an answer without a value");
}

Outcome JudgeFile(UniqueFd file, uint64_t size, MemoryStore* store) {
  if (!file.valid()) return Garbage("the answer names a memory file, but none came with it");
  return Staged(store->StageFile(std::move(file), size));
}

}  // namespace fractos
