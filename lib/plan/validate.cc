// Everything that can be wrong with a graph once it could be read.
#include <re2/re2.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "lib/base/limits.h"
#include "lib/plan/arguments.h"
#include "lib/plan/catalog.h"
#include "lib/plan/duration.h"
#include "lib/plan/json_text.h"
#include "lib/plan/names.h"
#include "lib/plan/plan.h"

namespace fractos {
namespace {

// Further faults are not worth looking for: somebody mends these first.
constexpr size_t kMaxDiagnostics = 100;
// A regular expression that needs more is refused.
constexpr int64_t kMaxPatternMemory = 1 << 20;

std::string IdentifierRule(absl::string_view name) {
  return absl::StrCat("must be a letter and then letters, digits, '-' or '_', at most ",
                      kMaxNameLength, " in all, not ", Quoted(name));
}

class Validator {
 public:
  Validator(const TaskGraph& graph, const Descriptions& descriptions,
            const ParameterValues& parameters, const std::vector<std::string>& undescribed)
      : graph_(graph),
        descriptions_(descriptions),
        parameters_(parameters),
        undescribed_(undescribed.begin(), undescribed.end()),
        catalog_(descriptions) {}

  std::vector<Diagnostic> Run() {
    CheckGraph();
    CheckParameters();
    if (CheckCount()) {
      NameSteps(graph_.steps, "spec.steps", 0);
      NameSteps(graph_.on_failure, "spec.onFailure", graph_.steps.size());
      CheckSteps(graph_.steps, "spec.steps", 0);
      CheckSteps(graph_.on_failure, "spec.onFailure", graph_.steps.size());
    }
    SortByPlace(&diagnostics_);
    return std::move(diagnostics_);
  }

 private:
  // A step under check, with how to speak of it.
  struct Subject {
    const TaskGraphStep& step;
    std::string path;  // "spec.steps[2]"
    size_t position;   // over steps and then onFailure
    bool on_failure;
  };

  void Add(const SourceMark& mark, std::string field, std::string message) {
    if (diagnostics_.size() >= kMaxDiagnostics) return;
    diagnostics_.push_back({mark, std::move(field), std::move(message)});
  }
  void Add(const Subject& subject, const std::string& field, std::string message) {
    Add(subject.step.MarkOf(field), absl::StrCat(subject.path, ".", field), std::move(message));
  }

  void CheckGraph() {
    const std::string name = graph_.DisplayName();
    if (!IsDnsName(name)) Add(graph_.mark, "metadata.name", DnsNameRule(name));
    if (!IsNamespace(graph_.ns)) {
      Add(graph_.mark, "metadata.namespace", NamespaceRule(graph_.ns));
    }
    if (graph_.deadline < kMinDeadline || graph_.deadline > kMaxDeadline) {
      Add(graph_.deadline_mark.line > 0 ? graph_.deadline_mark : graph_.mark, "spec.deadline",
          absl::StrCat("must be ", FormatDuration(kMinDeadline), " to ",
                       FormatDuration(kMaxDeadline), ", not ", FormatDuration(graph_.deadline)));
    }
  }

  void CheckParameters() {
    if (graph_.parameters.size() > kMaxParameters) {
      Add(graph_.mark, "spec.parameters",
          absl::StrCat("has ", graph_.parameters.size(), " entries, at most ", kMaxParameters,
                       " are allowed"));
      return;
    }
    std::vector<std::string> names;
    for (size_t i = 0; i < graph_.parameters.size(); ++i) {
      CheckParameter(graph_.parameters[i], absl::StrCat("spec.parameters[", i, "]"));
      names.push_back(graph_.parameters[i].name);
    }
    for (const auto& [name, value] : parameters_) {
      const SourceMark nowhere = {graph_.mark.file, 0, 0};
      if (!absl::c_linear_search(names, name)) {
        Add(nowhere, absl::StrCat("parameter ", Quoted(name)),
            absl::StrCat("the graph has no such parameter", DidYouMean(name, names)));
      }
      CheckValue(value, nowhere, absl::StrCat("parameter ", Quoted(name)));
    }
  }

  void CheckParameter(const ParameterSpec& parameter, const std::string& path) {
    if (!IsIdentifier(parameter.name)) {
      Add(parameter.mark, path + ".name", IdentifierRule(parameter.name));
    }
    std::optional<std::string> value = parameter.value;
    const auto given = parameters_.find(parameter.name);
    if (given != parameters_.end()) value = given->second;
    if (!scope_.parameters.emplace(parameter.name, value).second) {
      Add(parameter.mark, path + ".name",
          absl::StrCat("there is a parameter ", Quoted(parameter.name), " already"));
    }
    if (!value.has_value()) {
      Add(parameter.mark, path,
          absl::StrCat("the parameter ", Quoted(parameter.name),
                       " has no value: give one here, or for this run with -p ", parameter.name,
                       "=VALUE"));
    }
    if (parameter.value.has_value()) CheckValue(*parameter.value, parameter.mark, path + ".value");
  }

