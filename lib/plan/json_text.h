// JSON out of text that nobody vouches for.
#ifndef FRACTOS_LIB_PLAN_JSON_TEXT_H_
#define FRACTOS_LIB_PLAN_JSON_TEXT_H_

#include <nlohmann/json.hpp>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace fractos {

// Objects and lists within each other; JSON libraries recurse, so this bounds their stack.
inline constexpr int kMaxStrictJsonDepth = 32;

// The JSON value that is all of `text`. InvalidArgument when it does not parse, nests deeper than
// kMaxStrictJsonDepth, or has a key twice in one object: parsers differ in which of the two they
// believe.
absl::StatusOr<nlohmann::json> ParseStrictJson(absl::string_view text);

// Compact text, keys sorted; bytes that are not UTF-8 become U+FFFD. Never throws.
std::string JsonText(const nlohmann::json& json);

}  // namespace fractos

#endif  // FRACTOS_LIB_PLAN_JSON_TEXT_H_
