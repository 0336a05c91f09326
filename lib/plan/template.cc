#include "lib/plan/template.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "lib/plan/names.h"

namespace fractos {
namespace {

absl::StatusOr<TemplatePart> ParseReference(absl::string_view inside) {
  absl::string_view name = inside;
  if (absl::ConsumePrefix(&name, "parameters.")) {
    return TemplatePart{TemplatePart::Kind::kParameter, std::string(name)};
  }
  if (absl::ConsumePrefix(&name, "failure.")) {
    if (name == "step" || name == "reason" || name == "message") {
      return TemplatePart{TemplatePart::Kind::kFailure, std::string(name)};
    }
    return absl::InvalidArgumentError(
        absl::StrCat("of a failure there is step, reason and message, not ", Quoted(name),
                     DidYouMean(name, {"step", "reason", "message"})));
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "unknown reference ", Quoted(inside), ": write $(parameters.name), or $$( for a plain $("));
}

}  // namespace

absl::StatusOr<std::vector<TemplatePart>> ParseTemplate(absl::string_view text) {
  std::vector<TemplatePart> parts;
  std::string literal;
  const auto flush = [&] {
    if (!literal.empty()) {
      parts.push_back({TemplatePart::Kind::kLiteral, std::exchange(literal, "")});
    }
  };
  while (!text.empty()) {
    if (absl::ConsumePrefix(&text, "$$(")) {
      literal += "$(";
    } else if (absl::ConsumePrefix(&text, "$(")) {
      const size_t end = text.find(')');
      if (end == absl::string_view::npos) {
        return absl::InvalidArgumentError(
            "a reference is not closed: write $(parameters.name), or $$( for a plain $(");
      }
      absl::StatusOr<TemplatePart> reference = ParseReference(text.substr(0, end));
      if (!reference.ok()) return reference.status();
      flush();
      parts.push_back(*std::move(reference));
      text.remove_prefix(end + 1);
    } else {
      literal += text.front();
      text.remove_prefix(1);
    }
  }
  flush();
  return parts;
}

std::string EscapeTemplate(absl::string_view literal) {
  return absl::StrReplaceAll(literal, {{"$(", "$$("}});
}

}  // namespace fractos