  void CheckValue(const std::string& value, const SourceMark& mark, const std::string& path) {
    if (value.size() <= kMaxParameterBytes) return;
    Add(mark, path,
        absl::StrCat("is ", value.size(), " bytes long, at most ", kMaxParameterBytes,
                     " are allowed"));
  }

  bool CheckCount() {
    if (graph_.steps.empty()) Add(graph_.mark, "spec.steps", "a graph has at least one step");
    const size_t count = graph_.steps.size() + graph_.on_failure.size();
    if (count <= kMaxSteps) return true;
    const bool in_steps = graph_.steps.size() > kMaxSteps;
    const TaskGraphStep& first_too_many =
        in_steps ? graph_.steps[kMaxSteps] : graph_.on_failure[kMaxSteps - graph_.steps.size()];
    Add(first_too_many.mark, in_steps ? "spec.steps" : "spec.onFailure",
        absl::StrCat("the graph has ", count, " steps, at most ", kMaxSteps, " are allowed"));
    return false;
  }

  // All names first, so that a reference downwards can be told from one to nowhere.
  void NameSteps(const std::vector<TaskGraphStep>& steps, const std::string& list, size_t first) {
    for (size_t i = 0; i < steps.size(); ++i) {
      const Subject subject = {steps[i], absl::StrCat(list, "[", i, "]"), first + i, false};
      if (!IsDnsName(steps[i].name)) Add(subject, "name", DnsNameRule(steps[i].name));
      if (positions_.emplace(steps[i].name, first + i).second) {
        names_.push_back(steps[i].name);
      } else {
        Add(subject, "name", absl::StrCat("there is a step ", Quoted(steps[i].name), " already"));
      }
    }
  }

  void CheckSteps(const std::vector<TaskGraphStep>& steps, const std::string& list, size_t first) {
    for (size_t i = 0; i < steps.size(); ++i) {
      CheckStep({steps[i], absl::StrCat(list, "[", i, "]"), first + i, first > 0});
    }
  }

  void CheckStep(const Subject& subject) {
    CheckEdges(subject);
    CheckWhen(subject);
    CheckTimes(subject);
    const OperationSpec* operation = CheckOperation(subject);
    const nlohmann::json arguments = CheckArguments(subject, operation);
    if (operation != nullptr) CheckGiven(subject, *operation, arguments);
  }

  void CheckReference(const Subject& subject, const std::string& field, const std::string& name) {
    const auto found = positions_.find(name);
    if (found == positions_.end()) {
      Add(subject, field,
          absl::StrCat("there is no step ", Quoted(name), DidYouMean(name, names_)));
    } else if (name == subject.step.name) {
      Add(subject, field, "a step cannot refer to itself");
    } else if (!subject.on_failure && found->second >= graph_.steps.size()) {
      Add(subject, field,
          absl::StrCat(Quoted(name), " is a step of onFailure, which runs only when others fail"));
    } else if (found->second > subject.position) {
      Add(subject, field,
          absl::StrCat(Quoted(name), " stands below: a step refers only to steps above it"));
    }
  }

  void CheckEdges(const Subject& subject) {
    const TaskGraphStep& step = subject.step;
    if (step.inputs.size() > kMaxInputs) {
      return Add(subject, "inputs",
                 absl::StrCat("has ", step.inputs.size(), " entries, at most ", kMaxInputs,
                              " are allowed"));
    }
    std::set<std::string> seen;
    for (const auto& [input, from] : step.inputs) {
      const std::string field = absl::StrCat("inputs.", input);
      if (!IsIdentifier(input)) Add(subject, field, IdentifierRule(input));
      if (!seen.insert(input).second) Add(subject, field, "is there twice");
      CheckReference(subject, field, from);
    }
    seen.clear();
    for (size_t i = 0; i < step.after.size(); ++i) {
      const std::string field = absl::StrCat("after[", i, "]");
      if (seen.insert(step.after[i]).second) {
        CheckReference(subject, field, step.after[i]);
      } else {
        Add(subject, field, absl::StrCat(Quoted(step.after[i]), " is there twice"));
      }
    }
  }

