#include "cli/report.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "cli/progress_view.h"
#include "lib/plan/reasons.h"
#include "lib/plan/step.h"
#include "lib/plan/text_fault.h"
#include "nlohmann/json.hpp"
#include "yaml-cpp/yaml.h"

namespace fractos {
namespace {

using Json = nlohmann::ordered_json;

// Longer values are shown by size and digest: `fractosctl cp` gets them whole.
constexpr size_t kMaxShownBytes = 2000;

absl::string_view Colour(bool colour, absl::string_view code) { return colour ? code : ""; }

// A carriage return would have a terminal write over the line.
bool IsPrintable(absl::string_view text) {
  return !absl::StrContains(text, '\r') && !FindTextFault(text).has_value();
}

std::string TextOf(const RunCore::Output& output) {
  if (output.state != ResultState::kSucceeded) {
    return absl::StrCat("(", absl::AsciiStrToLower(ResultStateName(output.state)), ")");
  }
  const Value& value = output.value;
  if (value.IsInline() && value.size <= kMaxShownBytes && IsPrintable(*value.inline_bytes)) {
    const absl::string_view text = absl::StripTrailingAsciiWhitespace(*value.inline_bytes);
    if (!absl::StrContains(text, '\n')) return std::string(text);
    return absl::StrCat("\n  ", absl::StrReplaceAll(text, {{"\n", "\n  "}}));
  }
  return absl::StrCat(GroupDigits(value.size), " bytes, sha256 ",
                      value.digest.ToHex().substr(0, 16), "…");
}

int64_t Elapsed(const RunRecord& record) {
  return std::max<int64_t>(record.end_us - record.start_us, 0);
}

std::string Costs(const RunSnapshot& snapshot, Mode mode) {
  const std::string moved = absl::StrCat("hops ", GroupDigits(snapshot.transfer.hops), " · ",
                                         GroupDigits(snapshot.transfer.bytes), " bytes moved");
  if (mode == Mode::kCentralized) return absl::StrCat(moved, ", all through the coordinator");
  return absl::StrCat(moved, " (through a coordinator: ", GroupDigits(snapshot.centralized_bytes),
                      ")");
}

std::string FormatText(const RunReport& report, bool colour) {
  const RunSnapshot& snapshot = report.snapshot;
  const RunRecord& record = snapshot.record;
  std::string text;
  for (const RunCore::Output& output : snapshot.outputs) {
    const std::string shown = TextOf(output);
    absl::StrAppend(&text, Colour(colour, "\x1b[1m"), output.step, Colour(colour, "\x1b[0m"),
                    absl::StartsWith(shown, "\n") ? ":" : ": ", shown, "\n");
  }
  const std::string took = FormatMicroseconds(Elapsed(record));
  if (record.phase == RunPhase::kSucceeded) {
    absl::StrAppend(&text, Colour(colour, "\x1b[32m"), "succeeded", Colour(colour, "\x1b[0m"),
                    " in ", took);
  } else {
    const bool cancelled = record.phase == RunPhase::kCancelled;
    absl::StrAppend(&text, Colour(colour, "\x1b[31m"), cancelled ? "cancelled" : "failed",
                    Colour(colour, "\x1b[0m"), " after ", took);
  }
  absl::StrAppend(&text, " · ", Costs(snapshot, report.plan.mode), "\n");
  if (record.phase == RunPhase::kFailed) {
    if (!record.failed_step.empty()) {
      absl::StrAppend(&text, "  step     ", record.failed_step, "\n");
    }
    absl::StrAppend(&text, "  reason   ", record.failure.reason, "\n");
    absl::StrAppend(&text, "  message  ",
                    absl::StrReplaceAll(record.failure.message, {{"\n", "\n           "}}), "\n");
    if (const std::string hint = WayOut(record.failure.reason); !hint.empty()) {
      absl::StrAppend(&text, "  way out  ", hint, "\n");
    }
  }
  return text;
}

Json ToJson(const Value& value) {
  Json json = {{"size", value.size}, {"digest", absl::StrCat("sha256:", value.digest.ToHex())}};
  if (!value.IsInline()) return json;
  if (IsPrintable(*value.inline_bytes)) {
    json["text"] = *value.inline_bytes;
  } else {
    json["base64"] = absl::Base64Escape(*value.inline_bytes);
  }
  return json;
}

Json ToJson(const Failure& failure) {
  return {{"reason", failure.reason}, {"message", failure.message}};
}

Json ToJson(const Transfer& transfer) {
  return {{"hops", transfer.hops}, {"messages", transfer.messages}, {"bytes", transfer.bytes}};
}

Json StepJson(const StepPath& path, const Step* step, const StepResult* result) {
  Json json = {{"path", path}, {"step", std::string(RootStepName(path))}};
  if (step != nullptr) {
    json["device"] = step->cluster;
    json["operation"] = step->operation;
  }
  if (result == nullptr) {
    json["state"] = "Waiting";
    return json;
  }
  json["state"] = std::string(ResultStateName(result->state));
  json["resultId"] = result->id.ToHex();
  json["lineage"] = result->lineage.ToHex();
  const Address& executor = result->executor.address;
  json["executor"] = executor.IsNone() ? "" : executor.ToString();
  json["attempts"] = result->attempts;
  if (result->state == ResultState::kSucceeded || result->state == ResultState::kRefined) {
    json["size"] = result->value.size;
    json["digest"] = absl::StrCat("sha256:", result->value.digest.ToHex());
  } else {
    json["failure"] = ToJson(result->failure);
  }
  json["timing"] = {{"receivedMicroseconds", result->timing.received},
                    {"executingMicroseconds", result->timing.executing},
                    {"stagedMicroseconds", result->timing.staged},
                    {"committedMicroseconds", result->timing.committed}};
  json["transfer"] = ToJson(result->transfer);
  return json;
}

Json ReportJson(const RunReport& report) {
  const RunSnapshot& snapshot = report.snapshot;
  const RunRecord& record = snapshot.record;
  Json json = {{"run", record.run.ToHex()},
               {"name", record.name},
               {"phase", std::string(RunPhaseName(record.phase))},
               {"mode", ModeName(report.plan.mode)},
               {"redriveEpoch", record.redrive},
               {"startMicroseconds", record.start_us},
               {"durationMilliseconds", static_cast<double>(Elapsed(record)) / 1000}};
  if (!record.failure.reason.empty()) {
    json["failure"] = ToJson(record.failure);
    json["failure"]["step"] = record.failed_step;
  }
  json["outputs"] = Json::array();
  for (const RunCore::Output& output : snapshot.outputs) {
    Json entry = {{"step", output.step}, {"state", std::string(ResultStateName(output.state))}};
    if (output.state == ResultState::kSucceeded) entry.update(ToJson(output.value));
    json["outputs"].push_back(std::move(entry));
  }
  json["steps"] = Json::array();
  std::map<StepPath, ResultPtr> rest = record.steps;
  for (const auto* steps : {&report.plan.steps, &report.plan.on_failure}) {
    for (const StepPtr& step : *steps) {
      const auto found = rest.find(step->path);
      const StepResult* const result = found == rest.end() ? nullptr : found->second.get();
      json["steps"].push_back(StepJson(step->path, step.get(), result));
      if (found != rest.end()) rest.erase(found);
    }
  }
  for (const auto& [path, result] : rest) {
    json["steps"].push_back(StepJson(path, nullptr, result.get()));
  }
  json["transfer"] = ToJson(snapshot.transfer);
  json["transfer"]["centralizedBytes"] = snapshot.centralized_bytes;
  return json;
}

void Emit(const Json& json, YAML::Emitter* out) {
  if (json.is_object()) {
    *out << YAML::BeginMap;
    for (const auto& [key, value] : json.items()) {
      *out << YAML::Key << key << YAML::Value;
      Emit(value, out);
    }
    *out << YAML::EndMap;
  } else if (json.is_array()) {
    if (json.empty()) *out << YAML::Flow;
    *out << YAML::BeginSeq;
    for (const Json& value : json) Emit(value, out);
    *out << YAML::EndSeq;
  } else if (json.is_string()) {
    *out << YAML::DoubleQuoted << json.get<std::string>() << YAML::Auto;
  } else {
    *out << json.dump();
  }
}

}  // namespace

std::string WayOut(absl::string_view why) {
  struct Hint {
    const char* reason;
    const char* text;
  };
  constexpr Hint kHints[] = {
      {"NotFound",
       "correct the key, or put a file there: `fractosctl cp FILE DEVICE:KEY`, with --devices if "
       "the graph's file defines the device"},
      {"AlreadyExists",
       "storage never replaces a file: give another key, or delete that one first, by a step "
       "{device: storage, operation: delete, arguments: {key: KEY}}"},
      {"NotAnImage", "the step takes a JPEG or PNG file; look at what its input really is"},
      {"DivisionByZero", "guard the step with `when`, or handle the failure with onFailure"},
      {reason::kDeadlineExceeded, "give the run more time: --deadline, or spec.deadline"},
      {reason::kTimeout, "give the step more time: `timeout` in the step; or let it `retry`"},
      {reason::kNoReplica,
       "every daemon of a device it needs had ended: run with --restart, or give the "
       "DeviceCluster more replicas"},
      {reason::kInvalidGraph,
       "correct what the message names, and run again: a TaskGraph's steps cannot be changed"},
      {reason::kUnknownDevice,
       "`kubectl fractos status` lists what there is and what is wrong with it: correct the step's "
       "`device`, or mend the DeviceCluster"},
      {reason::kDeviceChanged,
       "the device is not what it was when the run began: `kubectl fractos devices` shows what it "
       "is now; correct the graph, and run again"},
      {reason::kRecordDamaged,
       "run again; nobody but the operator may write to a TaskGraph's status"},
      {reason::kMemoryExhausted, "make values smaller, or have fewer of them at a time"},
      {reason::kTooManySteps, "a run has at most 256 steps, those it grows included"},
      {reason::kAdaptorCrashed, "run with -v to see what the adaptor wrote before it ended"},
      {"Internal", "run with -v to see what the adaptor wrote"},
      {"ResourceExhausted", "make room on the disk or in memory, then `fractosctl run` again"},
  };
  for (const Hint& hint : kHints) {
    if (hint.reason == why) return std::string(hint.text);
  }
  return "";
}

std::string FormatReport(const RunReport& report, ReportFormat format, bool colour) {
  if (format == ReportFormat::kText) return FormatText(report, colour);
  const std::string json = ReportJson(report).dump(2, ' ', false, Json::error_handler_t::replace);
  if (format == ReportFormat::kJson) return absl::StrCat(json, "\n");
  YAML::Emitter out;
  // Through the text, so that both have the same replacements for what is no UTF-8.
  Emit(Json::parse(json), &out);
  return absl::StrCat(out.c_str(), "\n");
}

ExitCode ExitCodeOf(const RunRecord& record) {
  if (record.phase == RunPhase::kSucceeded) return kExitSucceeded;
  if (record.phase == RunPhase::kCancelled) return kExitInterrupted;
  const std::string& why = record.failure.reason;
  // What a run says that had to wait until its deadline for a device.
  if (why == reason::kDeadlineExceeded || why == reason::kNoReplica) return kExitDeadline;
  return kExitFailed;
}

}  // namespace fractos
