#include "cli/operations_text.h"

#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace fractos {
namespace {

// What may be given as an argument or as an input.
std::set<std::string> EitherOf(const OperationSpec& operation) {
  std::set<std::string> either;
  for (const InputSpec& input : operation.inputs) {
    for (const ArgumentSpec& argument : operation.arguments) {
      if (argument.name == input.name) either.insert(input.name);
    }
  }
  return either;
}

std::string LineOf(absl::string_view kind, const std::string& name, bool required,
                   const std::string& type, const std::string& description) {
  return absl::StrCat("      ", kind, " ", name, required ? "" : "?",
                      type.empty() ? "" : absl::StrCat(" (", type, ")"),
                      description.empty() ? "" : absl::StrCat(": ", description), "\n");
}

}  // namespace

std::string FormatOperation(const OperationSpec& operation) {
  std::string text = absl::StrCat("  ", operation.name);
  if (operation.effect != Effect::kNone) {
    absl::StrAppend(&text, "  [", EffectName(operation.effect), "]");
  }
  absl::StrAppend(&text, "\n");
  if (!operation.description.empty()) {
    absl::StrAppend(&text, "      ", operation.description, "\n");
  }
  // What may be given either way is said once.
  const std::set<std::string> either = EitherOf(operation);
  for (const ArgumentSpec& argument : operation.arguments) {
    const std::string type = argument.values.empty() ? std::string(ArgumentTypeName(argument.type))
                                                     : absl::StrJoin(argument.values, " | ");
    absl::StrAppend(&text, LineOf(either.contains(argument.name) ? "argument or input" : "argument",
                                  argument.name, argument.required, type, argument.description));
  }
  for (const InputSpec& input : operation.inputs) {
    if (either.contains(input.name)) continue;
    absl::StrAppend(
        &text, LineOf("input", absl::StrCat(input.name, input.variadic ? "…" : ""), input.required,
                      input.passed ? "passed on, not read" : "", input.description));
  }
  if (!operation.refines_to.empty()) {
    absl::StrAppend(&text, "      grows into ", absl::StrJoin(operation.refines_to, ", "), "\n");
  }
  return text;
}

}  // namespace fractos
