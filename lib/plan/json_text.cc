#include "lib/plan/json_text.h"

#include <set>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "lib/plan/names.h"

namespace fractos {
namespace {

using nlohmann::json;

// Checks while the parser goes along, and stops it at the first fault: nothing is built before it
// is known to be bounded.
class Checker final : public nlohmann::json_sax<json> {
 public:
  const absl::Status& status() const { return status_; }

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(std::size_t) override { return Enter(); }
  bool end_object() override { return Leave(); }
  bool start_array(std::size_t) override { return Enter(); }
  bool end_array() override { return Leave(); }
  bool key(string_t& key) override {
    if (keys_.back().insert(key).second) return true;
    return Refuse(absl::StrCat("the key ", Quoted(key), " is there twice"));
  }
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    return Refuse(absl::StrCat("not JSON: it stops making sense at byte ", position));
  }

 private:
  bool Enter() {
    keys_.emplace_back();
    if (keys_.size() <= static_cast<size_t>(kMaxStrictJsonDepth)) return true;
    return Refuse(absl::StrCat("nested more than ", kMaxStrictJsonDepth, " deep"));
  }
  bool Leave() {
    keys_.pop_back();
    return true;
  }
  bool Refuse(const std::string& message) {
    status_ = absl::InvalidArgumentError(message);
    return false;
  }

  std::vector<std::set<std::string>> keys_;  // of the objects and lists that are open
  absl::Status status_;
};

}  // namespace

absl::StatusOr<json> ParseStrictJson(absl::string_view text) {
  Checker checker;
  if (!json::sax_parse(text.begin(), text.end(), &checker)) return checker.status();
  return json::parse(text.begin(), text.end(), /*cb=*/nullptr, /*allow_exceptions=*/false);
}

std::string JsonText(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace fractos
