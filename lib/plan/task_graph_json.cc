#include "lib/plan/task_graph_json.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/base/limits.h"
#include "lib/plan/document_reader.h"
#include "lib/plan/json_text.h"
#include "lib/plan/yaml_node.h"
#include "lib/plan/yaml_reader.h"

namespace fractos {
namespace {

// Makes the tree that the YAML reader reads, so that both have one set of rules and one set of
// words.
class TreeBuilder {
 public:
  explicit TreeBuilder(std::vector<Diagnostic>* diagnostics) : diagnostics_(diagnostics) {}

  YamlNode Build(const nlohmann::json& json, const std::string& path, size_t depth) {
    YamlNode node;
    if (depth > kMaxYamlDepth)
      return Stop(path, absl::StrCat("nested more than ", kMaxYamlDepth, " deep"));
    if (++nodes_ > kMaxYamlNodes)
      return Stop("", absl::StrCat("more than ", kMaxYamlNodes, " values"));
    if (json.is_object()) {
      node.kind = YamlNode::Kind::kMap;
      for (const auto& [key, value] : json.items()) {
        if (stopped_) break;
        YamlNode child = Build(value, path.empty() ? key : absl::StrCat(path, ".", key), depth + 1);
        child.key = key;
        node.children.push_back(std::move(child));
      }
    } else if (json.is_array()) {
      node.kind = YamlNode::Kind::kSequence;
      for (size_t i = 0; i < json.size() && !stopped_; ++i) {
        node.children.push_back(Build(json[i], absl::StrCat(path, "[", i, "]"), depth + 1));
      }
    } else if (json.is_string()) {
      node.kind = YamlNode::Kind::kScalar;
      node.text = json.get<std::string>();
      node.quoted = true;  // text, whatever it looks like
    } else if (!json.is_null()) {
      node.kind = YamlNode::Kind::kScalar;
      node.text = JsonText(json);
    }
    return node;
  }

  bool stopped() const { return stopped_; }

 private:
  YamlNode Stop(const std::string& path, std::string message) {
    if (!stopped_) diagnostics_->push_back({{}, path, std::move(message)});
    stopped_ = true;
    return {};
  }

  std::vector<Diagnostic>* const diagnostics_;
  size_t nodes_ = 0;
  bool stopped_ = false;
};

// What of `object` is the graph's.
nlohmann::json GraphOf(const nlohmann::json& object) {
  nlohmann::json graph = nlohmann::json::object();
  if (!object.is_object()) return graph;
  if (const auto metadata = object.find("metadata"); metadata != object.end()) {
    nlohmann::json names = nlohmann::json::object();
    // A generateName beside the name that was made of it is only history.
    const bool named = metadata->is_object() && metadata->contains("name");
    for (const char* key : {"name", "namespace", "generateName"}) {
      if (key == std::string("generateName") && named) continue;
      if (metadata->is_object() && metadata->contains(key)) names[key] = (*metadata)[key];
    }
    graph["metadata"] = std::move(names);
  }
  if (const auto spec = object.find("spec"); spec != object.end()) graph["spec"] = *spec;
  return graph;
}

}  // namespace

TaskGraphObject ReadTaskGraphObject(const nlohmann::json& object) {
  TaskGraphObject read;
  const nlohmann::json json = GraphOf(object);
  if (const size_t bytes = JsonText(json).size(); bytes > kMaxSpecBytes) {
    read.diagnostics.push_back(
        {{},
         "spec",
         absl::StrCat("is ", bytes, " bytes long, at most ", kMaxSpecBytes, " are allowed")});
    return read;
  }
  TreeBuilder builder(&read.diagnostics);
  const YamlNode node = builder.Build(json, "", 1);
  if (builder.stopped()) return read;
  YamlFaults faults("", &read.diagnostics);
  YamlMap document({&node, ""}, &faults);
  const Metadata metadata = ReadMetadata(&document, &faults);
  read.graph.name = metadata.name;
  read.graph.generate_name = metadata.generate_name;
  read.graph.ns = metadata.ns;
  ReadTaskGraphSpec(&document, &faults, &read.graph);
  document.Finish();
  return read;
}

}  // namespace fractos
