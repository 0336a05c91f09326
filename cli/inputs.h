// What a user gives fractosctl: files, parameters. Read, checked, and told what is wrong with them.
#ifndef FRACTOS_CLI_INPUTS_H_
#define FRACTOS_CLI_INPUTS_H_

#include <initializer_list>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "lib/plan/device_cluster.h"
#include "lib/plan/plan.h"
#include "lib/plan/task_graph.h"

namespace fractos {

// One file as it was read, so that a run can be resumed after the file changed.
struct SourceFile {
  std::string name;  // as the user gave it
  std::string text;
  std::string folder;  // absolute: adaptors of DeviceClusters in it start there
  // Given by --devices: TaskGraphs in it are not meant, and DeviceClusters must be there.
  bool devices_only = false;
};

// A DeviceCluster and where its adaptor starts.
struct PlacedCluster {
  DeviceCluster cluster;
  std::string folder;
};

struct Inputs {
  std::vector<TaskGraph> graphs;
  std::vector<PlacedCluster> clusters;  // the user's, or the default data centre
  bool default_clusters = false;
  bool clusters_are_up = false;         // neither: the graph brings none, so those that `up` keeps
  std::vector<Diagnostic> diagnostics;  // not empty: nothing of this may be used

  std::vector<DeviceCluster> DeviceClusters() const;
};

// "-" is standard input. NotFound and the like name the file; more than kMaxSpecBytes is refused.
absl::StatusOr<SourceFile> ReadSource(const std::string& name);
// All of `lists`, in order, and then those given by --devices; the error of the first that cannot
// be read.
absl::StatusOr<std::vector<SourceFile>> ReadSources(
    std::initializer_list<const std::vector<std::string>*> lists,
    const std::vector<std::string>& device_files = {});

// Reads all files. Without any DeviceCluster in them the default data centre is used, with its
// storage under `home`. A cluster that stands in two files is a diagnostic.
Inputs ParseInputs(const std::vector<SourceFile>& files, const std::string& home);

// The one graph to run. InvalidArgument when there is none, or several.
absl::StatusOr<TaskGraph> OnlyGraph(const Inputs& inputs);

// "name=value" each; InvalidArgument names what is not.
absl::StatusOr<ParameterValues> ParseParameters(const std::vector<std::string>& arguments);

// What is wrong with `graph` over `inputs`' clusters, as far as it can be known without starting a
// device.
std::vector<Diagnostic> CheckGraph(const TaskGraph& graph, const Inputs& inputs,
                                   const ParameterValues& parameters);

// What to add where a device is not there: which ones the data centre that is up has.
std::string WhatIsUp(const Inputs& inputs);

// inputs.diagnostics, and what CheckGraph says of what could be read all the same. Steps with a
// fault of the former kind, and what may only follow from it, are left out; and what a device that
// is not there would take is not looked at. The last line then says that there may be more.
std::vector<Diagnostic> CheckInputs(const Inputs& inputs, const ParameterValues& parameters);

// "namespace/name" of a step's device.
std::string ClusterOf(const TaskGraph& graph, const TaskGraphStep& step);

// A line for each, as they go to stderr.
std::string FormatDiagnostics(const std::vector<Diagnostic>& diagnostics);

}  // namespace fractos

#endif  // FRACTOS_CLI_INPUTS_H_
