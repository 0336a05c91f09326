#include "cli/cluster/observed_run.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "cli/report.h"
#include "lib/api/conditions.h"
#include "lib/api/task_graph_record.h"
#include "lib/plan/catalog.h"
#include "lib/plan/duration.h"

namespace fractos::cluster {
namespace {

using kube::Json;
using kube::Member;
using kube::StringMember;

StepPtr StepOf(const Json& json, const std::string& ns) {
  auto step = std::make_shared<Step>();
  step->path = StringMember(json, "name");
  step->cluster = FullClusterName(StringMember(json, "device"), ns);
  step->operation = StringMember(json, "operation");
  for (const auto& [input, from] : Member(json, "inputs").items()) {
    if (from.is_string()) step->inputs.push_back({input, from.get<std::string>()});
  }
  for (const Json& after : Member(json, "after")) {
    if (after.is_string()) step->after.push_back(after.get<std::string>());
  }
  return step;
}

Plan PlanOf(const kube::Object& object) {
  Plan plan;
  plan.name = object.name();
  const Json& spec = object.spec();
  plan.mode = ParseMode(StringMember(spec, "mode")).value_or(Mode::kDistributed);
  plan.deadline = ParseDuration(StringMember(spec, "deadline")).value_or(kDefaultDeadline);
  for (const Json& step : Member(spec, "steps")) plan.steps.push_back(StepOf(step, object.ns()));
  for (const Json& step : Member(spec, "onFailure")) {
    plan.on_failure.push_back(StepOf(step, object.ns()));
  }
  return plan;
}

// A record holds results alone. What has all that it needs was handed over with it, so it is at
// work or about to be.
void AddExecuting(const Plan& plan, RunSnapshot* snapshot) {
  const RunRecord& record = snapshot->record;
  const bool failing = record.phase == RunPhase::kFailing;
  if (record.phase != RunPhase::kRunning && !failing) return;
  const auto ready = [&record](const StepPath& path) {
    const auto found = record.steps.find(path);
    return found != record.steps.end() && found->second->state == ResultState::kSucceeded;
  };
  for (const StepPtr& step : failing ? plan.on_failure : plan.steps) {
    const std::vector<StepPath> before = step->Predecessors();
    if (record.steps.contains(step->path) || !std::all_of(before.begin(), before.end(), ready)) {
      continue;
    }
    snapshot->executing.push_back(step->path);
  }
}

// For every step that no other follows, in the graph's order: its value, or that it has none.
void AddOutputs(const Plan& plan, RunSnapshot* snapshot) {
  const RunRecord& record = snapshot->record;
  std::vector<StepPath> sinks = plan.Sinks();
  const std::vector<StepPath> more = plan.FailureSinks();
  sinks.insert(sinks.end(), more.begin(), more.end());
  for (const StepPath& sink : sinks) {
    const auto named = record.outputs.find(sink);
    const auto result = record.steps.find(named == record.outputs.end() ? sink : named->second);
    // What a sink refined to is its output once the run is over.
    if (result == record.steps.end() || result->second->state == ResultState::kRefined) continue;
    snapshot->outputs.push_back({sink, result->second->state, result->second->value});
  }
}

// Why it failed: as recorded, else as the conditions say.
void AddFailure(const Json& status, RunRecord* record) {
  if (!record->failure.reason.empty() || record->phase == RunPhase::kSucceeded) return;
  for (const char* type : {"Accepted", "Succeeded"}) {
    const Json& condition = FindCondition(status, type);
    if (StringMember(condition, "status") != "False") continue;
    record->failure = {StringMember(condition, "reason"), StringMember(condition, "message")};
    return;
  }
}

}  // namespace

ObservedRun ObserveRun(const kube::Object& task_graph) {
  ObservedRun run;
  run.plan = PlanOf(task_graph);
  const Json& status = task_graph.status();
  RunSnapshot& snapshot = run.snapshot;
  absl::Status ignored;
  snapshot.record = ReadRecord(task_graph, &ignored);
  const RunRecord& record = snapshot.record;
  snapshot.transfer = record.transfer;
  snapshot.centralized_bytes = record.centralized_bytes;
  snapshot.finished = IsTrue(status, "Finished");
  AddFailure(status, &snapshot.record);
  AddExecuting(run.plan, &snapshot);
  AddOutputs(run.plan, &snapshot);

  const Json& accepted = FindCondition(status, "Accepted");
  const std::string& answer = StringMember(accepted, "status");
  if (answer == "True") run.accepted = ObservedRun::Accepted::kYes;
  if (answer == "False") run.accepted = ObservedRun::Accepted::kNo;
  if (answer != "True") run.note = StringMember(accepted, "message");
  const Json& succeeded = FindCondition(status, "Succeeded");
  // While all is well its reason says no more than the phase does.
  if (run.note.empty() && !snapshot.finished && StringMember(succeeded, "status") == "Unknown" &&
      StringMember(succeeded, "reason") != RunPhaseName(record.phase)) {
    run.note = StringMember(succeeded, "message");
  }
  return run;
}

ExitCode ObservedRun::code() const {
  // Waited for to the end: whether it was a slip of the pen nobody can tell.
  if (snapshot.record.failure.reason == "UnknownDevice") return kExitDeadline;
  return accepted == Accepted::kNo ? kExitBadInput : ExitCodeOf(snapshot.record);
}

}  // namespace fractos::cluster
