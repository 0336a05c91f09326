#include "operator/reconcilers/task_graph_record.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "lib/base/limits.h"
#include "lib/kube/time.h"
#include "lib/plan/arguments.h"
#include "lib/plan/step.h"
#include "lib/plan/utf8.h"
#include "operator/reconcilers/conditions.h"
#include "operator/reconcilers/record_text.h"

namespace fractos {
namespace {

using kube::Json;

// Whoever takes a run over puts the same $(failure.message) into arguments.
static_assert(kMaxStatusMessageBytes >= kMaxFailureText);
constexpr RunPhase kPhases[] = {RunPhase::kPending,   RunPhase::kRunning, RunPhase::kFailing,
                                RunPhase::kSucceeded, RunPhase::kFailed,  RunPhase::kCancelled};
constexpr ResultState kStates[] = {ResultState::kSucceeded, ResultState::kFailed,
                                   ResultState::kSkipped, ResultState::kRefined};

bool HasValue(ResultState state) {
  return state == ResultState::kSucceeded || state == ResultState::kRefined;
}

// "DIGEST.OBJECT.SIZE", and ".OWNER" when another than the executor has it; or a reason.
std::string RefOf(const StepResult& result, const std::string& ns) {
  if (!HasValue(result.state)) return result.failure.reason;
  const Value& value = result.value;
  std::string ref =
      absl::StrCat(Short(value.digest.bytes()), ".", Short(value.object.bytes()), ".", value.size);
  if (value.owner != result.executor) absl::StrAppend(&ref, ".", IncarnationText(value.owner, ns));
  return ref;
}

absl::Status ReadRef(absl::string_view ref, const std::string& ns, StepResult* result) {
  if (!HasValue(result->state)) {
    result->failure.reason = std::string(ref);
    return absl::OkStatus();
  }
  // The owner last: a driver's name may hold dots.
  const std::vector<absl::string_view> parts = absl::StrSplit(ref, absl::MaxSplits('.', 3));
  Value& value = result->value;
  if (parts.size() < 3 || parts.size() > 4 || !absl::SimpleAtoi(parts[2], &value.size)) {
    return absl::InvalidArgumentError(absl::StrCat("\"", ref, "\" is no reference"));
  }
  const absl::StatusOr<Digest> digest = FromShort<Digest>(parts[0]);
  const absl::StatusOr<ObjectId> object = FromShort<ObjectId>(parts[1]);
  if (!digest.ok()) return digest.status();
  if (!object.ok()) return object.status();
  value.digest = *digest;
  value.object = *object;
  value.owner = result->executor;
  if (parts.size() == 4) {
    const absl::StatusOr<Incarnation> owner = ParseIncarnation(parts[3], ns);
    if (!owner.ok()) return owner.status();
    value.owner = *owner;
  }
  return absl::OkStatus();
}

Json StepEntry(const StepResult& result, const std::string& ns) {
  return {{"name", result.path},
          {"state", std::string(ResultStateName(result.state))},
          {"resultId", Short(result.id.bytes())},
          {"lineage", Short(result.lineage.bytes())},
          {"ref", RefOf(result, ns)},
          {"executor", IncarnationText(result.executor, ns)},
          {"attempts", result.attempts}};
}

absl::StatusOr<StepResult> ReadStep(const Json& entry, const std::string& ns) {
  StepResult result;
  result.path = kube::StringMember(entry, "name");
  const std::string& state = kube::StringMember(entry, "state");
  const auto known = std::find_if(std::begin(kStates), std::end(kStates),
                                  [&state](ResultState s) { return ResultStateName(s) == state; });
  if (result.path.empty() || known == std::end(kStates)) {
    return absl::InvalidArgumentError(
        absl::StrCat("a step named \"", result.path, "\" in state \"", state, "\""));
  }
  result.state = *known;
  const absl::StatusOr<ResultId> id = FromShort<ResultId>(kube::StringMember(entry, "resultId"));
  const absl::StatusOr<Lineage> lineage = FromShort<Lineage>(kube::StringMember(entry, "lineage"));
  const absl::StatusOr<Incarnation> executor =
      ParseIncarnation(kube::StringMember(entry, "executor"), ns);
  for (const absl::Status& status : {id.status(), lineage.status(), executor.status()}) {
    if (!status.ok()) return status;
  }
  result.id = *id;
  result.lineage = *lineage;
  result.executor = *executor;
  result.attempts = static_cast<uint32_t>(kube::IntegerMember(entry, "attempts", 1));
  const absl::Status ref = ReadRef(kube::StringMember(entry, "ref"), ns, &result);
  if (!ref.ok()) return ref;
  return result;
}

Json OutputEntry(const std::string& name, const StepResult& result) {
  Json entry = {{"name", name}};
  if (result.path != name) entry["path"] = result.path;
  if (result.state != ResultState::kSucceeded) return entry;
  entry["size"] = result.value.size;
  entry["digest"] = absl::StrCat("sha256:", result.value.digest.ToHex());
  if (!result.value.IsInline()) return entry;
  const std::string& bytes = *result.value.inline_bytes;
  if (FindTextFault(bytes).has_value()) {
    entry["base64"] = absl::Base64Escape(bytes);
  } else {
    entry["text"] = bytes;
  }
  return entry;
}

// At the end, the sinks. Before it, those whose bytes are here already, so that whoever takes the
// run over need not ask for them again.
Json Outputs(const RunRecord& record) {
  Json outputs = Json::array();
  if (IsEnd(record.phase)) {
    for (const auto& [name, path] : record.outputs) {
      const auto result = record.steps.find(path);
      if (result != record.steps.end()) outputs.push_back(OutputEntry(name, *result->second));
    }
    return outputs;
  }
  for (const auto& [path, result] : record.steps) {
    if (!result->value.IsInline()) continue;
    outputs.push_back(OutputEntry(std::string(RootStepName(path)), *result));
  }
  return outputs;
}

absl::Status ReadOutputs(const Json& outputs, RunRecord* record) {
  if (!outputs.is_array()) return absl::OkStatus();
  for (const Json& entry : outputs) {
    const std::string& name = kube::StringMember(entry, "name");
    const std::string& path = kube::StringMember(entry, "path");
    const auto found = record->steps.find(path.empty() ? name : path);
    if (found == record->steps.end()) continue;
    if (IsEnd(record->phase)) record->outputs[name] = found->first;
    std::string bytes = kube::StringMember(entry, "text");
    if (entry.contains("base64") &&
        !absl::Base64Unescape(kube::StringMember(entry, "base64"), &bytes)) {
      return absl::InvalidArgumentError(absl::StrCat("output \"", name, "\" is damaged"));
    }
    if (!entry.contains("text") && !entry.contains("base64")) continue;
    if (Digest::Of(bytes) != found->second->value.digest) {
      return absl::InvalidArgumentError(absl::StrCat("output \"", name, "\" is damaged"));
    }
    auto with_bytes = std::make_shared<StepResult>(*found->second);
    with_bytes->value.inline_bytes = std::make_shared<const std::string>(std::move(bytes));
    found->second = std::move(with_bytes);
  }
  return absl::OkStatus();
}

std::string ReadyText(const RunRecord& record, const StatusContext& context) {
  size_t all = context.steps;
  if (record.phase == RunPhase::kFailing) all += context.on_failure_steps;
  for (const auto& [path, result] : record.steps) {
    // Refined steps are not among the plan's.
    if (absl::StrContains(path, '@')) ++all;
  }
  return absl::StrCat(record.steps.size(), "/", std::max(all, record.steps.size()));
}

}  // namespace

RunId RunIdOf(absl::string_view uid) {
  const absl::StatusOr<RunId> id = RunId::FromHex(absl::StrReplaceAll(uid, {{"-", ""}}));
  return id.ok() ? *id : RunId::FromBytesOrDie(Digest::Of(uid).bytes());
}

void SetRunConditions(Json* conditions, RunPhase phase, const Failure& failure,
                      const std::string& failed_step, int64_t generation, WallTime now) {
  SetCondition(conditions, {"Accepted", "True", "Accepted", "the graph can be run"}, generation,
               now);
  if (!IsEnd(phase)) {
    const bool failing = phase == RunPhase::kFailing;
    SetCondition(
        conditions,
        {"Succeeded", failing ? "False" : "Unknown",
         failing ? failure.reason : std::string("Running"),
         failing ? absl::StrCat(failed_step, ": ", failure.message) : "the run is under way"},
        generation, now);
    SetCondition(conditions, {"Finished", "False", "Running", "the run is under way"}, generation,
                 now);
    return;
  }
  const bool succeeded = phase == RunPhase::kSucceeded;
  const std::string name(RunPhaseName(phase));
  std::string message = succeeded ? "every step that had to run has succeeded" : failure.message;
  if (!succeeded && !failed_step.empty()) message = absl::StrCat(failed_step, ": ", message);
  SetCondition(conditions,
               {"Succeeded", succeeded ? "True" : "False",
                succeeded || failure.reason.empty() ? name : failure.reason, message},
               generation, now);
  SetCondition(conditions, {"Finished", "True", name, "the run is over"}, generation, now);
}

Json StatusFromRecord(const RunRecord& record, const StatusContext& context, const Json& before,
                      WallTime now) {
  Json conditions = kube::Member(before, "conditions");
  SetRunConditions(&conditions, record.phase, record.failure, record.failed_step,
                   context.generation, now);
  Json steps = Json::array();
  for (const auto& [path, result] : record.steps) steps.push_back(StepEntry(*result, context.ns));
  Json status = {{"observedGeneration", context.generation},
                 {"conditions", std::move(conditions)},
                 {"phase", std::string(RunPhaseName(record.phase))},
                 {"redriveEpoch", record.redrive},
                 {"startTime", kube::FormatMicroTime(record.start_us)},
                 {"ready", ReadyText(record, context)},
                 {"steps", std::move(steps)},
                 {"transfer",
                  {{"hops", record.transfer.hops},
                   {"messages", record.transfer.messages},
                   {"bytes", record.transfer.bytes},
                   {"centralizedBytes", record.centralized_bytes}}}};
  if (Json outputs = Outputs(record); !outputs.empty()) status["outputs"] = std::move(outputs);
  if (!record.failure.reason.empty()) {
    Json failure = {{"reason", record.failure.reason},
                    {"message", StatusMessage(record.failure.message)}};
    if (!record.failed_step.empty()) failure["step"] = record.failed_step;
    status["failure"] = std::move(failure);
  }
  if (IsEnd(record.phase)) {
    status["completionTime"] = kube::FormatMicroTime(record.end_us);
    status["durationMilliseconds"] = std::max<int64_t>((record.end_us - record.start_us) / 1000, 0);
  }
  return status;
}

absl::StatusOr<RunRecord> RecordFromObject(const kube::Object& task_graph) {
  const Json& status = task_graph.status();
  const int64_t redrive = kube::IntegerMember(status, "redriveEpoch");
  if (redrive <= 0) return absl::NotFoundError("the run has not been started");
  const auto bad = [](const absl::Status& why) {
    return absl::InvalidArgumentError(
        absl::StrCat("the record in the status is damaged: ", why.message()));
  };
  RunRecord record;
  record.run = RunIdOf(task_graph.uid());
  record.name = task_graph.name();
  record.redrive = static_cast<uint64_t>(redrive);
  const std::string& phase = kube::StringMember(status, "phase");
  const auto known = std::find_if(std::begin(kPhases), std::end(kPhases),
                                  [&phase](RunPhase p) { return RunPhaseName(p) == phase; });
  if (known == std::end(kPhases)) {
    return bad(absl::InvalidArgumentError(absl::StrCat("phase \"", phase, "\"")));
  }
  record.phase = *known;
  record.start_us = kube::ParseMicroseconds(kube::StringMember(status, "startTime"));
  record.end_us = kube::ParseMicroseconds(kube::StringMember(status, "completionTime"));
  const Json& failure = kube::Member(status, "failure");
  record.failure = {kube::StringMember(failure, "reason"), kube::StringMember(failure, "message")};
  record.failed_step = kube::StringMember(failure, "step");
  const Json& transfer = kube::Member(status, "transfer");
  Transfer moved{static_cast<uint64_t>(kube::IntegerMember(transfer, "hops")),
                 static_cast<uint64_t>(kube::IntegerMember(transfer, "messages")),
                 static_cast<uint64_t>(kube::IntegerMember(transfer, "bytes"))};
  const Json& steps = kube::Member(status, "steps");
  for (const Json& entry : steps.is_array() ? steps : Json::array()) {
    absl::StatusOr<StepResult> result = ReadStep(entry, task_graph.ns());
    if (!result.ok()) return bad(result.status());
    if (result->path == record.failed_step) result->failure = record.failure;
    result->transfer = std::exchange(moved, Transfer());
    const StepPath path = result->path;
    record.steps[path] = std::make_shared<const StepResult>(*std::move(result));
  }
  if (absl::Status status_of = ReadOutputs(kube::Member(status, "outputs"), &record);
      !status_of.ok()) {
    return bad(status_of);
  }
  return record;
}

}  // namespace fractos
