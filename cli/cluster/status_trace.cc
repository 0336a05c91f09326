#include "cli/cluster/status_trace.h"

#include <algorithm>
#include <fstream>
#include <iostream>
#include <map>

#include "absl/strings/str_cat.h"
#include "cli/cluster/observed_run.h"
#include "lib/kube/time.h"
#include "lib/protocol/message.h"
#include "nlohmann/json.hpp"

namespace fractos::cluster {
namespace {

using Json = nlohmann::ordered_json;

constexpr char kMissing[] =
    "a TaskGraph's status keeps no times of steps and hops: steps are marks at the run's end";

// Numbers for processes, in the order in which they come up.
class Processes {
 public:
  explicit Processes(Json* events) : events_(events) {}

  int Of(const std::string& name) {
    const auto [found, is_new] = numbers_.emplace(name, static_cast<int>(numbers_.size()) + 1);
    if (is_new) {
      events_->push_back({{"name", "process_name"},
                          {"ph", "M"},
                          {"pid", found->second},
                          {"tid", 0},
                          {"args", {{"name", name}}}});
    }
    return found->second;
  }

 private:
  Json* const events_;
  std::map<std::string, int> numbers_;
};

Json Mark(const std::string& name, const char* category, int64_t at, int process, Json arguments) {
  return {{"name", name}, {"cat", category}, {"ph", "i"}, {"s", "p"},
          {"ts", at},     {"pid", process},  {"tid", 1},  {"args", std::move(arguments)}};
}

}  // namespace

std::string StatusTrace(const kube::Object& task_graph) {
  const ObservedRun run = ObserveRun(task_graph);
  const RunRecord& record = run.snapshot.record;
  const int64_t took = std::max<int64_t>(record.end_us - record.start_us, 0);
  Json events = Json::array();
  Processes processes(&events);
  const int here = processes.Of(absl::StrCat("run ", record.name));
  events.push_back({{"name", record.name},
                    {"cat", "run"},
                    {"ph", "X"},
                    {"ts", 0},
                    {"dur", took},
                    {"pid", here},
                    {"tid", 1},
                    {"args",
                     {{"phase", std::string(RunPhaseName(record.phase))},
                      {"redriveEpoch", record.redrive},
                      {"hops", run.snapshot.transfer.hops},
                      {"bytes", run.snapshot.transfer.bytes}}}});
  for (const kube::Json& condition : kube::Member(task_graph.status(), "conditions")) {
    const int64_t at = kube::ParseMicroseconds(kube::StringMember(condition, "lastTransitionTime"));
    if (at == 0 || record.start_us == 0) continue;
    events.push_back(Mark(absl::StrCat(kube::StringMember(condition, "type"), "=",
                                       kube::StringMember(condition, "status")),
                          "condition", std::max<int64_t>(at - record.start_us, 0), here,
                          {{"reason", kube::StringMember(condition, "reason")}}));
  }
  for (const auto& [path, result] : record.steps) {
    const std::string executor =
        result->executor.address.IsNone() ? "nobody" : result->executor.address.ToString();
    events.push_back(Mark(path, "step", took, processes.Of(executor),
                          {{"state", std::string(ResultStateName(result->state))},
                           {"attempts", result->attempts},
                           {"resultId", result->id.ToHex()}}));
  }
  const Json trace = {
      {"traceEvents", std::move(events)},
      {"displayTimeUnit", "ms"},
      {"otherData", {{"run", record.run.ToHex()}, {"name", record.name}, {"missing", kMissing}}}};
  return trace.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

absl::Status WriteStatusTrace(const kube::Object& task_graph, const std::string& file) {
  const std::string trace = StatusTrace(task_graph);
  if (file == "-") {
    std::cout << trace << std::flush;
  } else {
    std::ofstream out(file, std::ios::binary | std::ios::trunc);
    out << trace;
    out.close();
    if (out.fail()) return absl::InternalError(absl::StrCat("cannot write the trace to ", file));
  }
  std::cerr << "note: " << kMissing << "\n";
  return absl::OkStatus();
}

}  // namespace fractos::cluster
