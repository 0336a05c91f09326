// The arguments of an operation, or the options of a device: a JSON object read with clear errors.
#ifndef FRACTOS_ADAPTORS_KIT_ARGUMENTS_H_
#define FRACTOS_ADAPTORS_KIT_ARGUMENTS_H_

#include <cstdint>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace fractos::adaptor {

// Immutable after Parse, so safe to read from several threads. Every accessor is InvalidArgument,
// naming the argument, when it is missing (those without a fallback) or of another type; a JSON
// null counts as missing.
class Arguments {
 public:
  Arguments() = default;
  // `noun` is what messages call an entry: "argument" or "option". Empty text is an empty object.
  static absl::StatusOr<Arguments> Parse(absl::string_view json, absl::string_view noun);

  // Of the text they were parsed from.
  size_t size_bytes() const { return size_bytes_; }

  bool Has(absl::string_view name) const { return Find(name) != nullptr; }
  // Null when missing. Lives as long as this.
  const nlohmann::json* Find(absl::string_view name) const;

  absl::StatusOr<std::string> String(absl::string_view name) const;
  absl::StatusOr<std::string> String(absl::string_view name, absl::string_view fallback) const;
  // A JSON integer or its decimal text; InvalidArgument outside [minimum, maximum].
  absl::StatusOr<int64_t> Integer(absl::string_view name, int64_t minimum, int64_t maximum) const;
  absl::StatusOr<int64_t> Integer(absl::string_view name, int64_t minimum, int64_t maximum,
                                  int64_t fallback) const;
  absl::StatusOr<bool> Boolean(absl::string_view name, bool fallback) const;
  absl::StatusOr<std::vector<std::string>> Strings(absl::string_view name) const;

  // InvalidArgument naming the first entry that is not among `known`, and those that are.
  absl::Status CheckKnown(std::initializer_list<absl::string_view> known) const;

  // InvalidArgument: "argument 'a' must be ...".
  absl::Status Error(absl::string_view name, absl::string_view what) const;

 private:
  nlohmann::json object_ = nlohmann::json::object();
  std::string noun_ = "argument";
  size_t size_bytes_ = 0;
};

}  // namespace fractos::adaptor

#endif  // FRACTOS_ADAPTORS_KIT_ARGUMENTS_H_
