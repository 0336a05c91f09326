#include "tests/sim/checker.h"

#include <algorithm>
#include <memory>

#include "absl/strings/str_cat.h"
#include "lib/driver/core/run_graph.h"
#include "tests/sim/device.h"

namespace fractos::sim {
namespace {

// Of the results that travel into `step`, in the order of its predecessors; none if one is missing.
std::optional<Lineage> LineageOf(const RunGraph& graph, const Step& step,
                                 const RecordedSteps& recorded) {
  std::vector<ResultId> ids;
  for (const StepPath& from : step.Predecessors()) {
    const ResultPtr predecessor = graph.ResultAlong(step, from, recorded);
    if (predecessor == nullptr) return std::nullopt;
    ids.push_back(predecessor->id);
  }
  return ComputeLineage(ids);
}

}  // namespace

Checker::Checker(const Plan& plan) : plan_(plan) {
  has_barrier_ = std::any_of(plan_.steps.begin(), plan_.steps.end(),
                             [](const StepPtr& step) { return step->waits_for_record; });
}

void Checker::SawBytes(const std::string& bytes) { bytes_[Digest::Of(bytes)] = bytes; }

RecordedSteps Checker::WithRefinements(const RunRecord& record) const {
  RecordedSteps steps = record.steps;
  for (auto& [path, result] : steps) {
    if (result->state != ResultState::kRefined) continue;
    auto copy = std::make_shared<StepResult>(*result);
    copy->value.inline_bytes = std::make_shared<const std::string>(BytesOf(copy->value.digest));
    result = std::move(copy);
  }
  return steps;
}

void Checker::OnExecute(const fractos::Execute& execute) {
  if (!execute.step->waits_for_record || execute.step->Predecessors().empty()) return;
  if (!open_.contains({execute.attempt.step, execute.attempt.lineage})) {
    Violation(absl::StrCat("the effect ", execute.attempt.step,
                           " started on results that never stood in the record"));
  }
}

// Of every record that was written, not only the last: a daemon that has not heard of a re-drive
// yet may still start what an earlier one allowed.
void Checker::OpenBarriers(const RunRecord& record) {
  const RecordedSteps recorded = WithRefinements(record);
  const absl::StatusOr<RunGraph> graph =
      RunGraph::Grow(plan_.steps, {}, plan_.signatures, recorded);
  if (!graph.ok()) return Violation(std::string(graph.status().message()));
  for (const StepPtr& step : graph->steps()) {
    if (!step->waits_for_record) continue;
    const std::optional<Lineage> lineage = LineageOf(*graph, *step, recorded);
    if (lineage.has_value()) open_.insert({step->path, *lineage});
  }
}

void Checker::OnWritten(const std::optional<RunRecord>& before, const RunRecord& after) {
  if (has_barrier_) OpenBarriers(after);
  if (!before.has_value()) return;
  if (after.redrive < before->redrive) Violation("the redrive epoch fell");
  if (IsEnd(before->phase)) Violation("written after the end");
  if (after.redrive != before->redrive) return;
  for (const auto& [path, result] : before->steps) {
    const auto now = after.steps.find(path);
    if (now == after.steps.end() || now->second->id != result->id) {
      Violation(absl::StrCat("recorded result of ", path, " changed without a re-drive"));
    }
  }
}

void Checker::OnEnd(const RunRecord* record) {
  if (record == nullptr) return Violation("the run did not end");
  const RecordedSteps recorded = WithRefinements(*record);
  const bool may_fail = std::any_of(recorded.begin(), recorded.end(), [](const auto& entry) {
    return entry.second->state == ResultState::kFailed;
  });
  if (record->phase != RunPhase::kSucceeded && !(record->phase == RunPhase::kFailed && may_fail)) {
    Violation(absl::StrCat("the run ended ", RunPhaseName(record->phase), ": ",
                           record->failure.reason, " ", record->failure.message));
  }
  for (const StepPath& sink : plan_.FailureSinks()) {
    if (record->phase == RunPhase::kFailed && !recorded.contains(sink)) {
      Violation(absl::StrCat("the error continuation's ", sink, " waited in vain"));
    }
  }
  const absl::StatusOr<RunGraph> graph =
      RunGraph::Grow(plan_.steps, {}, plan_.signatures, recorded);
  if (!graph.ok()) return Violation(std::string(graph.status().message()));
  if (!violations_.empty()) Violation(Stuck(*graph, recorded));
  CheckLineages(*graph, recorded);
}

std::string Checker::Stuck(const RunGraph& graph, const RecordedSteps& recorded) const {
  std::string stuck = "not recorded, though what they stand on is:";
  for (const StepPtr& step : graph.steps()) {
    if (!recorded.contains(step->path) && LineageOf(graph, *step, recorded).has_value()) {
      absl::StrAppend(&stuck, " ", step->path, "(", step->operation, " on ", step->cluster, ")");
    }
  }
  return stuck;
}

void Checker::CheckLineages(const RunGraph& graph, const RecordedSteps& recorded) {
  for (const auto& [path, result] : recorded) {
    const StepPtr step = graph.Find(path);
    if (step == nullptr) continue;  // of the error continuation
    // Skipped for that, by the driver: on whatever was not there.
    if (result->executor.address.IsDriver()) continue;
    const std::optional<Lineage> lineage = LineageOf(graph, *step, recorded);
    if (!lineage.has_value()) {
      return Violation(absl::StrCat(path, " is recorded without one of its predecessors"));
    }
    if (*lineage != result->lineage) {
      Violation(absl::StrCat("mixed lineage recorded for ", path));
    }
    if (result->state != ResultState::kSucceeded || step->operation == "pass") continue;
    std::vector<std::pair<std::string, Digest>> inputs;
    for (const InputEdge& edge : step->inputs) {
      inputs.push_back({edge.input, graph.ResultAlong(*step, edge.from, recorded)->value.digest});
    }
    for (const BoundInput& bound : step->bound) inputs.push_back({bound.input, bound.value.digest});
    // Less what is chance.
    const std::string& bytes = BytesOf(result->value.digest);
    if (bytes.substr(0, bytes.find('#')) != MixOf(*step, inputs)) {
      Violation(absl::StrCat("the value of ", path, " was made of other inputs"));
    }
  }
}

}  // namespace fractos::sim
