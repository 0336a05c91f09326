#include "lib/plan/arguments.h"

#include <re2/re2.h>

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "lib/base/utf8.h"
#include "lib/plan/json_text.h"
#include "lib/plan/names.h"
#include "lib/plan/plan.h"
#include "lib/plan/template.h"

namespace fractos {
namespace {

using nlohmann::json;

// What became of one string.
struct Substituted {
  std::string text;    // with everything in it that is known now
  std::string later;   // what the step gets: `text`, or in onFailure what is still to be done
  bool whole = false;  // it was one reference to a parameter and nothing else
  bool known = true;   // every reference has a value
  bool uses_failure = false;  // part of it is known only when something has failed
};

class Resolver {
 public:
  Resolver(bool on_failure, ArgumentScope* scope, const ArgumentFault& fault)
      : on_failure_(on_failure), scope_(scope), fault_(fault) {}

  // Any value that has no type of its own.
  json Resolve(const json& value) {
    if (value.is_string()) return Substitute(value.get<std::string>()).later;
    if (!value.is_structured()) return value;
    json result = value;
    for (json& child : result) child = Resolve(child);
    return result;
  }

  json ResolveTyped(const json& value, const ArgumentSpec& spec) {
    if (value.is_string()) return ResolveText(Substitute(value.get<std::string>()), spec);
    switch (spec.type) {
      case ArgumentType::kString:
        return Expect(false, value, spec);
      case ArgumentType::kInteger:
        return Expect(value.is_number_integer(), value, spec);
      case ArgumentType::kNumber:
        return Expect(value.is_number(), value, spec);
      case ArgumentType::kBoolean:
        return Expect(value.is_boolean(), value, spec);
      case ArgumentType::kObject:
        return Expect(value.is_object(), Resolve(value), spec);
      case ArgumentType::kStrings:
        return ResolveStrings(value, spec);
    }
    return value;
  }

 private:
  Substituted Substitute(const std::string& text) {
    Substituted result;
    absl::StatusOr<std::vector<TemplatePart>> parts = ParseTemplate(text);
    if (!parts.ok()) {
      fault_(std::string(parts.status().message()));
      result.known = false;
      return result;
    }
    std::string literal;
    for (const TemplatePart& part : *parts) {
      if (part.kind == TemplatePart::Kind::kFailure) {
        AddFailure(part.text, &literal, &result);
      } else {
        const std::string piece =
            part.kind == TemplatePart::Kind::kLiteral ? part.text : Parameter(part.text, &result);
        if (!Spend(piece.size())) continue;
        result.text += piece;
        literal += piece;
      }
    }
    result.later += on_failure_ ? EscapeTemplate(literal) : literal;
    result.whole = parts->size() == 1 && parts->front().kind == TemplatePart::Kind::kParameter;
    return result;
  }

  std::string Parameter(const std::string& name, Substituted* result) {
    const auto found = scope_->parameters.find(name);
    if (found == scope_->parameters.end()) {
      std::vector<std::string> known;
      for (const auto& entry : scope_->parameters) known.push_back(entry.first);
      fault_(absl::StrCat("the graph has no parameter ", Quoted(name), DidYouMean(name, known)));
    }
    if (found == scope_->parameters.end() || !found->second.has_value()) {
      result->known = false;
      return "";
    }
    return *found->second;
  }

  // Literals in front are escaped together with what parameters put between them: "$" from one and
  // "(" from the other must not make a reference.
  void AddFailure(const std::string& name, std::string* literal, Substituted* result) {
    if (!on_failure_) {
      fault_(absl::StrCat("$(failure.", name, ") is known only to steps of onFailure"));
      result->known = false;
      return;
    }
    result->uses_failure = true;
    Spend(kMaxFailureText);
    absl::StrAppend(&result->later, EscapeTemplate(std::exchange(*literal, "")), "$(failure.", name,
                    ")");
  }

  // False when there is nothing left to spend; says so once.
  bool Spend(size_t bytes) {
    if (bytes <= scope_->budget) {
      scope_->budget -= bytes;
      return true;
    }
    if (!std::exchange(scope_->overspent, true)) {
      fault_(absl::StrCat("with the parameters put in, the graph's arguments are more than ",
                          kMaxSpecBytes, " bytes"));
    }
    return false;
  }

  json Expect(bool fits, json value, const ArgumentSpec& spec) {
    if (!fits) WrongType(value, spec);
    return value;
  }

  void WrongType(const json& value, const ArgumentSpec& spec) {
    std::string what = JsonText(value);
    if (spec.type == ArgumentType::kString && value.is_primitive()) {
      return fault_(absl::StrCat("must be text; write it in quotes: ", Quoted(what)));
    }
    fault_(absl::StrCat("must be ", Wanted(spec.type), ", not ", value.is_string() ? "text " : "",
                        value.is_string() ? Quoted(value.get<std::string>()) : Shape(value, what)));
  }

  static std::string Shape(const json& value, const std::string& text) {
    if (value.is_object()) return "a map";
    if (value.is_array()) return "a list";
    return text;
  }

