#include "lib/plan/yaml_node.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "lib/plan/names.h"

namespace fractos {
namespace {

// Thrown through yaml-cpp, which has no other way to stop it, and caught in LoadYaml.
struct Stop {
  int line;
  int column;
  std::string message;
};

size_t CountNodes(const YamlNode& node) {
  size_t count = 1;
  for (const YamlNode& child : node.children) count += CountNodes(child);
  return count;
}

size_t CountBytes(const YamlNode& node) {
  size_t bytes = node.text.size() + node.key.size();
  for (const YamlNode& child : node.children) bytes += CountBytes(child);
  return bytes;
}

size_t CountDepth(const YamlNode& node) {
  size_t deepest = 0;
  for (const YamlNode& child : node.children) deepest = std::max(deepest, CountDepth(child));
  return deepest + 1;
}

class Builder final : public YAML::EventHandler {
 public:
  Builder(absl::string_view file, std::vector<Diagnostic>* diagnostics)
      : file_(file), diagnostics_(diagnostics) {}

  std::vector<YamlNode> TakeDocuments() { return std::move(documents_); }

  // What the innermost "{" or "[" that was not closed is and where it stands; empty: none.
  std::string OpenBracket() const {
    for (auto open = open_.rbegin(); open != open_.rend(); ++open) {
      if (!open->is_flow) continue;
      const YamlNode& node = open->node;
      return absl::StrCat("the \"", node.kind == YamlNode::Kind::kMap ? "{" : "[", "\" at ",
                          node.line, ":", node.column);
    }
    return "";
  }

  void OnDocumentStart(const YAML::Mark&) override { anchors_.clear(); }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override { Add(NodeAt(mark), anchor); }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    CheckTag(mark, tag);
    YamlNode node = NodeAt(mark);
    node.kind = YamlNode::Kind::kScalar;
    node.text = value;
    node.quoted = tag == "!";
    Add(std::move(node), anchor);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) throw StopAt(mark, "an alias cannot stand within its own anchor");
    const YamlNode& target = found->second;
    Count(mark, CountNodes(target));
    copied_bytes_ += CountBytes(target);
    if (copied_bytes_ > kMaxYamlCopiedBytes) {
      throw StopAt(mark, absl::StrCat("aliases stand for more than ", kMaxYamlCopiedBytes,
                                      " bytes of text"));
    }
    if (open_.size() + CountDepth(target) > kMaxYamlDepth) throw TooDeep(mark);
    YamlNode copy = target;
    copy.line = mark.line + 1;
    copy.column = mark.column + 1;
    Place(std::move(copy));
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value style) override {
    Open(mark, tag, anchor, YamlNode::Kind::kSequence, style);
  }
  void OnSequenceEnd() override { Close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value style) override {
    Open(mark, tag, anchor, YamlNode::Kind::kMap, style);
  }
  void OnMapEnd() override { Close(); }

 private:
  // A list or map whose end has not come yet.
  struct Container {
    YamlNode node;
    YAML::anchor_t anchor = 0;
    bool is_flow = false;  // in brackets
    std::set<std::string> keys;
    bool has_key = false;  // a map's key has come and its value not
    YamlNode key;
  };

  static YamlNode NodeAt(const YAML::Mark& mark) {
    YamlNode node;
    node.line = mark.line + 1;
    node.column = mark.column + 1;
    return node;
  }

  static Stop StopAt(const YAML::Mark& mark, std::string message) {
    return {mark.line + 1, mark.column + 1, std::move(message)};
  }
  static Stop TooDeep(const YAML::Mark& mark) {
    return StopAt(mark, absl::StrCat("nested more than ", kMaxYamlDepth, " deep"));
  }

  static void CheckTag(const YAML::Mark& mark, const std::string& tag) {
    // What yaml-cpp says of a value without a tag: nothing, "?", or "!" when it is quoted.
    if (tag.empty() || tag == "?" || tag == "!") return;
    throw StopAt(mark, absl::StrCat("the tag ", Quoted(tag), " is not supported"));
  }

  void Count(const YAML::Mark& mark, size_t nodes) {
    nodes_ += nodes;
    if (nodes_ > kMaxYamlNodes) {
      throw StopAt(mark, absl::StrCat("more than ", kMaxYamlNodes,
                                      " values, what aliases stand for included"));
    }
  }

