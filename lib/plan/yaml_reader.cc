#include "lib/plan/yaml_reader.h"

#include <re2/re2.h>

#include <algorithm>
#include <cmath>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "lib/base/limits.h"
#include "lib/plan/duration.h"
#include "lib/plan/json_text.h"
#include "lib/plan/names.h"

namespace fractos {
namespace {

enum class ScalarKind {
  kText,
  kInteger,
  kNumber,
  kBoolean,
  kAmbiguous,  // YAML's versions, or Kubernetes and we, would not agree on what it is
};

bool Matches(const std::string& text, const RE2& pattern) { return RE2::FullMatch(text, pattern); }

ScalarKind KindOf(const YamlNode& node) {
  static const RE2& integer = *new RE2("[-+]?(0|[1-9][0-9]*)");
  static const RE2& number =
      *new RE2(R"([-+]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?)");
  static const RE2& ambiguous = *new RE2(
      "(?i)null|~|"
      R"([-+]?\.(inf|nan)|[-+]?0[box][0-9a-f_]+|[-+]?[0-9][0-9_]*(\.[0-9_]*)?(e[-+]?[0-9]+)?)");
  if (node.quoted) return ScalarKind::kText;
  if (node.text == "true" || node.text == "false") return ScalarKind::kBoolean;
  if (Matches(node.text, integer)) return ScalarKind::kInteger;
  if (Matches(node.text, number)) return ScalarKind::kNumber;
  if (OldBoolean(node.text).has_value() || Matches(node.text, ambiguous)) {
    return ScalarKind::kAmbiguous;
  }
  return ScalarKind::kText;
}

absl::string_view KindName(const YamlNode& node) {
  switch (node.kind) {
    case YamlNode::Kind::kNull:
      return "nothing";
    case YamlNode::Kind::kSequence:
      return "a list";
    case YamlNode::Kind::kMap:
      return "a map";
    case YamlNode::Kind::kScalar:
      break;
  }
  switch (KindOf(node)) {
    case ScalarKind::kText:
      return "text";
    case ScalarKind::kInteger:
    case ScalarKind::kNumber:
      return "a number";
    case ScalarKind::kBoolean:
      return "true or false";
    case ScalarKind::kAmbiguous:
      return "ambiguous";
  }
  return "unknown";
}

void WrongType(const YamlField& field, absl::string_view expected, YamlFaults* faults) {
  faults->Add(*field.node, field.path,
              absl::StrCat("must be ", expected, ", not ", KindName(*field.node)));
}

// Of a list or a map.
bool HasTooMany(const YamlField& field, size_t max, YamlFaults* faults) {
  const std::vector<YamlNode>& children = field.node->children;
  if (children.size() <= max) return false;
  faults->Add(children[max], field.path,
              absl::StrCat("has ", children.size(), " entries, at most ", max, " are allowed"));
  return true;
}

}  // namespace

void YamlFaults::Add(const SourceMark& mark, std::string path, std::string message) {
  diagnostics_->push_back({mark, std::move(path), std::move(message)});
}

void YamlFaults::Add(const YamlNode& node, std::string path, std::string message) {
  const bool has_place = node.kind != YamlNode::Kind::kNull || node.key_line == 0;
  Add(has_place ? MarkOf(node) : MarkOfKey(node), std::move(path), std::move(message));
}

YamlMap::YamlMap(YamlField field, YamlFaults* faults)
    : field_(std::move(field)),
      faults_(faults),
      is_map_(field_.node->kind == YamlNode::Kind::kMap) {
  if (!is_map_) WrongType(field_, "a map", faults_);
}

std::string YamlMap::Path(absl::string_view name) const {
  return field_.path.empty() ? std::string(name) : absl::StrCat(field_.path, ".", name);
}

std::optional<YamlField> YamlMap::Find(const std::string& name) {
  known_.insert(name);
  const YamlNode* child = is_map_ ? field_.node->Find(name) : nullptr;
  if (child == nullptr) return std::nullopt;
  if (child->kind == YamlNode::Kind::kNull) {
    faults_->Add(*child, Path(name), "has no value: give one or leave the field out");
    return std::nullopt;
  }
  return YamlField{child, Path(name)};
}

std::optional<YamlField> YamlMap::Require(const std::string& name) {
  if (is_map_ && field_.node->Find(name) == nullptr) {
    faults_->Add(*field_.node, Path(name), "is required");
  }
  return Find(name);
}

void YamlMap::Refuse(const std::string& name, absl::string_view reason) {
  known_.insert(name);
  const YamlNode* child = is_map_ ? field_.node->Find(name) : nullptr;
  if (child != nullptr) faults_->Add(faults_->MarkOfKey(*child), Path(name), std::string(reason));
}

void YamlMap::Finish() {
  if (!is_map_) return;
  const std::vector<std::string> known(known_.begin(), known_.end());
  for (const YamlNode& child : field_.node->children) {
    if (known_.count(child.key) > 0) continue;
    // A name with odd characters would make the path unreadable.
    const std::string name = IsIdentifier(child.key) ? child.key : Quoted(child.key);
    faults_->Add(faults_->MarkOfKey(child), Path(name),
                 absl::StrCat("unknown field", DidYouMean(child.key, known)));
  }
}

std::optional<std::string> ReadText(const std::optional<YamlField>& field, size_t max_bytes,
                                    YamlFaults* faults) {
  if (!field.has_value()) return std::nullopt;
  const YamlNode& node = *field->node;
  if (node.kind != YamlNode::Kind::kScalar) {
    WrongType(*field, "text", faults);
    return std::nullopt;
  }
  if (KindOf(node) != ScalarKind::kText) {
    faults->Add(node, field->path,
                absl::StrCat("must be text; write it in quotes: ", Quoted(node.text)));
    return std::nullopt;
  }
  if (node.text.size() > max_bytes) {
    faults->Add(
        node, field->path,
        absl::StrCat("is ", node.text.size(), " bytes long, at most ", max_bytes, " are allowed"));
    return std::nullopt;
  }
  return node.text;
}

std::optional<int64_t> ReadInteger(const std::optional<YamlField>& field, int64_t min, int64_t max,
                                   YamlFaults* faults) {
  if (!field.has_value()) return std::nullopt;
  const YamlNode& node = *field->node;
  if (node.kind != YamlNode::Kind::kScalar || KindOf(node) != ScalarKind::kInteger) {
    WrongType(*field, "an integer", faults);
    return std::nullopt;
  }
  int64_t value = 0;
  if (!absl::SimpleAtoi(node.text, &value) || value < min || value > max) {
    faults->Add(node, field->path,
                absl::StrCat("must be ", min, " to ", max, ", not ", Quoted(node.text)));
    return std::nullopt;
  }
  return value;
}

std::optional<bool> ReadBoolean(const std::optional<YamlField>& field, YamlFaults* faults) {
  if (!field.has_value()) return std::nullopt;
  const YamlNode& node = *field->node;
  const ScalarKind kind = node.kind == YamlNode::Kind::kScalar ? KindOf(node) : ScalarKind::kText;
  if (kind == ScalarKind::kBoolean) return node.text == "true";
  if (kind == ScalarKind::kAmbiguous) {
    faults->Add(node, field->path, absl::StrCat("must be true or false, not ", Quoted(node.text)));
  } else {
    WrongType(*field, "true or false", faults);
  }
  return std::nullopt;
}

std::optional<Duration> ReadDuration(const std::optional<YamlField>& field, YamlFaults* faults) {
  // A duration without its unit is a number to YAML; the message must still say "60s".
  if (field.has_value() && field->node->kind == YamlNode::Kind::kScalar) {
    const absl::StatusOr<Duration> duration = ParseDuration(field->node->text);
    if (duration.ok()) return *duration;
    faults->Add(*field->node, field->path, std::string(duration.status().message()));
  } else if (field.has_value()) {
    WrongType(*field, "a duration like \"60s\"", faults);
  }
  return std::nullopt;
}

std::optional<std::string> ReadChoice(const std::optional<YamlField>& field,
                                      const std::vector<std::string>& choices, YamlFaults* faults) {
  std::optional<std::string> text = ReadText(field, kMaxSpecBytes, faults);
  if (!text.has_value() || std::find(choices.begin(), choices.end(), *text) != choices.end()) {
    return text;
  }
  const std::vector<std::string> firsts(choices.begin(), choices.end() - 1);
  faults->Add(*field->node, field->path,
              absl::StrCat("must be ", absl::StrJoin(firsts, ", "), " or ", choices.back(),
                           ", not ", Quoted(*text), DidYouMean(*text, choices)));
  return std::nullopt;
}

std::vector<YamlField> ReadList(const std::optional<YamlField>& field, size_t max_items,
                                YamlFaults* faults) {
  std::vector<YamlField> items;
  if (!field.has_value()) return items;
  const YamlNode& node = *field->node;
  if (node.kind != YamlNode::Kind::kSequence) {
    WrongType(*field, "a list", faults);
    return items;
  }
  if (HasTooMany(*field, max_items, faults)) return items;
  for (size_t i = 0; i < node.children.size(); ++i) {
    items.push_back({&node.children[i], absl::StrCat(field->path, "[", i, "]")});
  }
  return items;
}

std::vector<std::pair<std::string, YamlField>> ReadEntries(const std::optional<YamlField>& field,
                                                           YamlFaults* faults, size_t max_entries) {
  std::vector<std::pair<std::string, YamlField>> entries;
  if (!field.has_value()) return entries;
  if (field->node->kind != YamlNode::Kind::kMap) {
    WrongType(*field, "a map", faults);
    return entries;
  }
  if (HasTooMany(*field, max_entries, faults)) return entries;
  for (const YamlNode& child : field->node->children) {
    entries.push_back({child.key, {&child, absl::StrCat(field->path, ".", child.key)}});
  }
  return entries;
}

void CheckTexts(const std::optional<YamlField>& field, size_t max_entries, size_t max_bytes,
                YamlFaults* faults) {
  for (const auto& [key, value] : ReadEntries(field, faults, max_entries)) {
    ReadText(value, max_bytes, faults);
  }
}

namespace {

nlohmann::json ReadScalar(const YamlField& field, YamlFaults* faults) {
  const YamlNode& node = *field.node;
  switch (KindOf(node)) {
    case ScalarKind::kText:
      return node.text;
    case ScalarKind::kBoolean:
      return node.text == "true";
    case ScalarKind::kInteger: {
      int64_t value = 0;
      if (absl::SimpleAtoi(node.text, &value)) return value;
      return node.text;
    }
    case ScalarKind::kNumber: {
      double value = 0;
      if (absl::SimpleAtod(node.text, &value) && std::isfinite(value)) return value;
      faults->Add(node, field.path, "is too large for a number; write it in quotes if it is text");
      return 0;
    }
    case ScalarKind::kAmbiguous:
      break;
  }
  faults->Add(node, field.path,
              absl::StrCat("is read differently by different programs; write true, false or a "
                           "decimal number, or put text in quotes: ",
                           Quoted(node.text)));
  return nullptr;
}

}  // namespace

nlohmann::json ReadJson(const YamlField& field, YamlFaults* faults) {
  const YamlNode& node = *field.node;
  switch (node.kind) {
    case YamlNode::Kind::kNull:
      faults->Add(node, field.path, "has no value: give one or leave the field out");
      return nullptr;
    case YamlNode::Kind::kScalar:
      return ReadScalar(field, faults);
    case YamlNode::Kind::kSequence: {
      nlohmann::json list = nlohmann::json::array();
      for (size_t i = 0; i < node.children.size(); ++i) {
        list.push_back(
            ReadJson({&node.children[i], absl::StrCat(field.path, "[", i, "]")}, faults));
      }
      return list;
    }
    case YamlNode::Kind::kMap:
      break;
  }
  nlohmann::json object = nlohmann::json::object();
  for (const YamlNode& child : node.children) {
    object[child.key] = ReadJson({&child, absl::StrCat(field.path, ".", child.key)}, faults);
  }
  return object;
}

std::string ReadJsonObject(const std::optional<YamlField>& field, YamlFaults* faults) {
  if (!field.has_value()) return "{}";
  if (field->node->kind != YamlNode::Kind::kMap) {
    WrongType(*field, "a map", faults);
    return "{}";
  }
  return JsonText(ReadJson(*field, faults));
}

}  // namespace fractos
