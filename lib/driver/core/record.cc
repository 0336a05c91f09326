#include "lib/driver/core/record.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "lib/base/limits.h"
#include "nlohmann/json.hpp"

namespace fractos {
namespace {

using Json = nlohmann::json;

// Version of the text's shape. A reader refuses shapes that it does not know: half-understood, a
// record would make a run do things twice.
constexpr int kShape = 1;

constexpr std::pair<RunPhase, absl::string_view> kPhases[] = {
    {RunPhase::kPending, "Pending"}, {RunPhase::kRunning, "Running"},
    {RunPhase::kFailing, "Failing"}, {RunPhase::kSucceeded, "Succeeded"},
    {RunPhase::kFailed, "Failed"},   {RunPhase::kCancelled, "Cancelled"},
};
constexpr ResultState kStates[] = {ResultState::kSucceeded, ResultState::kFailed,
                                   ResultState::kSkipped, ResultState::kRefined};

std::string Text(absl::string_view text) { return std::string(text); }

Json ToJson(const Failure& failure) {
  return {{"reason", failure.reason}, {"message", failure.message}};
}

Json ToJson(const Incarnation& at) {
  return {
      {"cluster", at.address.cluster}, {"replica", at.address.replica}, {"boot", at.boot.ToHex()}};
}

Json ToJson(const Value& value) {
  Json json = {{"digest", value.digest.ToHex()},
               {"size", value.size},
               {"owner", ToJson(value.owner)},
               {"object", value.object.ToHex()}};
  if (value.IsInline()) json["inline"] = absl::Base64Escape(*value.inline_bytes);
  return json;
}

Json ToJson(const StepResult& result) {
  Json json = {
      {"state", Text(ResultStateName(result.state))},
      {"id", result.id.ToHex()},
      {"lineage", result.lineage.ToHex()},
      {"executor", ToJson(result.executor)},
      {"attempts", result.attempts},
      {"timing",
       {result.timing.received, result.timing.executing, result.timing.staged,
        result.timing.committed}},
      {"transfer", {result.transfer.hops, result.transfer.messages, result.transfer.bytes}}};
  if (result.state == ResultState::kSucceeded || result.state == ResultState::kRefined) {
    json["value"] = ToJson(result.value);
  } else {
    json["failure"] = ToJson(result.failure);
  }
  return json;
}

// The readers below throw nlohmann's exceptions, or Malformed; DecodeRecord catches both.
struct Malformed {
  absl::Status status;
};

template <typename T>
T OrThrow(absl::StatusOr<T> value) {
  if (!value.ok()) throw Malformed{value.status()};
  return *std::move(value);
}

template <typename Id>
Id IdAt(const Json& json, const char* key) {
  return OrThrow(Id::FromHex(json.at(key).get<std::string>()));
}

Failure FailureFrom(const Json& json) {
  return {json.at("reason").get<std::string>(), json.at("message").get<std::string>()};
}

Incarnation IncarnationFrom(const Json& json) {
  return {{json.at("cluster").get<std::string>(), json.at("replica").get<uint32_t>()},
          IdAt<BootId>(json, "boot")};
}

Value ValueFrom(const Json& json) {
  Value value;
  value.digest = OrThrow(
      Digest::FromBytes(OrThrow(HexDecode(json.at("digest").get_ref<const std::string&>()))));
  value.size = json.at("size").get<uint64_t>();
  value.owner = IncarnationFrom(json.at("owner"));
  value.object = IdAt<ObjectId>(json, "object");
  if (const auto found = json.find("inline"); found != json.end()) {
    std::string bytes;
    if (!absl::Base64Unescape(found->get_ref<const std::string&>(), &bytes) ||
        bytes.size() != value.size || bytes.size() > kMaxMessageBytes) {
      throw Malformed{absl::InvalidArgumentError("inline bytes are damaged")};
    }
    value.inline_bytes = std::make_shared<const std::string>(std::move(bytes));
  }
  return value;
}

ResultState StateFrom(absl::string_view name) {
  for (const ResultState state : kStates) {
    if (ResultStateName(state) == name) return state;
  }
  throw Malformed{absl::InvalidArgumentError(absl::StrCat("unknown step state \"", name, "\""))};
}

RunPhase PhaseFrom(absl::string_view name) {
  for (const auto& [phase, text] : kPhases) {
    if (text == name) return phase;
  }
  throw Malformed{absl::InvalidArgumentError(absl::StrCat("unknown phase \"", name, "\""))};
}

ResultPtr ResultFrom(const StepPath& path, const Json& json) {
  auto result = std::make_shared<StepResult>();
  result->path = path;
  result->state = StateFrom(json.at("state").get_ref<const std::string&>());
  result->id = IdAt<ResultId>(json, "id");
  result->lineage = IdAt<Lineage>(json, "lineage");
  result->executor = IncarnationFrom(json.at("executor"));
  result->attempts = json.at("attempts").get<uint32_t>();
  const Json& timing = json.at("timing");
  result->timing = {timing.at(0).get<int64_t>(), timing.at(1).get<int64_t>(),
                    timing.at(2).get<int64_t>(), timing.at(3).get<int64_t>()};
  const Json& transfer = json.at("transfer");
  result->transfer = {transfer.at(0).get<uint64_t>(), transfer.at(1).get<uint64_t>(),
                      transfer.at(2).get<uint64_t>()};
  if (json.contains("value")) result->value = ValueFrom(json.at("value"));
  if (json.contains("failure")) result->failure = FailureFrom(json.at("failure"));
  return result;
}

// Microseconds of the wall clock, such that two of them can be subtracted.
int64_t TimeFrom(const Json& json) {
  constexpr int64_t kLatest = int64_t{1} << 60;
  const int64_t time = json.get<int64_t>();
  if (time < 0 || time > kLatest) {
    throw Malformed{absl::InvalidArgumentError(absl::StrCat(time, " is no time"))};
  }
  return time;
}

RunRecord RecordFrom(const Json& json) {
  if (json.at("shape").get<int>() != kShape) {
    throw Malformed{absl::InvalidArgumentError("written by another version of FractOS")};
  }
  RunRecord record;
  record.run = IdAt<RunId>(json, "run");
  record.name = json.at("name").get<std::string>();
  record.phase = PhaseFrom(json.at("phase").get_ref<const std::string&>());
  record.redrive = json.at("redrive").get<uint64_t>();
  record.start_us = TimeFrom(json.at("startMicroseconds"));
  record.end_us = TimeFrom(json.at("endMicroseconds"));
  record.failure = FailureFrom(json.at("failure"));
  record.failed_step = json.at("failedStep").get<std::string>();
  record.outputs = json.at("outputs").get<std::map<std::string, StepPath>>();
  for (const auto& [path, result] : json.at("steps").items()) {
    record.steps.emplace(path, ResultFrom(path, result));
  }
  return record;
}

}  // namespace

bool IsEnd(RunPhase phase) {
  return phase == RunPhase::kSucceeded || phase == RunPhase::kFailed ||
         phase == RunPhase::kCancelled;
}

absl::string_view RunPhaseName(RunPhase phase) {
  for (const auto& [known, text] : kPhases) {
    if (known == phase) return text;
  }
  return "Unknown";
}

std::string EncodeRecord(const RunRecord& record) {
  Json steps = Json::object();
  for (const auto& [path, result] : record.steps) steps[path] = ToJson(*result);
  const Json json = {{"shape", kShape},
                     {"run", record.run.ToHex()},
                     {"name", record.name},
                     {"phase", Text(RunPhaseName(record.phase))},
                     {"redrive", record.redrive},
                     {"startMicroseconds", record.start_us},
                     {"endMicroseconds", record.end_us},
                     {"failure", ToJson(record.failure)},
                     {"failedStep", record.failed_step},
                     {"outputs", record.outputs},
                     {"steps", std::move(steps)}};
  // What an adaptor says need not be UTF-8; a record must not be lost over it.
  return json.dump(1, ' ', false, Json::error_handler_t::replace);
}

absl::StatusOr<RunRecord> DecodeRecord(absl::string_view text) {
  try {
    return RecordFrom(Json::parse(text.begin(), text.end()));
  } catch (const Malformed& malformed) {
    return absl::InvalidArgumentError(absl::StrCat("bad record: ", malformed.status.message()));
  } catch (const Json::exception& e) {
    return absl::InvalidArgumentError(absl::StrCat("bad record: ", e.what()));
  }
}

}  // namespace fractos
