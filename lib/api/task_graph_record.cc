#include "lib/api/task_graph_record.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "lib/api/conditions.h"
#include "lib/api/record_text.h"
#include "lib/base/limits.h"
#include "lib/kube/time.h"
#include "lib/plan/arguments.h"
#include "lib/plan/step.h"
#include "lib/plan/text_fault.h"

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
  std::string ref = absl::StrCat(IdText(value.digest), ".", IdText(value.object), ".", value.size);
  if (value.owner != result.executor) absl::StrAppend(&ref, ".", IncarnationText(value.owner, ns));
  return ref;
}

Json StepEntry(const StepResult& result, const std::string& ns) {
  return {
      {"name", result.path},           {"state", std::string(ResultStateName(result.state))},
      {"resultId", IdText(result.id)}, {"lineage", IdText(result.lineage)},
      {"ref", RefOf(result, ns)},      {"executor", IncarnationText(result.executor, ns)},
      {"attempts", result.attempts},
  };
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

std::string ReadyText(const RunRecord& record, const StatusContext& context) {
  size_t all = context.steps;
  if (record.phase == RunPhase::kFailing) all += context.on_failure_steps;
  for (const auto& [path, result] : record.steps) {
    // Refined steps are not among the plan's.
    if (absl::StrContains(path, '@')) ++all;
  }
  return absl::StrCat(record.steps.size(), "/", std::max(all, record.steps.size()));
}

// Reads what it can, and keeps what was wrong first.
class Reader {
 public:
  explicit Reader(const kube::Object& task_graph)
      : ns_(task_graph.ns()), status_(task_graph.status()) {
    record_.run = RunIdOf(task_graph.uid());
    record_.name = task_graph.name();
  }

  RunRecord Read() {
    record_.redrive = Count(status_, "redriveEpoch");
    ReadPhase(kube::StringMember(status_, "phase"));
    record_.start_us = kube::ParseMicroseconds(kube::StringMember(status_, "startTime"));
    record_.end_us = kube::ParseMicroseconds(kube::StringMember(status_, "completionTime"));
    const Json& failure = kube::Member(status_, "failure");
    record_.failure = {kube::StringMember(failure, "reason"),
                       kube::StringMember(failure, "message")};
    record_.failed_step = kube::StringMember(failure, "step");
    const Json& transfer = kube::Member(status_, "transfer");
    record_.transfer = {Count(transfer, "hops"), Count(transfer, "messages"),
                        Count(transfer, "bytes")};
    record_.centralized_bytes = Count(transfer, "centralizedBytes");
    for (const Json& entry : List("steps")) ReadStep(entry);
    for (const Json& entry : List("outputs")) ReadOutput(entry);
    return std::move(record_);
  }
  const absl::Status& fault() const { return fault_; }

 private:
  void Fault(absl::string_view what) { fault_.Update(absl::InvalidArgumentError(what)); }
  // What was read; nothing when it was none.
  template <typename T>
  T Take(absl::StatusOr<T> read) {
    fault_.Update(read.status());
    return read.ok() ? *std::move(read) : T();
  }
  template <typename Id>
  Id ReadId(const Json& entry, absl::string_view key) {
    return Take(ParseIdText<Id>(kube::StringMember(entry, key)));
  }
  static uint64_t Count(const Json& json, absl::string_view key) {
    return static_cast<uint64_t>(std::max<int64_t>(kube::IntegerMember(json, key), 0));
  }
  const Json& List(absl::string_view key) const {
    static const Json& none = *new Json(Json::array());
    const Json& list = kube::Member(status_, key);
    return list.is_array() ? list : none;
  }

  void ReadPhase(const std::string& name) {
    const auto known = std::find_if(std::begin(kPhases), std::end(kPhases),
                                    [&name](RunPhase p) { return RunPhaseName(p) == name; });
    if (known == std::end(kPhases)) return Fault(absl::StrCat("phase \"", name, "\""));
    record_.phase = *known;
  }

  void ReadStep(const Json& entry) {
    auto result = std::make_shared<StepResult>();
    result->path = kube::StringMember(entry, "name");
    const std::string& state = kube::StringMember(entry, "state");
    const auto known =
        std::find_if(std::begin(kStates), std::end(kStates),
                     [&state](ResultState s) { return ResultStateName(s) == state; });
    if (result->path.empty() || known == std::end(kStates)) {
      return Fault(absl::StrCat("a step named \"", result->path, "\" in state \"", state, "\""));
    }
    result->state = *known;
    result->id = ReadId<ResultId>(entry, "resultId");
    result->lineage = ReadId<Lineage>(entry, "lineage");
    result->executor = Take(ParseIncarnation(kube::StringMember(entry, "executor"), ns_));
    result->attempts =
        static_cast<uint32_t>(std::max<int64_t>(kube::IntegerMember(entry, "attempts"), 1));
    const std::string& ref = kube::StringMember(entry, "ref");
    if (HasValue(result->state)) {
      result->value = ReadRef(ref, result->executor);
    } else {
      result->failure.reason = ref;
    }
    if (result->path == record_.failed_step) result->failure = record_.failure;
    record_.steps[result->path] = std::move(result);
  }

  Value ReadRef(const std::string& ref, const Incarnation& executor) {
    // The owner last: a driver's name may hold dots.
    const std::vector<absl::string_view> parts = absl::StrSplit(ref, absl::MaxSplits('.', 3));
    Value value;
    if (parts.size() < 3 || !absl::SimpleAtoi(parts[2], &value.size)) {
      Fault(absl::StrCat("\"", ref, "\" is no reference"));
      return Value();
    }
    value.digest = Take(ParseIdText<Digest>(parts[0]));
    value.object = Take(ParseIdText<ObjectId>(parts[1]));
    value.owner = parts.size() == 4 ? Take(ParseIncarnation(parts[3], ns_)) : executor;
    return value;
  }

  void ReadOutput(const Json& entry) {
    const std::string& name = kube::StringMember(entry, "name");
    const std::string& path = kube::StringMember(entry, "path");
    const auto found = record_.steps.find(path.empty() ? name : path);
    if (found == record_.steps.end()) return;
    if (IsEnd(record_.phase)) record_.outputs[name] = found->first;
    std::string bytes = kube::StringMember(entry, "text");
    const bool readable = !entry.contains("base64") ||
                          absl::Base64Unescape(kube::StringMember(entry, "base64"), &bytes);
    if (!entry.contains("text") && !entry.contains("base64")) return;
    if (!readable || Digest::Of(bytes) != found->second->value.digest) {
      return Fault(absl::StrCat("output \"", name, "\" is damaged"));
    }
    auto with_bytes = std::make_shared<StepResult>(*found->second);
    with_bytes->value.inline_bytes = std::make_shared<const std::string>(std::move(bytes));
    found->second = std::move(with_bytes);
  }

  const std::string ns_;
  const Json& status_;
  RunRecord record_;
  absl::Status fault_;
};

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

RunRecord ReadRecord(const kube::Object& task_graph, absl::Status* fault) {
  Reader reader(task_graph);
  RunRecord record = reader.Read();
  *fault = reader.fault();
  return record;
}

absl::StatusOr<RunRecord> RecordFromObject(const kube::Object& task_graph) {
  absl::Status fault;
  RunRecord record = ReadRecord(task_graph, &fault);
  if (record.redrive == 0) return absl::NotFoundError("the run has not been started");
  if (!fault.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the record in the status is damaged: ", fault.message()));
  }
  const Transfer moved = std::exchange(record.transfer, Transfer());
  record.centralized_bytes = 0;
  if (!record.steps.empty()) {
    auto first = std::make_shared<StepResult>(*record.steps.begin()->second);
    first->transfer = moved;
    record.steps.begin()->second = std::move(first);
  }
  return record;
}

}  // namespace fractos