  void CheckWhen(const Subject& subject) {
    if (!subject.step.when.has_value()) return;
    const WhenSpec& when = *subject.step.when;
    std::vector<std::string> inputs;
    for (const auto& entry : subject.step.inputs) inputs.push_back(entry.first);
    if (!absl::c_linear_search(inputs, when.input)) {
      Add(subject, "when.input",
          absl::StrCat("the step has no input ", Quoted(when.input),
                       DidYouMean(when.input, inputs)));
    }
    const std::string field = when.comparison == Comparison::kEquals      ? "when.equals"
                              : when.comparison == Comparison::kNotEquals ? "when.notEquals"
                                                                          : "when.matches";
    if (when.operand.size() > kMaxParameterBytes) {
      return Add(subject, field,
                 absl::StrCat("is ", when.operand.size(), " bytes long, at most ",
                              kMaxParameterBytes, " are allowed"));
    }
    if (absl::StrContains(when.operand, "$(parameters.")) {
      Add(subject, field, "parameters can be used in arguments only");
    }
    if (when.comparison != Comparison::kMatches) return;
    RE2::Options options;
    options.set_log_errors(false);
    options.set_max_mem(kMaxPatternMemory);
    const RE2 pattern(when.operand, options);
    if (!pattern.ok()) {
      Add(subject, field, absl::StrCat("is no regular expression: ", pattern.error()));
    }
  }

  void CheckTime(const Subject& subject, const std::string& field, Duration duration) {
    if (duration > Duration::zero() && duration <= graph_.deadline) return;
    Add(subject, field,
        absl::StrCat("must be more than 0s and at most the deadline, ",
                     FormatDuration(graph_.deadline), ", not ", FormatDuration(duration)));
  }

  void CheckTimes(const Subject& subject) {
    const TaskGraphStep& step = subject.step;
    if (step.timeout.has_value()) CheckTime(subject, "timeout", *step.timeout);
    if (!step.retry.has_value()) return;
    if (step.retry->limit < 0 || step.retry->limit > kMaxRetries) {
      Add(subject, "retry.limit",
          absl::StrCat("must be 0 to ", kMaxRetries, ", not ", step.retry->limit));
    }
    // The default may be beyond a very short deadline; what is not written is not wrong.
    if (step.retry->backoff != RetrySpec().backoff) {
      CheckTime(subject, "retry.backoff", step.retry->backoff);
    }
  }

  // Null when it is not known, which is wrong unless the device is still to describe itself.
  const OperationSpec* CheckOperation(const Subject& subject) {
    const TaskGraphStep& step = subject.step;
    const std::string cluster = FullClusterName(step.device, graph_.ns);
    if (cluster.empty()) {
      Add(subject, "device",
          absl::StrCat("must be \"name\" or \"namespace/name\", not ", Quoted(step.device)));
      return nullptr;
    }
    const auto description = descriptions_.find(cluster);
    if (description == descriptions_.end()) {
      if (undescribed_.count(cluster) == 0) {
        Add(subject, "device",
            absl::StrCat("there is no device ", Quoted(step.device),
                         DidYouMean(step.device, DeviceNames())));
      } else if (!IsIdentifier(step.operation)) {
        Add(subject, "operation", IdentifierRule(step.operation));
      }
      return nullptr;
    }
    const OperationSpec* operation = description->second.Find(step.operation);
    if (operation == nullptr) {
      std::vector<std::string> known;
      for (const OperationSpec& each : description->second.operations) known.push_back(each.name);
      Add(subject, "operation",
          absl::StrCat("the device ", Quoted(step.device), " has no operation ",
                       Quoted(step.operation), DidYouMean(step.operation, known)));
      return nullptr;
    }
    CheckRefinements(subject, {cluster, step.operation});
    return operation;
  }

  // How steps of this graph could name the devices there are.
  std::vector<std::string> DeviceNames() const {
    std::vector<std::string> names;
    for (const auto& entry : descriptions_) {
      const std::string own = absl::StrCat(graph_.ns, "/");
      names.emplace_back(absl::StripPrefix(entry.first, own));
    }
    return names;
  }

  void CheckRefinements(const Subject& subject, const Catalog::Key& key) {
    for (const Catalog::Key& target : catalog_.Reachable(key)) {
      if (catalog_.Find(target) != nullptr || undescribed_.count(target.first) > 0) continue;
      const std::string lacking = descriptions_.count(target.first) == 0
                                      ? absl::StrCat("there is no device ", Quoted(target.first))
                                      : absl::StrCat("the device ", Quoted(target.first),
                                                     " has no operation ", Quoted(target.second));
      Add(subject, "operation",
          absl::StrCat(Quoted(key.second), " may continue with ", Quoted(SignatureKey(target)),
                       ", but ", lacking));
    }
  }

