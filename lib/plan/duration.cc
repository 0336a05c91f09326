#include "lib/plan/duration.h"

#include <cstdint>
#include <limits>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "lib/plan/names.h"

namespace fractos {
namespace {

struct Unit {
  absl::string_view name;
  int64_t nanoseconds;
};

constexpr Unit kUnits[] = {{"h", 3'600'000'000'000}, {"m", 60'000'000'000}, {"s", 1'000'000'000},
                           {"ms", 1'000'000},        {"us", 1'000},         {"ns", 1}};

}  // namespace

absl::StatusOr<Duration> ParseDuration(absl::string_view text) {
  const absl::Status wrong = absl::InvalidArgumentError(
      absl::StrCat("must be a number with a unit, like \"1500ms\", \"60s\", \"5m\" or \"1h\", not ",
                   Quoted(text)));
  size_t digits = 0;
  while (digits < text.size() && absl::ascii_isdigit(text[digits])) ++digits;
  int64_t count = 0;
  // SimpleAtoi refuses what does not fit, and the empty string.
  if (!absl::SimpleAtoi(text.substr(0, digits), &count)) return wrong;
  for (const Unit& unit : kUnits) {
    if (text.substr(digits) != unit.name) continue;
    if (count > std::numeric_limits<int64_t>::max() / unit.nanoseconds) return wrong;
    return Duration(count * unit.nanoseconds);
  }
  return wrong;
}

std::string FormatDuration(Duration duration) {
  const int64_t nanoseconds = duration.count();
  if (nanoseconds == 0) return "0s";
  for (const Unit& unit : kUnits) {
    if (nanoseconds % unit.nanoseconds == 0) {
      return absl::StrCat(nanoseconds / unit.nanoseconds, unit.name);
    }
  }
  return absl::StrCat(nanoseconds, "ns");
}

}  // namespace fractos
