#include "cli/inputs.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "cli/known_devices.h"
#include "cli/paths.h"
#include "lib/base/limits.h"
#include "lib/plan/names.h"
#include "lib/plan/utf8.h"
#include "lib/plan/yaml.h"
#include "lib/runtime/atomic_file.h"

namespace fractos {

std::vector<DeviceCluster> Inputs::DeviceClusters() const {
  std::vector<DeviceCluster> all;
  for (const PlacedCluster& placed : clusters) all.push_back(placed.cluster);
  return all;
}

absl::StatusOr<SourceFile> ReadSource(const std::string& name) {
  SourceFile source;
  source.name = name == "-" ? "<stdin>" : name;
  source.folder = name == "-" ? AbsoluteFolderOf("x") : AbsoluteFolderOf(name);
  // Much more than a spec may have: up to here the parser says by how much a file is too long.
  constexpr size_t kMaxRead = 64 * kMaxSpecBytes;
  const std::string path = name == "-" ? "/dev/stdin" : name;
  absl::StatusOr<std::string> text = ReadWholeFile(path, kMaxRead);
  if (!text.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(text.status().message()));
  }
  source.text = *std::move(text);
  return source;
}

absl::StatusOr<std::vector<SourceFile>> ReadSources(
    std::initializer_list<const std::vector<std::string>*> lists,
    const std::vector<std::string>& device_files) {
  std::vector<SourceFile> sources;
  for (const std::vector<std::string>* files : lists) {
    for (const std::string& file : *files) {
      absl::StatusOr<SourceFile> source = ReadSource(file);
      if (!source.ok()) return source.status();
      sources.push_back(*std::move(source));
    }
  }
  for (const std::string& file : device_files) {
    absl::StatusOr<SourceFile> source = ReadSource(file);
    if (!source.ok()) return source.status();
    source->devices_only = true;
    sources.push_back(*std::move(source));
  }
  return sources;
}

Inputs ParseInputs(const std::vector<SourceFile>& files, const std::string& home) {
  Inputs inputs;
  for (const SourceFile& file : files) {
    Documents documents = ParseDocuments(file.text, file.name);
    if (file.devices_only) documents.graphs.clear();
    if (file.devices_only && documents.clusters.empty() && documents.diagnostics.empty()) {
      inputs.diagnostics.push_back({{file.name, 0, 0}, "", "defines no DeviceCluster"});
    }
    for (TaskGraph& graph : documents.graphs) inputs.graphs.push_back(std::move(graph));
    for (Diagnostic& wrong : documents.diagnostics) inputs.diagnostics.push_back(std::move(wrong));
    for (DeviceCluster& cluster : documents.clusters) {
      const auto same = std::find_if(inputs.clusters.begin(), inputs.clusters.end(),
                                     [&cluster](const PlacedCluster& other) {
                                       return other.cluster.FullName() == cluster.FullName();
                                     });
      // The graph's own file may be named by --devices, too.
      if (same != inputs.clusters.end() && same->cluster.mark.file == cluster.mark.file) continue;
      if (same != inputs.clusters.end()) {
        inputs.diagnostics.push_back(
            {cluster.mark, "metadata.name",
             absl::StrCat("DeviceCluster ", cluster.FullName(), " stands in ",
                          same->cluster.mark.file, " too; keep one of them")});
      }
      if (std::optional<Diagnostic> wrong = CheckCommand(cluster); wrong.has_value()) {
        inputs.diagnostics.push_back(*std::move(wrong));
      }
      inputs.clusters.push_back({std::move(cluster), file.folder});
    }
  }
  if (inputs.clusters.empty() && inputs.diagnostics.empty()) {
    inputs.default_clusters = true;
    for (DeviceCluster& cluster : DefaultDataCentre(home)) {
      inputs.clusters.push_back({std::move(cluster), AbsoluteFolderOf("x")});
    }
  }
  return inputs;
}

absl::StatusOr<TaskGraph> OnlyGraph(const Inputs& inputs) {
  if (inputs.graphs.empty()) {
    return absl::InvalidArgumentError("there is no TaskGraph in what was given");
  }
  if (inputs.graphs.size() > 1) {
    return absl::InvalidArgumentError(
        absl::StrCat(inputs.graphs[1].mark.file, ":", inputs.graphs[1].mark.line,
                     ": a second TaskGraph; one run is one TaskGraph, so keep one to a file"));
  }
  return inputs.graphs.front();
}

absl::StatusOr<ParameterValues> ParseParameters(const std::vector<std::string>& arguments) {
  ParameterValues values;
  for (const std::string& argument : arguments) {
    const size_t equals = argument.find('=');
    if (equals == std::string::npos || equals == 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("-p ", argument, ": a parameter is given as name=value"));
    }
    const std::string name = argument.substr(0, equals);
    if (const std::optional<TextFault> fault = FindTextFault(argument); fault.has_value()) {
      return absl::InvalidArgumentError(absl::StrCat("-p ", Quoted(name), ": byte ", fault->column,
                                                     " of line ", fault->line, " is ",
                                                     fault->what));
    }
    if (!values.emplace(name, argument.substr(equals + 1)).second) {
      return absl::InvalidArgumentError(absl::StrCat("-p ", name, " is given twice"));
    }
  }
  return values;
}

std::vector<Diagnostic> CheckGraph(const TaskGraph& graph, const Inputs& inputs,
                                   const ParameterValues& parameters) {
  const KnownDescriptions known = DescribeWithoutStarting(inputs.DeviceClusters());
  std::vector<Diagnostic> wrong =
      Validate(graph, known.descriptions, parameters, known.undescribed);
  if (!inputs.clusters_are_up) return wrong;
  // Whoever forgot that one is up looks for the devices that ship.
  std::vector<std::string> names;
  for (const PlacedCluster& placed : inputs.clusters) {
    names.emplace_back(absl::StripPrefix(placed.cluster.FullName(), "default/"));
  }
  for (Diagnostic& one : wrong) {
    if (!absl::StartsWith(one.message, "there is no device ")) continue;
    absl::StrAppend(&one.message, "; the data centre that is up has ", absl::StrJoin(names, ", "),
                    "; `fractosctl down` ends it");
  }
  return wrong;
}

std::string ClusterOf(const TaskGraph& graph, const TaskGraphStep& step) {
  return absl::StrContains(step.device, '/') ? step.device
                                             : absl::StrCat(graph.name_space, "/", step.device);
}

std::string FormatDiagnostics(const std::vector<Diagnostic>& diagnostics) {
  std::string text;
  for (const Diagnostic& wrong : diagnostics) absl::StrAppend(&text, wrong.ToString(), "\n");
  return text;
}

}  // namespace fractos
