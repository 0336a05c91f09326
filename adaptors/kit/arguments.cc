#include "adaptors/kit/arguments.h"

#include <limits>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace fractos::adaptor {

absl::StatusOr<Arguments> Arguments::Parse(absl::string_view json, absl::string_view noun) {
  Arguments arguments;
  arguments.noun_ = std::string(noun);
  arguments.size_bytes_ = json.size();
  if (json.empty() || json == "{}") return arguments;
  arguments.object_ = nlohmann::json::parse(json.begin(), json.end(), nullptr, false);
  if (!arguments.object_.is_object()) {
    return absl::InvalidArgumentError(absl::StrCat("the ", noun, "s are not a JSON object"));
  }
  return arguments;
}

const nlohmann::json* Arguments::Find(absl::string_view name) const {
  auto it = object_.find(std::string(name));
  return it == object_.end() || it->is_null() ? nullptr : &*it;
}

absl::StatusOr<std::string> Arguments::String(absl::string_view name) const {
  const nlohmann::json* value = Find(name);
  if (value == nullptr) return Error(name, "is missing");
  if (!value->is_string()) return Error(name, "must be a string");
  return value->get<std::string>();
}

absl::StatusOr<std::string> Arguments::String(absl::string_view name,
                                              absl::string_view fallback) const {
  return Has(name) ? String(name) : std::string(fallback);
}

absl::StatusOr<int64_t> Arguments::Integer(absl::string_view name, int64_t minimum,
                                           int64_t maximum) const {
  const nlohmann::json* value = Find(name);
  if (value == nullptr) return Error(name, "is missing");
  int64_t number = 0;
  bool fits = true;
  if (value->is_number_unsigned()) {
    uint64_t big = value->get<uint64_t>();
    fits = big <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
    number = static_cast<int64_t>(big);
  } else if (value->is_number_integer()) {
    number = value->get<int64_t>();
  } else if (value->is_string()) {
    fits = absl::SimpleAtoi(value->get<std::string>(), &number);
  } else {
    return Error(name, "must be an integer");
  }
  if (!fits || number < minimum || number > maximum) {
    return Error(name, absl::StrCat("must be an integer from ", minimum, " to ", maximum));
  }
  return number;
}

absl::StatusOr<int64_t> Arguments::Integer(absl::string_view name, int64_t minimum, int64_t maximum,
                                           int64_t fallback) const {
  return Has(name) ? Integer(name, minimum, maximum) : fallback;
}

absl::StatusOr<bool> Arguments::Boolean(absl::string_view name, bool fallback) const {
  const nlohmann::json* value = Find(name);
  if (value == nullptr) return fallback;
  if (!value->is_boolean()) return Error(name, "must be true or false");
  return value->get<bool>();
}

absl::StatusOr<std::vector<std::string>> Arguments::Strings(absl::string_view name) const {
  const nlohmann::json* value = Find(name);
  if (value == nullptr) return Error(name, "is missing");
  if (!value->is_array()) return Error(name, "must be a list of strings");
  std::vector<std::string> strings;
  for (const nlohmann::json& entry : *value) {
    if (!entry.is_string()) return Error(name, "must be a list of strings");
    strings.push_back(entry.get<std::string>());
  }
  return strings;
}

absl::Status Arguments::CheckKnown(std::initializer_list<absl::string_view> known) const {
  for (const auto& [name, value] : object_.items()) {
    bool found = false;
    for (absl::string_view candidate : known) found = found || candidate == name;
    if (found) continue;
    std::string names = known.size() == 0 ? "none" : absl::StrJoin(known, ", ");
    return Error(name, absl::StrCat("is unknown; there are: ", names));
  }
  return absl::OkStatus();
}

absl::Status Arguments::Error(absl::string_view name, absl::string_view what) const {
  return absl::InvalidArgumentError(absl::StrCat(noun_, " '", name, "' ", what));
}

}  // namespace fractos::adaptor
