#include "daemon/device/when.h"

#include <re2/re2.h>

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "lib/base/limits.h"
#include "lib/base/utf8.h"
#include "lib/plan/reasons.h"

namespace fractos {
namespace {

constexpr int64_t kMaxExpressionMemory = 1 << 20;

Outcome Fail(absl::string_view reason, std::string message) {
  return {Outcome::Failed{{std::string(reason), std::move(message)}, false}};
}

std::string Shortened(absl::string_view text) {
  constexpr size_t kShown = 40;
  if (text.size() <= kShown) return std::string(text);
  return absl::StrCat(CutText(text, kShown), "...");
}

}  // namespace

std::optional<Outcome> CheckWhen(const WhenSpec& when, const std::vector<NamedValue>& inputs,
                                 const MemoryStore& store) {
  auto input = std::find_if(inputs.begin(), inputs.end(),
                            [&when](const NamedValue& i) { return i.input == when.input; });
  if (input == inputs.end()) {
    return Fail(reason::kWhenInputMissing, absl::StrCat("`when` names the input \"", when.input,
                                                        "\", which the step does not have"));
  }
  if (input->value.size > kMaxInlineValueBytes) {
    return Fail(reason::kWhenInputTooLarge,
                absl::StrCat("`when` compares inputs of at most ", kMaxInlineValueBytes,
                             " bytes; \"", when.input, "\" has ", input->value.size));
  }
  BytesPtr held;
  absl::string_view text;
  if (input->value.IsInline()) {
    text = *input->value.inline_bytes;
  } else {
    absl::StatusOr<BytesPtr> bytes = store.Get(input->value.object);
    if (!bytes.ok()) return Fail(reason::kInputLost, std::string(bytes.status().message()));
    held = *std::move(bytes);
    text = held->view();
  }
  text = absl::StripTrailingAsciiWhitespace(text);

  switch (when.comparison) {
    case Comparison::kEquals:
      if (text == when.operand) return std::nullopt;
      return Outcome{Outcome::Skipped{
          absl::StrCat("\"", when.input, "\" does not equal \"", Shortened(when.operand), "\"")}};
    case Comparison::kNotEquals:
      if (text != when.operand) return std::nullopt;
      return Outcome{Outcome::Skipped{
          absl::StrCat("\"", when.input, "\" equals \"", Shortened(when.operand), "\"")}};
    case Comparison::kMatches:
      break;
  }
  RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(kMaxExpressionMemory);
  RE2 expression(when.operand, options);
  if (!expression.ok()) {
    return Fail(reason::kWhenInvalid,
                absl::StrCat("`when` does not understand the expression \"",
                             Shortened(when.operand), "\": ", expression.error()));
  }
  if (RE2::FullMatch(re2::StringPiece(text.data(), text.size()), expression)) return std::nullopt;
  return Outcome{Outcome::Skipped{
      absl::StrCat("\"", when.input, "\" does not match \"", Shortened(when.operand), "\"")}};
}

}  // namespace fractos
