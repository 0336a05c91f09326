#include "cli/cluster/observed_run.h"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "cli/report.h"
#include "lib/kube/time.h"
#include "lib/plan/catalog.h"
#include "lib/plan/duration.h"

namespace fractos::cluster {
namespace {

using kube::IntegerMember;
using kube::Json;
using kube::Member;
using kube::StringMember;

uint64_t CountOf(const Json& json, absl::string_view key) {
  return static_cast<uint64_t>(std::max<int64_t>(IntegerMember(json, key), 0));
}

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
  plan.mode = StringMember(spec, "mode") == "Centralized" ? Mode::kCentralized : Mode::kDistributed;
  plan.deadline = ParseDuration(StringMember(spec, "deadline")).value_or(kDefaultDeadline);
  for (const Json& step : Member(spec, "steps")) plan.steps.push_back(StepOf(step, object.ns()));
  for (const Json& step : Member(spec, "onFailure")) {
    plan.on_failure.push_back(StepOf(step, object.ns()));
  }
  return plan;
}

RunId RunOf(const kube::Object& object) {
  return RunId::FromHex(absl::StrReplaceAll(object.uid(), {{"-", ""}})).value_or(RunId());
}

RunPhase PhaseOf(const std::string& name) {
  for (const RunPhase phase : {RunPhase::kRunning, RunPhase::kFailing, RunPhase::kSucceeded,
                               RunPhase::kFailed, RunPhase::kCancelled}) {
    if (RunPhaseName(phase) == name) return phase;
  }
  return RunPhase::kPending;
}

// The operator writes ids in base64 that is safe in URLs; none when it is no such id.
template <typename Id>
Id ShortId(absl::string_view text) {
  std::string bytes;
  if (!absl::WebSafeBase64Unescape(text, &bytes)) return Id();
  return Id::FromBytes(bytes).value_or(Id());
}

// "CLUSTER/REPLICA@BOOT", with a namespace in front if it is another one than the run's.
Incarnation ExecutorOf(absl::string_view text, const std::string& ns) {
  const size_t at = std::min(text.rfind('@'), text.size());
  const size_t slash = text.rfind('/', at);
  Incarnation executor;
  if (slash == absl::string_view::npos || slash == 0 ||
      !absl::SimpleAtoi(text.substr(slash + 1, at - slash - 1), &executor.address.replica)) {
    return Incarnation();
  }
  const absl::string_view cluster = text.substr(0, slash);
  executor.address.cluster =
      absl::StrContains(cluster, '/') ? std::string(cluster) : absl::StrCat(ns, "/", cluster);
  executor.boot = ShortId<BootId>(absl::ClippedSubstr(text, at + 1));
  return executor;
}

// "DIGEST.OBJECT.SIZE", and perhaps ".OWNER".
void ReadRef(absl::string_view ref, Value* value) {
  const std::vector<absl::string_view> parts = absl::StrSplit(ref, absl::MaxSplits('.', 3));
  if (parts.size() < 3 || !absl::SimpleAtoi(parts[2], &value->size)) return;
  value->digest = ShortId<Digest>(parts[0]);
}

std::optional<ResultState> StateOf(const std::string& name) {
  // An effect that may or may not have happened is not tried again: it failed.
  if (name == "Unknown") return ResultState::kFailed;
  for (const ResultState state : {ResultState::kSucceeded, ResultState::kFailed,
                                  ResultState::kSkipped, ResultState::kRefined}) {
    if (ResultStateName(state) == name) return state;
  }
  return std::nullopt;
}

void AddStep(const Json& json, const std::string& ns, RunSnapshot* snapshot) {
  const StepPath path = StringMember(json, "name");
  const std::string& name = StringMember(json, "state");
  if (name == "Executing") snapshot->executing.push_back(path);
  const std::optional<ResultState> state = StateOf(name);
  if (path.empty() || !state.has_value()) return;
  auto result = std::make_shared<StepResult>();
  result->path = path;
  result->state = *state;
  result->id = ShortId<ResultId>(StringMember(json, "resultId"));
  result->lineage = ShortId<Lineage>(StringMember(json, "lineage"));
  result->executor = ExecutorOf(StringMember(json, "executor"), ns);
  result->attempts = static_cast<uint32_t>(std::max<int64_t>(IntegerMember(json, "attempts"), 1));
  const std::string& ref = StringMember(json, "ref");
  if (*state == ResultState::kFailed || *state == ResultState::kSkipped) {
    result->failure.reason = ref.empty() ? name : ref;
  } else {
    ReadRef(ref, &result->value);
  }
  snapshot->record.steps[path] = std::move(result);
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

Value ValueOf(const Json& json) {
  Value value;
  value.size = CountOf(json, "size");
  absl::string_view digest = StringMember(json, "digest");
  absl::ConsumePrefix(&digest, "sha256:");
  if (const absl::StatusOr<std::string> bytes = HexDecode(digest); bytes.ok()) {
    value.digest = Digest::FromBytes(*bytes).value_or(Digest());
  }
  std::string bytes;
  if (const Json& text = Member(json, "text"); text.is_string()) {
    bytes = text.get<std::string>();
  } else if (!Member(json, "base64").is_string() ||
             !absl::Base64Unescape(StringMember(json, "base64"), &bytes)) {
    return value;
  }
  value.inline_bytes = std::make_shared<const std::string>(std::move(bytes));
  return value;
}

// For every step that no other follows, in the graph's order: its value, or that it has none.
void AddOutputs(const Plan& plan, const Json& outputs, RunSnapshot* snapshot) {
  std::map<std::string, const Json*> by_name;
  for (const Json& output : outputs) by_name[StringMember(output, "name")] = &output;
  std::vector<StepPath> sinks = plan.Sinks();
  const std::vector<StepPath> more = plan.FailureSinks();
  sinks.insert(sinks.end(), more.begin(), more.end());
  for (const StepPath& sink : sinks) {
    const auto found = by_name.find(sink);
    StepPath path = sink;
    if (found != by_name.end() && !StringMember(*found->second, "path").empty()) {
      path = StringMember(*found->second, "path");
    }
    const auto recorded = snapshot->record.steps.find(path);
    const bool known = recorded != snapshot->record.steps.end();
    if (found == by_name.end() && (!known || recorded->second->state == ResultState::kRefined)) {
      continue;
    }
    RunCore::Output output{sink, known ? recorded->second->state : ResultState::kSucceeded, {}};
    if (found != by_name.end()) output.value = ValueOf(*found->second);
    snapshot->record.outputs[sink] = path;
    snapshot->outputs.push_back(std::move(output));
  }
}

// Why it failed: as recorded, else as the conditions say.
void AddFailure(const kube::Object& object, RunRecord* record) {
  const Json& failure = Member(object.status(), "failure");
  record->failure = {StringMember(failure, "reason"), StringMember(failure, "message")};
  record->failed_step = StringMember(failure, "step");
  if (!record->failure.reason.empty() || record->phase == RunPhase::kSucceeded) return;
  for (const char* type : {"Accepted", "Succeeded"}) {
    const Json& condition = ConditionOf(object, type);
    if (StringMember(condition, "status") != "False") continue;
    record->failure = {StringMember(condition, "reason"), StringMember(condition, "message")};
    return;
  }
}

}  // namespace

const Json& ConditionOf(const kube::Object& object, absl::string_view type) {
  static const Json* const kNone = new Json();
  for (const Json& condition : Member(object.status(), "conditions")) {
    if (StringMember(condition, "type") == type) return condition;
  }
  return *kNone;
}

ObservedRun ObserveRun(const kube::Object& task_graph) {
  ObservedRun run;
  run.plan = PlanOf(task_graph);
  const Json& status = task_graph.status();
  RunSnapshot& snapshot = run.snapshot;
  RunRecord& record = snapshot.record;
  record.run = RunOf(task_graph);
  record.name = task_graph.name();
  record.phase = PhaseOf(StringMember(status, "phase"));
  record.redrive = CountOf(status, "redriveEpoch");
  record.start_us = kube::ParseMicroseconds(StringMember(status, "startTime"));
  record.end_us = kube::ParseMicroseconds(StringMember(status, "completionTime"));
  // Times of objects are mostly of whole seconds.
  const Json& took = Member(status, "durationMilliseconds");
  if (took.is_number_integer()) record.end_us = record.start_us + took.get<int64_t>() * 1000;
  for (const Json& step : Member(status, "steps")) AddStep(step, task_graph.ns(), &snapshot);
  AddExecuting(run.plan, &snapshot);
  AddFailure(task_graph, &record);
  AddOutputs(run.plan, Member(status, "outputs"), &snapshot);
  const Json& transfer = Member(status, "transfer");
  snapshot.transfer = {CountOf(transfer, "hops"), CountOf(transfer, "messages"),
                       CountOf(transfer, "bytes")};
  snapshot.centralized_bytes = CountOf(transfer, "centralizedBytes");
  snapshot.finished = StringMember(ConditionOf(task_graph, "Finished"), "status") == "True";

  const Json& accepted = ConditionOf(task_graph, "Accepted");
  const std::string& answer = StringMember(accepted, "status");
  if (answer == "True") run.accepted = ObservedRun::Accepted::kYes;
  if (answer == "False") run.accepted = ObservedRun::Accepted::kNo;
  if (answer != "True") run.note = StringMember(accepted, "message");
  const Json& succeeded = ConditionOf(task_graph, "Succeeded");
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
