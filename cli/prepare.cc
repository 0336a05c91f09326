#include "cli/prepare.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "cli/known_devices.h"
#include "cli/paths.h"
#include "lib/plan/plan.h"

namespace fractos {
namespace {

// Every cluster that the graph may reach. With a device that nobody knows before it runs, that is
// all of the user's: it may refine to any of them.
std::vector<PlacedCluster> Needed(const TaskGraph& graph, const Inputs& inputs,
                                  const ParameterValues& parameters) {
  const KnownDescriptions known = DescribeWithoutStarting(inputs.DeviceClusters());
  std::set<std::string> names;
  for (const auto* steps : {&graph.steps, &graph.on_failure}) {
    for (const TaskGraphStep& step : *steps) names.insert(ClusterOf(graph, step));
  }
  const bool all_known =
      std::none_of(known.undescribed.begin(), known.undescribed.end(),
                   [&names](const std::string& cluster) { return names.contains(cluster); });
  const absl::StatusOr<Plan> plan =
      all_known ? Compile(graph, known.descriptions, parameters)
                : absl::StatusOr<Plan>(absl::UnavailableError("not all devices are known"));
  if (plan.ok()) names = {plan->clusters.begin(), plan->clusters.end()};
  std::vector<PlacedCluster> needed;
  for (const PlacedCluster& placed : inputs.clusters) {
    const bool named = names.contains(placed.cluster.FullName());
    if (named || (!plan.ok() && !inputs.default_clusters)) needed.push_back(placed);
  }
  return needed;
}

}  // namespace

absl::StatusOr<PreparedRun> PrepareRun(RunInputs run, ExitCode* code) {
  *code = kExitBadInput;
  Inputs inputs = ParseInputs(run.sources, HomeFolder());
  if (!inputs.diagnostics.empty()) {
    return absl::InvalidArgumentError(FormatDiagnostics(CheckInputs(inputs, run.parameters)));
  }
  absl::StatusOr<TaskGraph> graph = OnlyGraph(inputs);
  if (!graph.ok()) return absl::InvalidArgumentError(absl::StrCat(graph.status().message(), "\n"));

  absl::StatusOr<std::optional<KeptCentre>> kept = UseWhatIsUp(&inputs);
  if (!kept.ok()) {
    *code = kExitFailed;
    return absl::InternalError(absl::StrCat(kept.status().message(), "\n"));
  }
  if (const std::vector<Diagnostic> wrong = CheckGraph(*graph, inputs, run.parameters);
      !wrong.empty()) {
    return absl::InvalidArgumentError(FormatDiagnostics(wrong));
  }
  PreparedRun prepared;
  prepared.needed = Needed(*graph, inputs, run.parameters);
  if (kept->has_value() && Offers(**kept, prepared.needed)) prepared.kept = *std::move(kept);
  prepared.graph = *std::move(graph);
  prepared.inputs = std::move(run);
  *code = kExitSucceeded;
  return prepared;
}

}  // namespace fractos
