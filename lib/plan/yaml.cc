#include "lib/plan/yaml.h"

#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/base/limits.h"
#include "lib/plan/document_reader.h"
#include "lib/plan/names.h"
#include "lib/plan/text_fault.h"
#include "lib/plan/yaml_node.h"
#include "lib/plan/yaml_reader.h"

namespace fractos {
namespace {

class DocumentsReader {
 public:
  DocumentsReader(absl::string_view file, Documents* documents)
      : faults_(file, &documents->diagnostics), documents_(documents) {}

  void Read(const YamlNode& node) {
    YamlMap document({&node, ""}, &faults_);
    if (!document.is_map()) return;
    ReadApiVersion(document.Require("apiVersion"));
    const std::optional<YamlField> kind_field = document.Require("kind");
    const std::optional<std::string> kind = ReadText(kind_field, kMaxSpecBytes, &faults_);
    // Without its kind, nothing can be said of the rest.
    if (!kind.has_value()) return;
    if (*kind == "TaskGraph") {
      ReadTaskGraph(&document, node);
    } else if (*kind == "DeviceCluster") {
      ReadDeviceCluster(&document, node);
    } else {
      faults_.Add(*kind_field->node, kind_field->path,
                  absl::StrCat("must be TaskGraph or DeviceCluster, not ", Quoted(*kind),
                               DidYouMean(*kind, {"TaskGraph", "DeviceCluster"})));
    }
  }

 private:
  void ReadApiVersion(const std::optional<YamlField>& field) {
    const std::optional<std::string> version = ReadText(field, kMaxSpecBytes, &faults_);
    if (!version.has_value() || *version == kApiVersion) return;
    faults_.Add(*field->node, field->path,
                absl::StrCat("must be ", kApiVersion, ", not ", Quoted(*version)));
  }

  void ReadTaskGraph(YamlMap* document, const YamlNode& node) {
    TaskGraph graph;
    graph.mark = faults_.MarkOf(node);
    const Metadata metadata = ReadMetadata(document, &faults_);
    graph.name = metadata.name;
    graph.generate_name = metadata.generate_name;
    graph.ns = metadata.ns;
    ReadTaskGraphSpec(document, &faults_, &graph);
    document->Finish();
    if (!graph.name.empty()) CheckUnique("TaskGraph", graph.name, metadata);
    documents_->graphs.push_back(std::move(graph));
  }

  void ReadDeviceCluster(YamlMap* document, const YamlNode& node) {
    DeviceCluster cluster;
    cluster.mark = faults_.MarkOf(node);
    const Metadata metadata = ReadMetadata(document, &faults_);
    cluster.name = metadata.name;
    cluster.ns = metadata.ns;
    if (!metadata.generate_name.empty()) {
      faults_.Add(metadata.name_mark, "metadata.generateName",
                  "a DeviceCluster needs a name of its own, because steps refer to it");
    }
    ReadDeviceClusterSpec(document, &faults_, &cluster);
    document->Finish();
    if (!cluster.name.empty()) CheckUnique("DeviceCluster", cluster.name, metadata);
    documents_->clusters.push_back(std::move(cluster));
  }

  void CheckUnique(absl::string_view kind, const std::string& name, const Metadata& metadata) {
    const std::string key = absl::StrCat(kind, " ", metadata.ns, "/", name);
    const auto [earlier, is_new] = first_.emplace(key, metadata.name_mark);
    if (is_new) return;
    faults_.Add(metadata.name_mark, "metadata.name",
                absl::StrCat("this file has a ", kind, " ", Quoted(name), " already, on line ",
                             earlier->second.line));
  }

  YamlFaults faults_;
  Documents* const documents_;
  std::map<std::string, SourceMark> first_;  // by kind and full name
};

}  // namespace

Documents ParseDocuments(absl::string_view text, absl::string_view file) {
  Documents documents;
  const auto refuse = [&](int line, int column, std::string message) {
    documents.diagnostics.push_back({{std::string(file), line, column}, "", std::move(message)});
  };
  if (text.size() > kMaxSpecBytes) {
    refuse(0, 0,
           absl::StrCat("the file is ", text.size(), " bytes long, at most ", kMaxSpecBytes,
                        " are allowed"));
    return documents;
  }
  if (const std::optional<TextFault> fault = FindTextFault(text); fault.has_value()) {
    refuse(fault->line, fault->column, std::string(fault->what));
    return documents;
  }
  const std::vector<YamlNode> nodes = LoadYaml(text, file, &documents.diagnostics);
  DocumentsReader reader(file, &documents);
  for (const YamlNode& node : nodes) reader.Read(node);
  if (nodes.empty() && documents.diagnostics.empty()) {
    refuse(0, 0, "the file holds neither a TaskGraph nor a DeviceCluster");
  }
  SortByPlace(&documents.diagnostics);
  return documents;
}

}  // namespace fractos