  void Open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
            YamlNode::Kind kind, YAML::EmitterStyle::value style) {
    CheckTag(mark, tag);
    Count(mark, 1);
    if (open_.size() >= kMaxYamlDepth) throw TooDeep(mark);
    Container container;
    container.node = NodeAt(mark);
    container.node.kind = kind;
    container.anchor = anchor;
    container.is_flow = style == YAML::EmitterStyle::Flow;
    open_.push_back(std::move(container));
  }

  void Close() {
    Container container = std::move(open_.back());
    open_.pop_back();
    if (container.anchor != 0) anchors_[container.anchor] = container.node;
    Place(std::move(container.node));
  }

  void Add(YamlNode node, YAML::anchor_t anchor) {
    YAML::Mark mark;
    mark.line = node.line - 1;
    mark.column = node.column - 1;
    Count(mark, 1);
    if (anchor != 0) anchors_[anchor] = node;
    Place(std::move(node));
  }

  // Puts a finished value where it belongs: into the innermost open list or map.
  void Place(YamlNode node) {
    if (open_.empty()) {
      if (node.kind != YamlNode::Kind::kNull) documents_.push_back(std::move(node));
      return;
    }
    Container& parent = open_.back();
    if (parent.node.kind == YamlNode::Kind::kSequence) {
      parent.node.children.push_back(std::move(node));
    } else if (!parent.has_key) {
      parent.key = std::move(node);
      parent.has_key = true;
    } else {
      parent.has_key = false;
      PlaceEntry(&parent, std::move(node));
    }
  }

  void PlaceEntry(Container* map, YamlNode value) {
    const YamlNode& key = map->key;
    if (key.kind != YamlNode::Kind::kScalar) {
      return Complain(key, "", "a key must be plain text");
    }
    if (key.text == "<<" && !key.quoted) {
      return Complain(key, key.text, "merge keys are not supported");
    }
    if (!map->keys.insert(key.text).second) {
      return Complain(key, key.text, "is there twice");
    }
    // "true" stays what it is, and the entry is read on: nobody need say that it is missing, too.
    const std::optional<bool> old = key.quoted ? std::nullopt : OldBoolean(key.text);
    if (old.has_value() && key.text != "true" && key.text != "false") {
      Complain(key, key.text,
               absl::StrCat("write ", Quoted(key.text), ": kubectl reads it as ",
                            *old ? "true" : "false"));
    }
    value.key = key.text;
    value.key_line = key.line;
    value.key_column = key.column;
    map->node.children.push_back(std::move(value));
  }

  // The path of `key`, as far as it is open. Items of a list count from 0.
  std::string PathTo(absl::string_view key) const {
    std::string path;
    for (size_t i = 0; i + 1 < open_.size(); ++i) {
      const Container& container = open_[i];
      if (container.node.kind == YamlNode::Kind::kSequence) {
        absl::StrAppend(&path, "[", container.node.children.size(), "]");
      } else {
        absl::StrAppend(&path, path.empty() ? "" : ".", container.key.text);
      }
    }
    if (!key.empty()) absl::StrAppend(&path, path.empty() ? "" : ".", key);
    return path;
  }

  void Complain(const YamlNode& at, absl::string_view key, std::string message) {
    diagnostics_->push_back(
        {{std::string(file_), at.line, at.column}, PathTo(key), std::move(message)});
  }

  const absl::string_view file_;
  std::vector<Diagnostic>* const diagnostics_;
  std::vector<YamlNode> documents_;
  std::vector<Container> open_;
  std::map<YAML::anchor_t, YamlNode> anchors_;  // of this document, finished
  size_t nodes_ = 0;
  size_t copied_bytes_ = 0;  // by aliases
};

}  // namespace

const YamlNode* YamlNode::Find(absl::string_view name) const {
  for (const YamlNode& child : children) {
    if (child.key == name) return &child;
  }
  return nullptr;
}

std::optional<bool> OldBoolean(absl::string_view text) {
  for (const char* yes : {"y", "yes", "true", "on"}) {
    if (absl::EqualsIgnoreCase(text, yes)) return true;
  }
  for (const char* no : {"n", "no", "false", "off"}) {
    if (absl::EqualsIgnoreCase(text, no)) return false;
  }
  return std::nullopt;
}

namespace {

// What yaml-cpp says of a tab in the indentation names anything but the tab.
absl::string_view TabHint(absl::string_view text, int line) {
  for (; line > 0; --line) {
    const size_t end = text.find('\n');
    if (end == absl::string_view::npos) return "";
    text.remove_prefix(end + 1);
  }
  const absl::string_view indentation = text.substr(0, text.find_first_not_of(" \t"));
  return absl::StrContains(indentation, '\t')
             ? "; the line is indented by a tab, and YAML takes only spaces"
             : "";
}

// What its other messages mostly mean. Of a bracket it only says where it gave up looking.
std::string SyntaxHint(absl::string_view fault, const std::string& open_bracket) {
  if (absl::StrContains(fault, "flow not found") && !open_bracket.empty()) {
    return absl::StrCat("; ", open_bracket, " is not closed, or a comma is missing after it");
  }
  if (fault == "illegal map value") return "; quote text that holds \": \"";
  if (fault == "illegal block entry") {
    return "; begin the list on a line of its own, or quote text that begins with \"- \"";
  }
  if (fault == "end of map not found" || fault == "end of sequence not found") {
    return "; check the indentation: what belongs together begins in the same column";
  }
  return "";
}

}  // namespace

std::vector<YamlNode> LoadYaml(absl::string_view text, absl::string_view file,
                               std::vector<Diagnostic>* diagnostics) {
  Builder builder(file, diagnostics);
  const auto stop = [&](int line, int column, std::string message) {
    diagnostics->push_back({{std::string(file), line, column}, "", std::move(message)});
  };
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const Stop& fault) {
    stop(fault.line, fault.column, fault.message);
  } catch (const YAML::Exception& fault) {
    const absl::string_view tab = TabHint(text, fault.mark.line);
    stop(fault.mark.line + 1, fault.mark.column + 1,
         absl::StrCat("not YAML: ", fault.msg,
                      tab.empty() ? SyntaxHint(fault.msg, builder.OpenBracket()) : tab));
  }
  return builder.TakeDocuments();
}

}  // namespace fractos
