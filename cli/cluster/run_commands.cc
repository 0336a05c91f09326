#include "cli/cluster/run_commands.h"

#include <iostream>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "cli/cluster/cluster_devices.h"
#include "cli/cluster/find_run.h"
#include "cli/cluster/graph_object.h"
#include "cli/cluster/refusal.h"
#include "cli/cluster/show.h"
#include "cli/cluster/status_trace.h"
#include "cli/complain.h"
#include "cli/our_trace.h"
#include "lib/plan/duration.h"

namespace fractos::cluster {
namespace {

// Of what is sent to the API server, for managedFields.
constexpr char kFieldManager[] = "kubectl-fractos";

absl::StatusOr<GraphObject> Prepare(const Target& target, const RunOptions& options,
                                    ParameterValues parameters) {
  absl::StatusOr<std::vector<SourceFile>> sources = ReadSources({&options.files});
  if (!sources.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("fractosctl: ", sources.status().message(), "\n"));
  }
  return MakeGraphObject({.sources = *std::move(sources),
                          .parameters = std::move(parameters),
                          .name = options.name,
                          .mode = options.mode,
                          .deadline = options.deadline,
                          .ns = target.ns_given ? target.ns : "",
                          .default_ns = target.ns,
                          .traceparent = OurTraceparent()});
}

// A device that is not there is no fault: the operator waits for it. But it may be a slip of the
// pen, and a device that only the file defines will never come by itself.
void SayWhatIsAbsent(const ClusterDevices& devices, const GraphObject& made, bool refused) {
  for (const ClusterDevices::Absent& absent : devices.absent) {
    std::cerr << "note: there is no DeviceCluster " << absent.cluster << " yet" << absent.hint
              << "; " << (refused ? "a run would wait" : "the run waits") << " for it, "
              << FormatDuration(made.graph.deadline) << " at most\n";
    for (const DeviceCluster& cluster : made.clusters) {
      if (cluster.FullName() != absent.cluster) continue;
      std::cerr << "note: " << cluster.mark.file << " defines it: `kubectl apply -f "
                << cluster.mark.file << "` makes it\n";
    }
  }
}

// One that no operator has taken up has nothing to be cancelled, and nobody who would say so.
OnInterrupt Cancel(const Target& target, const kube::Object& object) {
  const bool taken_up = !object.status().empty();
  std::cerr << (taken_up ? "cancelling; press Ctrl-C again to leave the run to the cluster\n"
                         : "cancelling\n");
  const absl::StatusOr<kube::Object> patched =
      target.client->Patch(target.RequestContext(), TaskGraphs(object.ns()), object.name(),
                           {{"spec", {{"cancel", true}}}}, {.field_manager = kFieldManager});
  if (!patched.ok()) std::cerr << ExplainRefusal(patched.status(), "");
  if (taken_up) return OnInterrupt::kWait;
  std::cerr << "no operator has taken the run up yet; " << WhatIsLeft(object) << "\n";
  return OnInterrupt::kLeave;
}

}  // namespace

ExitCode Run(const Target& target, const RunOptions& options) {
  absl::StatusOr<ParameterValues> parameters = ParseParameters(options.parameters);
  if (!parameters.ok()) return Complain(parameters.status(), kExitBadInput);
  absl::StatusOr<GraphObject> made = Prepare(target, options, *parameters);
  if (!made.ok()) {
    std::cerr << std::string(made.status().message());
    return kExitBadInput;
  }
  const absl::StatusOr<ClusterDevices> devices = AskDevices(target, made->graph);
  if (!devices.ok()) return ComplainOfCluster(devices.status());
  if (const std::vector<Diagnostic> wrong =
          Validate(made->graph, devices->descriptions, *parameters, devices->undescribed);
      !wrong.empty()) {
    SayWhatIsAbsent(*devices, *made, /*refused=*/true);
    return Refuse(wrong);
  }
  const std::string& file = made->graph.mark.file;
  absl::StatusOr<kube::Object> created =
      target.client->Create(target.RequestContext(), TaskGraphs(made->graph.ns), made->object,
                            {.field_manager = kFieldManager});
  if (!created.ok()) return ComplainOfCluster(created.status(), file);
  if (!options.show.quiet) {
    std::cerr << "taskgraph.fractos.dev/" << created->name() << " created in namespace "
              << created->ns() << "\n";
    SayWhatIsAbsent(*devices, *made, /*refused=*/false);
  }
  return ShowToItsEnd(target, *std::move(created), options.show,
                      [&target](const kube::Object& object) { return Cancel(target, object); });
}

ExitCode Watch(const Target& target, const std::string& run, const ShowOptions& options) {
  absl::StatusOr<kube::Object> object = FindRun(target, run);
  if (absl::IsInvalidArgument(object.status())) return Complain(object.status(), kExitBadInput);
  if (!object.ok()) return ComplainOfCluster(object.status());
  return ShowToItsEnd(target, *std::move(object), options, [](const kube::Object& left) {
    std::cerr << "the run goes on: `kubectl fractos watch " << left.name() << " -n " << left.ns()
              << "` shows it again\n";
    return OnInterrupt::kLeave;
  });
}

ExitCode Trace(const Target& target, const std::string& run, const std::string& file) {
  const absl::StatusOr<kube::Object> object = FindRun(target, run);
  if (absl::IsInvalidArgument(object.status())) return Complain(object.status(), kExitBadInput);
  if (!object.ok()) return ComplainOfCluster(object.status());
  const absl::Status written = WriteStatusTrace(*object, file);
  return written.ok() ? kExitSucceeded : Complain(written);
}

}  // namespace fractos::cluster