  static absl::string_view Wanted(ArgumentType type) {
    switch (type) {
      case ArgumentType::kString:
        return "text";
      case ArgumentType::kInteger:
        return "an integer";
      case ArgumentType::kNumber:
        return "a number";
      case ArgumentType::kBoolean:
        return "true or false";
      case ArgumentType::kStrings:
        return "a list of texts";
      case ArgumentType::kObject:
        return "a map";
    }
    return "something else";
  }

  void CheckEnumerated(const Substituted& substituted, const ArgumentSpec& spec) {
    if (spec.values.empty() || !substituted.known) return;
    if (substituted.uses_failure) {
      return fault_(
          "must be one of the values the operation names, so it cannot depend on what "
          "failed");
    }
    for (const std::string& value : spec.values) {
      if (value == substituted.text) return;
    }
    fault_(absl::StrCat("must be one of ", absl::StrJoin(spec.values, ", "), ", not ",
                        Quoted(substituted.text), DidYouMean(substituted.text, spec.values)));
  }

  json ResolveStrings(const json& value, const ArgumentSpec& spec) {
    if (!value.is_array()) return Expect(false, value, spec);
    json result = json::array();
    for (const json& item : value) {
      if (!item.is_string()) {
        WrongType(item, spec);
        continue;
      }
      const Substituted substituted = Substitute(item.get<std::string>());
      CheckEnumerated(substituted, spec);
      result.push_back(substituted.later);
    }
    return result;
  }

  json ResolveText(const Substituted& substituted, const ArgumentSpec& spec) {
    if (spec.type == ArgumentType::kString) {
      CheckEnumerated(substituted, spec);
      return substituted.later;
    }
    if (!substituted.known) return substituted.later;
    if (!substituted.uses_failure) {
      std::optional<json> converted = Convert(substituted, spec.type);
      if (converted.has_value()) return *std::move(converted);
    }
    WrongType(substituted.uses_failure ? substituted.later : substituted.text, spec);
    return substituted.later;
  }

  // The value that the text spells. Parameters are text, so a whole one may be of any simple type;
  // integers may be text anyway, because JSON's end at 64 bits.
  static std::optional<json> Convert(const Substituted& substituted, ArgumentType type) {
    static const RE2& integer = *new RE2("([-+]?)0*([0-9]+)");
    static const RE2& number = *new RE2(R"([-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?)");
    const std::string& text = substituted.text;
    std::string sign, digits;
    const bool is_integer = RE2::FullMatch(text, integer, &sign, &digits);
    if (is_integer &&
        (type == ArgumentType::kInteger || (type == ArgumentType::kNumber && substituted.whole))) {
      const std::string canonical = absl::StrCat(sign == "-" ? "-" : "", digits);
      int64_t value = 0;
      if (absl::SimpleAtoi(canonical, &value)) return json(value);
      if (type == ArgumentType::kInteger) return json(canonical);
    }
    if (!substituted.whole) return std::nullopt;
    if (type == ArgumentType::kBoolean && (text == "true" || text == "false")) {
      return json(text == "true");
    }
    double value = 0;
    if (type == ArgumentType::kNumber && RE2::FullMatch(text, number) &&
        absl::SimpleAtod(text, &value) && std::isfinite(value)) {
      return json(value);
    }
    return std::nullopt;
  }

  const bool on_failure_;
  ArgumentScope* const scope_;
  const ArgumentFault& fault_;
};

std::string FillIn(const std::string& text, const std::map<std::string, std::string>& failure) {
  const absl::StatusOr<std::vector<TemplatePart>> parts = ParseTemplate(text);
  if (!parts.ok()) return text;  // Compile lets no such text through
  std::string result;
  for (const TemplatePart& part : *parts) {
    const auto found = failure.find(part.text);
    const bool known = part.kind == TemplatePart::Kind::kFailure && found != failure.end();
    result += known ? found->second : part.text;
  }
  return result;
}

void FillInAll(const std::map<std::string, std::string>& failure, json* value) {
  if (value->is_string()) {
    *value = FillIn(value->get<std::string>(), failure);
  } else if (value->is_structured()) {
    for (json& child : *value) FillInAll(failure, &child);
  }
}

// At most kMaxFailureText bytes, not cut within a character.
std::string Bounded(absl::string_view text) { return std::string(CutText(text, kMaxFailureText)); }

}  // namespace

json ResolveArgument(const json& value, const ArgumentSpec* spec, bool on_failure,
                     ArgumentScope* scope, const ArgumentFault& fault) {
  Resolver resolver(on_failure, scope, fault);
  return spec == nullptr ? resolver.Resolve(value) : resolver.ResolveTyped(value, *spec);
}

std::string SubstituteFailure(absl::string_view arguments, absl::string_view step,
                              absl::string_view reason, absl::string_view message) {
  absl::StatusOr<json> parsed = ParseStrictJson(arguments);
  if (!parsed.ok()) return std::string(arguments);
  FillInAll({{"step", Bounded(step)}, {"reason", Bounded(reason)}, {"message", Bounded(message)}},
            &*parsed);
  return JsonText(*parsed);
}

}  // namespace fractos
