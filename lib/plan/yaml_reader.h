// Typed fields out of YAML. Whatever is wrong is said once, with its place and path, and reading
// goes on, so that a person sees everything that is wrong with a file at once.
#ifndef FRACTOS_LIB_PLAN_YAML_READER_H_
#define FRACTOS_LIB_PLAN_YAML_READER_H_

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "lib/base/clock.h"
#include "lib/plan/plan.h"
#include "lib/plan/yaml_node.h"

namespace fractos {

// Where the faults of one file go. Not thread-safe; `diagnostics` must outlive it.
class YamlFaults {
 public:
  YamlFaults(absl::string_view file, std::vector<Diagnostic>* diagnostics)
      : file_(file), diagnostics_(diagnostics) {}

  SourceMark MarkOf(const YamlNode& node) const { return {file_, node.line, node.column}; }
  SourceMark MarkOfKey(const YamlNode& node) const {
    return {file_, node.key_line, node.key_column};
  }
  void Add(const SourceMark& mark, std::string path, std::string message);
  // At the value of `node`, or at its key when there is no value to point at.
  void Add(const YamlNode& node, std::string path, std::string message);

 private:
  const std::string file_;
  std::vector<Diagnostic>* const diagnostics_;
};

// A value with the path that leads to it from the document.
struct YamlField {
  const YamlNode* node = nullptr;
  std::string path;
};

// The fields of one map. Every field that nobody asked for is unknown, and Finish says so.
class YamlMap {
 public:
  YamlMap(YamlField field, YamlFaults* faults);

  // The field, null when it is not there. A field without a value is a fault, and null.
  std::optional<YamlField> Find(const std::string& name);
  // A fault when it is not there.
  std::optional<YamlField> Require(const std::string& name);
  // A field that is known and must not be there, for the reason given.
  void Refuse(const std::string& name, absl::string_view reason);
  void Finish();

  bool is_map() const { return is_map_; }
  std::string Path(absl::string_view name) const;

 private:
  const YamlField field_;
  YamlFaults* const faults_;
  const bool is_map_;
  std::set<std::string> known_;
};

// Each is the value of the field, or nothing after saying what is wrong with it. What `field` lacks
// is nothing, too, without a fault.
std::optional<std::string> ReadText(const std::optional<YamlField>& field, size_t max_bytes,
                                    YamlFaults* faults);
std::optional<int64_t> ReadInteger(const std::optional<YamlField>& field, int64_t min, int64_t max,
                                   YamlFaults* faults);
std::optional<bool> ReadBoolean(const std::optional<YamlField>& field, YamlFaults* faults);
std::optional<Duration> ReadDuration(const std::optional<YamlField>& field, YamlFaults* faults);
// One of `choices`, of which there are two or more.
std::optional<std::string> ReadChoice(const std::optional<YamlField>& field,
                                      const std::vector<std::string>& choices, YamlFaults* faults);
// The items of a list; none when it is not one.
std::vector<YamlField> ReadList(const std::optional<YamlField>& field, size_t max_items,
                                YamlFaults* faults);
// The entries of a map, in file order, any keys; none when it is not one.
std::vector<std::pair<std::string, YamlField>> ReadEntries(const std::optional<YamlField>& field,
                                                           YamlFaults* faults,
                                                           size_t max_entries = kMaxYamlNodes);
// Says what is wrong with a map of texts.
void CheckTexts(const std::optional<YamlField>& field, size_t max_entries, size_t max_bytes,
                YamlFaults* faults);
// Any value. Plain integers beyond 64 bits become decimal strings.
nlohmann::json ReadJson(const YamlField& field, YamlFaults* faults);
// A map with anything in it, as JSON text; "{}" when it is not there.
std::string ReadJsonObject(const std::optional<YamlField>& field, YamlFaults* faults);

}  // namespace fractos

#endif  // FRACTOS_LIB_PLAN_YAML_READER_H_
