// Exact integers of bounded length, and their decimal text.
#ifndef FRACTOS_ADAPTORS_MATH_INTEGER_H_
#define FRACTOS_ADAPTORS_MATH_INTEGER_H_

#include <boost/multiprecision/cpp_int.hpp>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace fractos {

using Integer = boost::multiprecision::cpp_int;

// Results have at most this many decimal digits. Converting to and from text takes time quadratic
// in them: 100,000 digits take some tens of milliseconds, a million would take seconds.
inline constexpr size_t kMaxDigits = 100'000;
// 2^kMaxBits has kMaxDigits digits.
inline constexpr int64_t kMaxBits = 332'192;
// The largest n whose factorial has at most kMaxDigits digits.
inline constexpr int64_t kMaxFactorial = 25'205;

// Reads decimal text with an optional sign; white space around it is allowed, since files end with
// a newline. InvalidArgument naming `name` when it is something else or beyond kMaxDigits.
absl::StatusOr<Integer> ParseInteger(absl::string_view name, absl::string_view text);

// How many bits |value| has; 0 for zero.
int64_t BitLength(const Integer& value);

}  // namespace fractos

#endif  // FRACTOS_ADAPTORS_MATH_INTEGER_H_