  nlohmann::json CheckArguments(const Subject& subject, const OperationSpec* operation) {
    absl::StatusOr<nlohmann::json> arguments = ParseStrictJson(subject.step.arguments);
    if (!arguments.ok() || !arguments->is_object()) {
      Add(subject, "arguments",
          arguments.ok() ? "must be a map" : std::string(arguments.status().message()));
      return nlohmann::json::object();
    }
    for (const auto& [name, value] : arguments->items()) {
      const std::string field = absl::StrCat("arguments.", name);
      const ArgumentSpec* spec = operation == nullptr ? nullptr : operation->FindArgument(name);
      if (operation != nullptr && spec == nullptr) {
        Add(subject, field, UnknownArgument(*operation, name));
        continue;
      }
      ResolveArgument(value, spec, subject.on_failure, &scope_,
                      [&](const std::string& message) { Add(subject, field, message); });
    }
    return *std::move(arguments);
  }

  static std::string UnknownArgument(const OperationSpec& operation, const std::string& name) {
    std::vector<std::string> known;
    for (const ArgumentSpec& spec : operation.arguments) known.push_back(spec.name);
    if (known.empty()) return absl::StrCat(Quoted(operation.name), " takes no arguments");
    return absl::StrCat(Quoted(operation.name), " has no argument ", Quoted(name),
                        DidYouMean(name, known));
  }

  static std::string UnknownInput(const OperationSpec& operation, const std::string& name) {
    std::vector<std::string> known;
    for (const InputSpec& spec : operation.inputs) known.push_back(spec.name);
    if (known.empty()) return absl::StrCat(Quoted(operation.name), " takes no inputs");
    return absl::StrCat(Quoted(operation.name), " has no input ", Quoted(name),
                        DidYouMean(name, known));
  }

  // That everything the operation needs is given, once, and nothing else.
  void CheckGiven(const Subject& subject, const OperationSpec& operation,
                  const nlohmann::json& arguments) {
    std::set<std::string> given;  // inputs, by the name of what they are given for
    for (const auto& entry : subject.step.inputs) {
      const std::string& input = entry.first;
      const InputSpec* spec = operation.FindInput(input);
      if (spec == nullptr) {
        Add(subject, absl::StrCat("inputs.", input), UnknownInput(operation, input));
        continue;
      }
      given.insert(spec->name);
      if (!spec->variadic && operation.FindArgument(input) != nullptr &&
          arguments.contains(input)) {
        Add(subject, absl::StrCat("inputs.", input),
            "is given as an argument, too: one of the two must go");
      }
    }
    std::set<std::string> missing;
    for (const ArgumentSpec& spec : operation.arguments) {
      if (!spec.required || arguments.contains(spec.name)) continue;
      const bool or_input = HasInput(operation, spec.name);
      if (or_input && given.count(spec.name) > 0) continue;
      missing.insert(spec.name);
      Add(subject, absl::StrCat("arguments.", spec.name),
          absl::StrCat("is required by ", Quoted(operation.name),
                       or_input ? ", here or as an input" : ""));
    }
    for (const InputSpec& spec : operation.inputs) {
      if (!spec.required || given.count(spec.name) > 0 || missing.count(spec.name) > 0) continue;
      const bool or_argument = !spec.variadic && operation.FindArgument(spec.name) != nullptr;
      if (or_argument && arguments.contains(spec.name)) continue;
      Add(subject, spec.variadic ? "inputs" : absl::StrCat("inputs.", spec.name),
          spec.variadic ? absl::StrCat(Quoted(operation.name), " needs at least one input")
                        : absl::StrCat("is required by ", Quoted(operation.name)));
    }
  }

  static bool HasInput(const OperationSpec& operation, const std::string& name) {
    const InputSpec* spec = operation.FindInput(name);
    return spec != nullptr && !spec->variadic;
  }

  const TaskGraph& graph_;
  const Descriptions& descriptions_;
  const ParameterValues& parameters_;
  const std::set<std::string> undescribed_;
  const Catalog catalog_;
  ArgumentScope scope_;
  std::map<std::string, size_t> positions_;  // of the first step of each name
  std::vector<std::string> names_;
  std::vector<Diagnostic> diagnostics_;
};

}  // namespace

std::vector<Diagnostic> Validate(const TaskGraph& graph, const Descriptions& descriptions,
                                 const ParameterValues& parameters,
                                 const std::vector<std::string>& undescribed) {
  return Validator(graph, descriptions, parameters, undescribed).Run();
}

}  // namespace fractos
