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
                                        const RecordedSteps& recorded, size_t later) {
  RunGraph graph;
  graph.steps_ = steps;
  graph.context_ = context;
  // First the context, whose results may be what a step to be done refined on.
  for (std::vector<StepPtr>* const list : {&graph.context_, &graph.steps_}) {
    if (absl::Status status = graph.GrowList(list, signatures, recorded, later); !status.ok()) {
      return status;
    }
  }
  return graph;
}

absl::Status RunGraph::GrowList(std::vector<StepPtr>* list,
                                const std::vector<OperationSignature>& signatures,
                                const RecordedSteps& recorded, size_t later) {
  for (const StepPtr& step : *list) Know(step);
  // A refined step may have refined in its turn, so the list grows while it is walked.
  for (size_t i = 0; i < list->size(); ++i) {
    const StepPtr step = (*list)[i];
    if (!IsGrown(step->path, recorded)) continue;
    const StepResult& result = *recorded.at(step->path);
    const absl::StatusOr<Refinement> refinement = DecodeRefinement(*result.value.inline_bytes);
    if (!refinement.ok()) return refinement.status();
    std::vector<ResultPtr> inputs;
    for (const StepPath& from : step->Predecessors()) {
      inputs.push_back(ResultAlong(*step, from, recorded));
    }
    const std::vector<BoundInput> own = OwnInputs(*step, inputs);
    // A predecessor's refinement has yet to be fetched; until then this one cannot grow either.
    if (own.size() < step->inputs.size() + step->bound.size()) continue;
    absl::StatusOr<std::vector<StepPtr>> refined =
        ExpandRefinement(*step, result.id, *refinement, own, signatures);
    if (!refined.ok()) return refined.status();
    list->insert(list->begin() + static_cast<ptrdiff_t>(i) + 1, refined->begin(), refined->end());
    for (const StepPtr& one : *refined) {
      Know(one);
      parent_[one->path] = step->path;
    }
    if (steps_.size() + context_.size() + later > kMaxSteps) {
      return absl::ResourceExhaustedError(absl::StrCat("refinements make this a run of more than ",
                                                       kMaxSteps,
                                                       " steps, those of onFailure included"));
    }
  }
  return absl::OkStatus();
}

void RunGraph::Know(const StepPtr& step) {
  by_path_[step->path] = step;
  by_alias_[step->alias()].push_back(step);
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

StepPtr RunGraph::Owing(const StepPath& alias, const RecordedSteps& recorded) const {
  const auto producers = by_alias_.find(alias);
  if (producers == by_alias_.end()) return nullptr;
  for (const StepPtr& producer : producers->second) {
    if (!recorded.contains(producer->path) && !Contains(*producer)) return producer;
  }
  return nullptr;
}

std::vector<StepPtr> RunGraph::SuccessorsOf(const Step& step, bool refined) const {
  return SuccessorsAmong(steps_, step, refined);
}

std::vector<StepPtr> RunGraph::SuccessorsAmong(const std::vector<StepPtr>& steps, const Step& step,
                                               bool refined) const {
  std::vector<StepPtr> successors;
  for (const StepPtr& other : fractos::SuccessorsOf(refined ? step.path : step.alias(), steps)) {
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
  return SuccessorsAmong(Contains(step) ? steps_ : context_, step, /*refined=*/false).empty();
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
