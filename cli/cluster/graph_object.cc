#include "cli/cluster/graph_object.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/plan/duration.h"
#include "lib/plan/yaml_node.h"
#include "lib/plan/yaml_reader.h"

namespace fractos::cluster {
namespace {

using kube::Json;

absl::Status Wrong(const std::string& message) {
  return absl::InvalidArgumentError(absl::StrCat(message, "\n"));
}

// The TaskGraph as it was written, with what a TaskGraph of ours does not keep: labels, how long
// the object stays. The files have been read once already and are known to hold just one.
absl::StatusOr<Json> DocumentOf(const std::vector<SourceFile>& sources) {
  for (const SourceFile& source : sources) {
    std::vector<Diagnostic> wrong;
    const std::vector<YamlNode> documents = LoadYaml(source.text, source.name, &wrong);
    YamlFaults faults(source.name, &wrong);
    for (const YamlNode& document : documents) {
      const YamlNode* const kind = document.Find("kind");
      if (kind == nullptr || kind->text != "TaskGraph") continue;
      Json json = ReadJson({&document, ""}, &faults);
      if (!wrong.empty()) return absl::InvalidArgumentError(FormatDiagnostics(wrong));
      return json;
    }
  }
  return absl::InternalError("the TaskGraph is gone");
}

absl::Status SetNamespace(const GraphRequest& request, Json* metadata, TaskGraph* graph) {
  const std::string written = kube::StringMember(*metadata, "namespace");
  if (!written.empty() && !request.ns.empty() && written != request.ns) {
    return Wrong(absl::StrCat(graph->mark.file, ": metadata.namespace: is ", written,
                              ", but -n says ", request.ns));
  }
  graph->ns = !request.ns.empty() ? request.ns : written.empty() ? request.default_ns : written;
  (*metadata)["namespace"] = graph->ns;
  return absl::OkStatus();
}

void SetName(const GraphRequest& request, Json* metadata, TaskGraph* graph) {
  if (!request.name.empty()) {
    metadata->erase("generateName");
    (*metadata)["name"] = request.name;
    graph->name = request.name;
    graph->generate_name.clear();
    return;
  }
  if (!graph->name.empty()) {
    graph->generate_name = absl::StrCat(graph->name.substr(0, kMaxGenerateNameLength - 1), "-");
    graph->name.clear();
  }
  metadata->erase("name");
  (*metadata)["generateName"] = graph->generate_name;
}

void SetParameters(const ParameterValues& values, Json* spec, TaskGraph* graph) {
  for (ParameterSpec& parameter : graph->parameters) {
    const auto given = values.find(parameter.name);
    if (given == values.end()) continue;
    parameter.value = given->second;
    for (Json& written : (*spec)["parameters"]) {
      if (kube::StringMember(written, "name") == parameter.name) written["value"] = given->second;
    }
  }
}

}  // namespace

absl::StatusOr<GraphObject> MakeGraphObject(const GraphRequest& request) {
  const Inputs inputs = ParseInputs(request.sources, "");
  if (!inputs.diagnostics.empty()) {
    return absl::InvalidArgumentError(FormatDiagnostics(inputs.diagnostics));
  }
  absl::StatusOr<TaskGraph> graph = OnlyGraph(inputs);
  if (!graph.ok()) return Wrong(std::string(graph.status().message()));
  absl::StatusOr<Json> document = DocumentOf(request.sources);
  if (!document.ok()) return document.status();

  GraphObject made;
  made.graph = *std::move(graph);
  if (!inputs.default_clusters) made.clusters = inputs.DeviceClusters();
  Json& metadata = (*document)["metadata"];
  Json& spec = (*document)["spec"];
  if (absl::Status set = SetNamespace(request, &metadata, &made.graph); !set.ok()) return set;
  SetName(request, &metadata, &made.graph);
  SetParameters(request.parameters, &spec, &made.graph);
  if (request.mode.has_value()) {
    made.graph.mode = *request.mode;
    spec["mode"] = ModeName(*request.mode);
  }
  if (request.deadline.has_value()) {
    made.graph.deadline = *request.deadline;
    spec["deadline"] = FormatDuration(*request.deadline);
  }
  made.object = kube::Object(*std::move(document));
  if (!request.traceparent.empty()) {
    made.object.SetAnnotation(kTraceparentAnnotation, request.traceparent);
  }
  return made;
}

}  // namespace fractos::cluster
