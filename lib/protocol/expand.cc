#include "lib/protocol/expand.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/base/limits.h"
#include "lib/plan/catalog.h"

namespace fractos {
namespace {

bool Contains(const std::vector<std::string>& list, absl::string_view item) {
  return std::find(list.begin(), list.end(), item) != list.end();
}

bool FollowsAny(const Step& step, const std::vector<StepPath>& aliases) {
  for (const InputEdge& edge : step.inputs) {
    if (Contains(aliases, edge.from)) return true;
  }
  for (const StepPath& after : step.after) {
    if (Contains(aliases, after)) return true;
  }
  return false;
}

absl::Status Refuse(size_t index, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("refined step ", index, " ", what));
}

const OperationSignature* FindAllowed(const Step& parent, const std::string& key,
                                      const std::vector<OperationSignature>& signatures) {
  if (!Contains(parent.refines_to, key)) return nullptr;
  for (const OperationSignature& signature : signatures) {
    if (signature.Key() == key) return &signature;
  }
  return nullptr;
}

bool IsPassed(const OperationSignature& signature, const std::string& input) {
  return Contains(signature.passed_inputs, input) || Contains(signature.passed_inputs, "*");
}

// Everything that a refinement's steps have in common.
struct Context {
  const Step& parent;
  const ResultId& result;
  const std::vector<BoundInput>& own_inputs;
  const std::vector<OperationSignature>& signatures;
  const std::vector<StepPtr>& earlier;
};

absl::Status ConnectInputs(const Context& context, size_t index, const RefinedStep& refined,
                           const OperationSignature& signature, Step* step) {
  for (const RefinedStep::Input& input : refined.inputs) {
    const bool passed = IsPassed(signature, input.input);
    if (input.own_input.empty()) {
      if (input.step < 0 || static_cast<size_t>(input.step) >= index) {
        return Refuse(index, "takes an input from a step that is not above it");
      }
      step->inputs.push_back({input.input, context.earlier[input.step]->path, passed});
      continue;
    }
    const auto own = std::find_if(
        context.own_inputs.begin(), context.own_inputs.end(),
        [&input](const BoundInput& candidate) { return candidate.input == input.own_input; });
    if (own == context.own_inputs.end()) {
      return Refuse(index, absl::StrCat("takes over input \"", input.own_input,
                                        "\", which the refining step has not"));
    }
    step->bound.push_back({input.input, own->value, passed});
  }
  for (int after : refined.after) {
    if (after < 0 || static_cast<size_t>(after) >= index) {
      return Refuse(index, "comes after a step that is not above it");
    }
    step->after.push_back(context.earlier[after]->path);
  }
  return absl::OkStatus();
}

absl::StatusOr<StepPtr> ExpandOne(const Context& context, size_t index, const RefinedStep& refined,
                                  bool last) {
  auto step = std::make_shared<Step>();
  step->cluster = RefinedCluster(refined.cluster, context.parent.cluster);
  step->operation = refined.operation;
  const std::string key = OperationSignature::KeyOf(step->cluster, step->operation);
  const OperationSignature* signature = FindAllowed(context.parent, key, context.signatures);
  if (signature == nullptr) {
    return Refuse(index, absl::StrCat("is ", key, ", which ", context.parent.operation,
                                      " does not declare in refinesTo"));
  }
  if (refined.inputs.size() > kMaxInputs) return Refuse(index, "has too many inputs");
  step->path = RefinedPath(context.parent.path, index, context.result);
  if (last) step->stands_for = context.parent.alias();
  step->arguments = refined.arguments;
  step->retry = context.parent.retry;
  step->timeout = context.parent.timeout;
  step->effect = signature->effect;
  step->refines_to = signature->refines_to;
  if (absl::Status status = ConnectInputs(context, index, refined, *signature, step.get());
      !status.ok()) {
    return status;
  }
  if (step->inputs.empty() && step->after.empty()) step->after.push_back(context.parent.path);

  bool ancestors_deterministic = context.parent.deterministic_so_far;
  for (const StepPtr& earlier : context.earlier) {
    if (FollowsAny(*step, {earlier->path})) {
      ancestors_deterministic = ancestors_deterministic && earlier->deterministic_so_far;
    }
  }
  step->deterministic_so_far = ancestors_deterministic && signature->deterministic;
  step->waits_for_record = signature->effect != Effect::kNone && !ancestors_deterministic;
  return step;
}

}  // namespace

std::vector<StepPtr> SuccessorsOf(const StepPath& alias, const std::vector<StepPtr>& steps) {
  std::vector<StepPtr> successors;
  for (const StepPtr& step : steps) {
    if (FollowsAny(*step, {alias})) successors.push_back(step);
  }
  return successors;
}

std::vector<StepPtr> StepsFrom(const StepPtr& target, const std::vector<StepPtr>& steps) {
  std::vector<StepPtr> reached = {target};
  std::vector<StepPath> aliases = {target->alias()};
  // A refining step is followed by its refined steps under its own path as well.
  if (target->alias() != target->path) aliases.push_back(target->path);
  for (const StepPtr& step : steps) {
    if (step->path == target->path || !FollowsAny(*step, aliases)) continue;
    reached.push_back(step);
    aliases.push_back(step->alias());
    if (step->alias() != step->path) aliases.push_back(step->path);
  }
  return reached;
}

std::vector<BoundInput> OwnInputs(const Step& step, const std::vector<ResultPtr>& results) {
  std::vector<BoundInput> own;
  own.reserve(step.inputs.size() + step.bound.size());
  const std::vector<StepPath> predecessors = step.Predecessors();
  for (const InputEdge& edge : step.inputs) {
    for (size_t i = 0; i < predecessors.size() && i < results.size(); ++i) {
      if (predecessors[i] != edge.from) continue;
      if (results[i] != nullptr) own.push_back({edge.input, results[i]->value, edge.passed});
      break;
    }
  }
  own.insert(own.end(), step.bound.begin(), step.bound.end());
  return own;
}

absl::StatusOr<std::vector<StepPtr>> ExpandRefinement(
    const Step& parent, const ResultId& result, const Refinement& refinement,
    const std::vector<BoundInput>& own_inputs, const std::vector<OperationSignature>& signatures) {
  if (refinement.empty()) return absl::InvalidArgumentError("the refinement has no steps");
  // The refining step is one of the run's steps too.
  if (refinement.size() >= kMaxSteps) {
    return absl::InvalidArgumentError(absl::StrCat("the refinement has ", refinement.size(),
                                                   " steps; a run has at most ", kMaxSteps));
  }
  std::vector<StepPtr> steps;
  const Context context{parent, result, own_inputs, signatures, steps};
  for (size_t i = 0; i < refinement.size(); ++i) {
    absl::StatusOr<StepPtr> step = ExpandOne(context, i, refinement[i], i + 1 == refinement.size());
    if (!step.ok()) return step.status();
    steps.push_back(*std::move(step));
  }
  for (size_t i = 0; i + 1 < steps.size(); ++i) {
    if (SuccessorsOf(steps[i]->path, steps).empty()) {
      return Refuse(i, "leads nowhere: only the last may");
    }
  }
  return steps;
}

}  // namespace fractos
