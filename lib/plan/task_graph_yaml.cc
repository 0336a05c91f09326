// TaskGraphs out of YAML.
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "lib/base/limits.h"
#include "lib/plan/document_reader.h"
#include "lib/plan/names.h"

namespace fractos {
namespace {

// Names are checked by Validate, which has better words for a wrong one; here they only end.
constexpr size_t kMaxText = kMaxSpecBytes;

// Reads one field of a step and remembers where it stands.
class StepReader {
 public:
  StepReader(const YamlField& field, YamlFaults* faults)
      : field_(field), map_(field, faults), faults_(faults) {
    step_.mark = faults->MarkOf(*field.node);
  }

  TaskGraphStep Read() {
    step_.name = ReadText(Require("name"), kMaxText, faults_).value_or("");
    step_.device = ReadText(Require("device"), kMaxText, faults_).value_or("");
    step_.operation = ReadText(Require("operation"), kMaxText, faults_).value_or("");
    ReadArguments();
    for (const auto& [input, from] : ReadEntries(Find("inputs"), faults_)) {
      Mark(from);
      step_.inputs.emplace_back(input, ReadText(from, kMaxText, faults_).value_or(""));
    }
    for (const YamlField& item : ReadList(Find("after"), kMaxSteps, faults_)) {
      Mark(item);
      step_.after.push_back(ReadText(item, kMaxText, faults_).value_or(""));
    }
    ReadWhen();
    ReadRetry();
    step_.timeout = ReadDuration(Find("timeout"), faults_);
    map_.Finish();
    return std::move(step_);
  }

 private:
  void Mark(const YamlField& field) {
    std::string relative = field.path.substr(field_.path.size());
    step_.marks[std::string(absl::StripPrefix(relative, "."))] = faults_->MarkOf(*field.node);
  }

  std::optional<YamlField> Find(const std::string& name) { return Marked(map_.Find(name)); }
  std::optional<YamlField> Require(const std::string& name) { return Marked(map_.Require(name)); }
  std::optional<YamlField> Marked(std::optional<YamlField> field) {
    if (field.has_value()) Mark(*field);
    return field;
  }

  void ReadArguments() {
    const std::optional<YamlField> arguments = Find("arguments");
    step_.arguments = ReadJsonObject(arguments, faults_);
    if (!arguments.has_value()) return;
    for (const YamlNode& child : arguments->node->children) {
      Mark({&child, absl::StrCat(arguments->path, ".", child.key)});
    }
  }

  void ReadWhen() {
    const std::optional<YamlField> field = Find("when");
    if (!field.has_value()) return;
    YamlMap map(*field, faults_);
    WhenSpec when;
    when.input = ReadText(Marked(map.Require("input")), kMaxText, faults_).value_or("");
    int comparisons = 0;
    const auto compare = [&](const std::string& name, Comparison comparison) {
      const std::optional<YamlField> operand = Marked(map.Find(name));
      if (!operand.has_value()) return;
      when.comparison = comparison;
      when.operand = ReadText(operand, kMaxParameterBytes, faults_).value_or("");
      ++comparisons;
    };
    compare("equals", Comparison::kEquals);
    compare("notEquals", Comparison::kNotEquals);
    compare("matches", Comparison::kMatches);
    map.Finish();
    if (map.is_map() && comparisons != 1) {
      faults_->Add(*field->node, field->path,
                   "must have exactly one of equals, notEquals and matches");
    }
    step_.when = std::move(when);
  }

  void ReadRetry() {
    const std::optional<YamlField> field = Find("retry");
    if (!field.has_value()) return;
    YamlMap map(*field, faults_);
    RetrySpec retry;
    const std::optional<int64_t> limit =
        ReadInteger(Marked(map.Require("limit")), 0, kMaxRetries, faults_);
    retry.limit = static_cast<int>(limit.value_or(0));
    retry.backoff = ReadDuration(Marked(map.Find("backoff")), faults_).value_or(retry.backoff);
    map.Finish();
    step_.retry = retry;
  }

  const YamlField field_;
  YamlMap map_;
  YamlFaults* const faults_;
  TaskGraphStep step_;
};

ParameterSpec ReadParameter(const YamlField& field, YamlFaults* faults) {
  YamlMap map(field, faults);
  ParameterSpec parameter;
  parameter.mark = faults->MarkOf(*field.node);
  parameter.name = ReadText(map.Require("name"), kMaxText, faults).value_or("");
  parameter.value = ReadText(map.Find("value"), kMaxText, faults);
  map.Finish();
  return parameter;
}

std::vector<TaskGraphStep> ReadSteps(const std::optional<YamlField>& field, YamlFaults* faults) {
  std::vector<TaskGraphStep> steps;
  // Validate bounds the number of steps, for it counts both lists together.
  for (const YamlField& item : ReadList(field, kMaxYamlNodes, faults)) {
    steps.push_back(StepReader(item, faults).Read());
  }
  return steps;
}

}  // namespace

void ReadTaskGraphSpec(YamlMap* document, YamlFaults* faults, TaskGraph* graph) {
  const std::optional<YamlField> field = document->Require("spec");
  if (!field.has_value()) return;
  YamlMap map(*field, faults);
  for (const YamlField& item : ReadList(map.Find("parameters"), kMaxParameters, faults)) {
    graph->parameters.push_back(ReadParameter(item, faults));
  }
  graph->steps = ReadSteps(map.Require("steps"), faults);
  graph->on_failure = ReadSteps(map.Find("onFailure"), faults);
  const std::optional<std::string> mode = ReadChoice(
      map.Find("mode"), {ModeName(Mode::kDistributed), ModeName(Mode::kCentralized)}, faults);
  if (mode.has_value()) graph->mode = ParseMode(*mode).value_or(graph->mode);
  const std::optional<YamlField> deadline = map.Find("deadline");
  if (deadline.has_value()) graph->deadline_mark = faults->MarkOf(*deadline->node);
  graph->deadline = ReadDuration(deadline, faults).value_or(graph->deadline);
  graph->cancel = ReadBoolean(map.Find("cancel"), faults).value_or(false);
  // For whoever keeps the object.
  ReadInteger(map.Find("ttlSecondsAfterFinished"), 0, kMaxTtlSeconds, faults);
  map.Finish();
}

}  // namespace fractos
