#include "cli/inspect.h"

#include <unistd.h>

#include <iostream>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "cli/complain.h"
#include "cli/draw.h"
#include "cli/inputs.h"
#include "cli/kept_centre.h"
#include "cli/known_devices.h"
#include "cli/operations_text.h"
#include "cli/paths.h"
#include "cli/session.h"
#include "lib/driver/memory_record_store.h"
#include "nlohmann/json.hpp"

namespace fractos {
namespace {

void PrintDevices(const Inputs& inputs, const Descriptions& descriptions) {
  bool first = true;
  for (const PlacedCluster& placed : inputs.clusters) {
    const DeviceCluster& cluster = placed.cluster;
    const auto found = descriptions.find(cluster.FullName());
    std::cout << (first ? "" : "\n") << absl::StripPrefix(cluster.FullName(), "default/") << "  "
              << absl::StrJoin(cluster.adaptor.command, " ") << "  × " << cluster.replicas << "\n";
    first = false;
    if (found == descriptions.end()) continue;
    for (const OperationSpec& operation : found->second.operations) {
      std::cout << FormatOperation(operation);
    }
  }
}

void PrintDevicesJson(const Inputs& inputs, const Descriptions& descriptions) {
  using Json = nlohmann::ordered_json;
  Json list = Json::array();
  for (const PlacedCluster& placed : inputs.clusters) {
    const DeviceCluster& cluster = placed.cluster;
    Json device = {{"name", cluster.FullName()},
                   {"replicas", cluster.replicas},
                   {"command", cluster.adaptor.command}};
    const auto found = descriptions.find(cluster.FullName());
    if (found != descriptions.end()) {
      device["description"] = Json::parse(DeviceDescriptionToJson(found->second));
    }
    list.push_back(std::move(device));
  }
  std::cout << list.dump(2, ' ', false, Json::error_handler_t::replace) << "\n";
}

// Asks the devices that are not known: those that are up, or started for this.
absl::Status AskUnknown(const Inputs& inputs, const std::optional<KeptCentre>& kept,
                        KnownDescriptions* known) {
  std::vector<PlacedCluster> unknown;
  for (const PlacedCluster& placed : inputs.clusters) {
    if (!known->descriptions.contains(placed.cluster.FullName())) unknown.push_back(placed);
  }
  if (unknown.empty()) return absl::OkStatus();
  MemoryRecordStore store;
  const absl::StatusOr<std::unique_ptr<Session>> session =
      Session::Open(absl::StrCat("devices-", ::getpid()), &store);
  if (!session.ok()) return session.status();
  const absl::Status opened =
      kept.has_value() && Offers(*kept, unknown)
          ? (*session)->UseCentre(unknown, kept->folder, kept->clusters)
          : (*session)->StartCentre(unknown, /*restart=*/false, /*verbose=*/false);
  if (!opened.ok()) return opened;
  absl::StatusOr<Descriptions> told = (*session)->AwaitReady(known->undescribed);
  if (!told.ok()) return told.status();
  known->descriptions.merge(*told);
  return absl::OkStatus();
}

}  // namespace

ExitCode ValidateFiles(const InspectOptions& options) {
  const absl::StatusOr<std::vector<SourceFile>> devices = ReadSources({}, options.device_files);
  if (!devices.ok()) return Complain(devices.status(), kExitBadInput);
  const absl::StatusOr<ParameterValues> given = ParseParameters(options.parameters);
  if (!given.ok()) return Complain(given.status(), kExitBadInput);
  ExitCode code = kExitSucceeded;
  for (const std::string& file : options.files) {
    const absl::StatusOr<SourceFile> source = ReadSource(file);
    if (!source.ok()) {
      code = Complain(source.status(), kExitBadInput);
      continue;
    }
    std::vector<SourceFile> sources = {*source};
    sources.insert(sources.end(), devices->begin(), devices->end());
    Inputs inputs = ParseInputs(sources, HomeFolder());
    if (const auto up = UseWhatIsUp(&inputs); !up.ok()) return Complain(up.status());
    const std::vector<Diagnostic> wrong = CheckInputs(inputs, *given);
    if (!wrong.empty()) {
      code = Refuse(wrong);
      continue;
    }
    for (const TaskGraph& graph : inputs.graphs) {
      std::cout << source->name << ": TaskGraph " << graph.DisplayName() << " is valid ("
                << graph.steps.size() << (graph.steps.size() == 1 ? " step" : " steps") << ")\n";
    }
    if (inputs.default_clusters) continue;
    for (const PlacedCluster& placed : inputs.clusters) {
      if (placed.cluster.mark.file != source->name) continue;
      std::cout << source->name << ": DeviceCluster " << placed.cluster.FullName() << " is valid\n";
    }
  }
  return code;
}

ExitCode DrawGraph(const InspectOptions& options) {
  const absl::StatusOr<std::vector<SourceFile>> sources =
      ReadSources({&options.files}, options.device_files);
  if (!sources.ok()) return Complain(sources.status(), kExitBadInput);
  const Inputs inputs = ParseInputs(*sources, HomeFolder());
  if (!inputs.diagnostics.empty()) {
    return Refuse(inputs.diagnostics);
  }
  const absl::StatusOr<TaskGraph> graph = OnlyGraph(inputs);
  if (!graph.ok()) return Complain(graph.status(), kExitBadInput);
  if (options.format == "mermaid") {
    std::cout << DrawMermaid(*graph);
    return kExitSucceeded;
  }
  const std::string dot = DrawDot(*graph);
  if (options.format == "dot") {
    std::cout << dot;
    return kExitSucceeded;
  }
  const absl::StatusOr<std::string> svg = RenderSvg(dot);
  if (!svg.ok()) return Complain(svg.status());
  std::cout << *svg;
  return kExitSucceeded;
}

ExitCode ShowDevices(const InspectOptions& options) {
  const absl::StatusOr<std::vector<SourceFile>> sources = ReadSources({}, options.device_files);
  if (!sources.ok()) return Complain(sources.status(), kExitBadInput);
  Inputs inputs = ParseInputs(*sources, HomeFolder());
  if (!inputs.diagnostics.empty()) {
    return Refuse(inputs.diagnostics);
  }
  const absl::StatusOr<std::optional<KeptCentre>> kept = FindKeptCentre();
  if (!kept.ok()) return Complain(kept.status());
  if (inputs.default_clusters && kept->has_value()) inputs.clusters = (*kept)->clusters;
  KnownDescriptions known = DescribeWithoutStarting(inputs.DeviceClusters());
  if (absl::Status asked = AskUnknown(inputs, *kept, &known); !asked.ok()) {
    return Complain(asked);
  }
  if (options.format == "json") {
    PrintDevicesJson(inputs, known.descriptions);
  } else {
    PrintDevices(inputs, known.descriptions);
  }
  return kExitSucceeded;
}

}  // namespace fractos
