// From a valid graph to what daemons execute.
#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "absl/status/status.h"
#include "lib/plan/arguments.h"
#include "lib/plan/catalog.h"
#include "lib/plan/json_text.h"
#include "lib/plan/plan.h"

namespace fractos {
namespace {

class Compiler {
 public:
  Compiler(const TaskGraph& graph, const Descriptions& descriptions,
           const ParameterValues& parameters)
      : graph_(graph), catalog_(descriptions) {
    for (const ParameterSpec& parameter : graph.parameters) {
      const auto given = parameters.find(parameter.name);
      scope_.parameters[parameter.name] =
          given == parameters.end() ? parameter.value : std::optional(given->second);
    }
  }

  Plan Run() {
    Plan plan;
    plan.name = graph_.DisplayName();
    plan.mode = graph_.mode;
    plan.deadline = graph_.deadline;
    for (const TaskGraphStep& step : graph_.steps) plan.steps.push_back(CompileStep(step, false));
    // Of the main steps onFailure takes nothing that is not in the record by the time it starts:
    // what had not ended by then is Skipped. So from here on they count as settled: an effect waits
    // only for steps of its own list, and is deterministic as far as those are.
    compiled_.clear();
    for (const TaskGraphStep& step : graph_.on_failure) {
      plan.on_failure.push_back(CompileStep(step, true));
    }
    for (const Catalog::Key& key : reachable_) {
      plan.signatures.push_back(catalog_.Signature(key));
      clusters_.insert(key.first);
    }
    plan.clusters.assign(clusters_.begin(), clusters_.end());
    return plan;
  }

 private:
  StepPtr CompileStep(const TaskGraphStep& source, bool on_failure) {
    auto step = std::make_shared<Step>();
    step->path = source.name;
    step->cluster = FullClusterName(source.device, graph_.ns);
    step->operation = source.operation;
    clusters_.insert(step->cluster);
    const Catalog::Key key = {step->cluster, step->operation};
    const OperationSpec& operation = *catalog_.Find(key);
    step->arguments = Arguments(source, operation, on_failure);
    for (const auto& [input, from] : source.inputs) {
      step->inputs.push_back({input, from, operation.FindInput(input)->passed});
    }
    step->after = source.after;
    step->when = source.when;
    step->retry = source.retry.value_or(RetrySpec());
    step->timeout =
        source.timeout.value_or(std::min<Duration>(kDefaultStepTimeout, graph_.deadline));
    step->effect = operation.effect;
    for (const Catalog::Key& target : catalog_.RefinesTo(key)) {
      step->refines_to.push_back(SignatureKey(target));
    }
    reachable_.merge(catalog_.Reachable(key));

    bool ancestors_deterministic = true;
    for (const StepPath& predecessor : step->Predecessors()) {
      const auto found = compiled_.find(predecessor);
      if (found != compiled_.end() && !found->second->deterministic_so_far) {
        ancestors_deterministic = false;
      }
    }
    step->deterministic_so_far = ancestors_deterministic && catalog_.IsDeterministic(key);
    step->waits_for_record = step->effect == Effect::kIdempotent && !ancestors_deterministic;
    compiled_[step->path] = step;
    return step;
  }

  std::string Arguments(const TaskGraphStep& source, const OperationSpec& operation,
                        bool on_failure) {
    // Validate has parsed and resolved them before, so nothing can be wrong.
    nlohmann::json arguments = *ParseStrictJson(source.arguments);
    for (auto& [name, value] : arguments.items()) {
      value = ResolveArgument(value, operation.FindArgument(name), on_failure, &scope_,
                              [](const std::string&) {});
    }
    return JsonText(arguments);
  }

  const TaskGraph& graph_;
  const Catalog catalog_;
  ArgumentScope scope_;
  std::map<StepPath, StepPtr> compiled_;  // of the list that is being compiled
  std::set<Catalog::Key> reachable_;
  std::set<std::string> clusters_;
};

std::vector<StepPath> SinksOf(const std::vector<StepPtr>& steps) {
  std::set<StepPath> followed;
  for (const StepPtr& step : steps) {
    for (const StepPath& predecessor : step->Predecessors()) followed.insert(predecessor);
  }
  std::vector<StepPath> sinks;
  for (const StepPtr& step : steps) {
    if (followed.count(step->path) == 0) sinks.push_back(step->path);
  }
  return sinks;
}

}  // namespace

std::vector<StepPath> Plan::Sinks() const { return SinksOf(steps); }
std::vector<StepPath> Plan::FailureSinks() const { return SinksOf(on_failure); }

absl::StatusOr<Plan> Compile(const TaskGraph& graph, const Descriptions& descriptions,
                             const ParameterValues& parameters) {
  const std::vector<Diagnostic> diagnostics = Validate(graph, descriptions, parameters);
  if (!diagnostics.empty()) return absl::InvalidArgumentError(diagnostics.front().ToString());
  return Compiler(graph, descriptions, parameters).Run();
}

}  // namespace fractos
