#include "lib/driver/core/run_graph.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "lib/base/limits.h"
#include "lib/protocol/expand.h"

namespace fractos {
namespace {

bool IsGrown(const StepPath& path, const RecordedSteps& recorded) {
  const auto entry = recorded.find(path);
  return entry != recorded.end() && entry->second->state == ResultState::kRefined &&
         entry->second->value.IsInline();
}

}  // namespace

absl::StatusOr<RunGraph> RunGraph::Grow(const std::vector<StepPtr>& steps,
                                        const std::vector<StepPtr>& context,
                                        const std::vector<OperationSignature>& signatures,
                                        const RecordedSteps& recorded) {
  RunGraph graph;
  graph.steps_ = steps;
  const auto learn = [&graph](const StepPtr& step) {
    graph.by_path_[step->path] = step;
    graph.by_alias_[step->alias()].push_back(step);
  };
  for (const StepPtr& step : context) learn(step);
  for (const StepPtr& step : steps) learn(step);
  // A refined step may have refined in its turn, so the list grows while it is walked.
  for (size_t i = 0; i < graph.steps_.size(); ++i) {
    const StepPtr step = graph.steps_[i];
    if (!IsGrown(step->path, recorded)) continue;
    const StepResult& result = *recorded.at(step->path);
    const absl::StatusOr<Refinement> refinement = DecodeRefinement(*result.value.inline_bytes);
    if (!refinement.ok()) return refinement.status();
    std::vector<BoundInput> own;
    bool complete = true;
    for (const InputEdge& edge : step->inputs) {
      const ResultPtr input = graph.ResultAlong(*step, edge.from, recorded);
      complete = complete && input != nullptr;
      if (input != nullptr) own.push_back({edge.input, input->value, edge.passed});
    }
    // A predecessor's refinement has yet to be fetched; until then this one cannot grow either.
    if (!complete) continue;
    own.insert(own.end(), step->bound.begin(), step->bound.end());
    absl::StatusOr<std::vector<StepPtr>> refined =
        ExpandRefinement(*step, result.id, *refinement, own, signatures);
    if (!refined.ok()) return refined.status();
    graph.steps_.insert(graph.steps_.begin() + static_cast<ptrdiff_t>(i) + 1, refined->begin(),
                        refined->end());
    for (const StepPtr& one : *refined) {
      learn(one);
      graph.parent_[one->path] = step->path;
    }
    if (graph.steps_.size() + context.size() > kMaxSteps) {
      return absl::ResourceExhaustedError(
          absl::StrCat("refinements make this a run of more than ", kMaxSteps, " steps"));
    }
  }
  return graph;
}

StepPtr RunGraph::Find(const StepPath& path) const {
  const auto entry = by_path_.find(path);
  return entry == by_path_.end() ? nullptr : entry->second;
}

bool RunGraph::Contains(const Step& step) const {
  return std::any_of(steps_.begin(), steps_.end(),
                     [&step](const StepPtr& one) { return one.get() == &step; });
}

ResultPtr RunGraph::ResultAlong(const Step& step, const StepPath& from,
                                const RecordedSteps& recorded) const {
  const auto parent = parent_.find(step.path);
  if (parent != parent_.end() && parent->second == from) {
    const auto result = recorded.find(from);
    return result == recorded.end() ? nullptr : result->second;
  }
  return Terminal(from, recorded);
}

ResultPtr RunGraph::Terminal(const StepPath& alias, const RecordedSteps& recorded) const {
  const auto producers = by_alias_.find(alias);
  if (producers == by_alias_.end()) return nullptr;
  for (const StepPtr& producer : producers->second) {
    const auto result = recorded.find(producer->path);
    if (result != recorded.end() && result->second->state != ResultState::kRefined) {
      return result->second;
    }
  }
  return nullptr;
}

std::vector<StepPtr> RunGraph::SuccessorsOf(const Step& step, bool refined) const {
  std::vector<StepPtr> successors;
  for (const StepPtr& other : fractos::SuccessorsOf(refined ? step.path : step.alias(), steps_)) {
    const auto parent = parent_.find(other->path);
    // The edges of a path that refined lead to its refined steps; those of what stands for it lead
    // on. Both bear the same name.
    const bool from_refining =
        parent != parent_.end() && parent->second == (refined ? step.path : step.alias());
    if (from_refining == refined) successors.push_back(other);
  }
  return successors;
}

bool RunGraph::IsSink(const Step& step) const {
  return SuccessorsOf(step, /*refined=*/false).empty();
}

std::vector<ResultPtr> RunGraph::Ancestors(const Step& step, const RecordedSteps& recorded) const {
  std::vector<ResultPtr> ancestors;
  Collect(step, recorded, &ancestors);
  return ancestors;
}

void RunGraph::Collect(const Step& step, const RecordedSteps& recorded,
                       std::vector<ResultPtr>* out) const {
  for (const StepPath& from : step.Predecessors()) {
    const ResultPtr result = ResultAlong(step, from, recorded);
    if (result == nullptr) continue;
    if (std::any_of(out->begin(), out->end(),
                    [&result](const ResultPtr& known) { return known->path == result->path; })) {
      continue;
    }
    const StepPtr producer = Find(result->path);
    if (producer != nullptr) Collect(*producer, recorded, out);
    out->push_back(result);
  }
}

}  // namespace fractos
