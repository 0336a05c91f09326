#include "adaptors/math/integer.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "lib/base/utf8.h"

namespace fractos {

absl::StatusOr<Integer> ParseInteger(absl::string_view name, absl::string_view text) {
  absl::string_view digits = absl::StripAsciiWhitespace(text);
  bool negative = !digits.empty() && digits.front() == '-';
  if (!digits.empty() && (digits.front() == '-' || digits.front() == '+')) digits.remove_prefix(1);
  if (digits.empty() || !std::all_of(digits.begin(), digits.end(), absl::ascii_isdigit)) {
    constexpr size_t kShown = 40;
    return absl::InvalidArgumentError(absl::StrCat(
        "'", name, "' must be an integer in decimal, but is \"",
        EscapeText(CutText(text, kShown), '"'), text.size() > kShown ? "\"..." : "\""));
  }
  // A leading zero would make the library read octal.
  while (digits.size() > 1 && digits.front() == '0') digits.remove_prefix(1);
  if (digits.size() > kMaxDigits) {
    return absl::InvalidArgumentError(absl::StrCat(
        "'", name, "' has ", digits.size(), " digits, more than the ", kMaxDigits, " allowed"));
  }
  Integer value{std::string(digits)};
  if (negative) value = -value;
  return value;
}

int64_t BitLength(const Integer& value) {
  if (value == 0) return 0;
  return static_cast<int64_t>(boost::multiprecision::msb(abs(value))) + 1;
}

}  // namespace fractos
