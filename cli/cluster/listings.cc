#include "cli/cluster/listings.h"

#include <algorithm>
#include <iostream>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cli/cluster/cluster_devices.h"
#include "cli/cluster/observed_run.h"
#include "cli/cluster/refusal.h"
#include "cli/operations_text.h"
#include "cli/progress_view.h"
#include "cli/table.h"
#include "lib/api/conditions.h"
#include "lib/kube/time.h"

namespace fractos::cluster {
namespace {

using Json = nlohmann::ordered_json;
using kube::IntegerMember;
using kube::Member;
using kube::StringMember;
using Row = std::vector<std::string>;

absl::StatusOr<std::vector<kube::Object>> List(const Target& target,
                                               const kube::Collection& collection) {
  absl::StatusOr<kube::Pager::Result> listed =
      kube::Pager(target.client).List(target.RequestContext(), collection, {});
  if (!listed.ok()) return listed.status();
  return std::move(listed->list.items);
}

std::string Where(const Target& target) { return target.all_namespaces ? "" : target.ns; }

// The table with a column of namespaces if several may be in it.
void PrintTable(const Target& target, std::vector<Row> rows,
                const std::vector<kube::Object>& objects) {
  if (target.all_namespaces) {
    rows[0].insert(rows[0].begin(), "NAMESPACE");
    for (size_t i = 0; i < objects.size(); ++i) {
      rows[i + 1].insert(rows[i + 1].begin(), objects[i].ns());
    }
  }
  std::cout << FormatTable(rows);
}

void PrintJson(const Json& json) {
  std::cout << json.dump(2, ' ', false, Json::error_handler_t::replace) << "\n";
}

ExitCode SayNone(const Target& target, absl::string_view what) {
  std::cerr << "there are no " << std::string(what)
            << (target.all_namespaces ? "" : absl::StrCat(" in namespace ", target.ns)) << "\n";
  return kExitSucceeded;
}

std::string AgeOf(const Target& target, const kube::Object& object) {
  const int64_t created = kube::ParseMicroseconds(object.creation_timestamp());
  if (created == 0) return "";
  const WallTime then{std::chrono::microseconds(created)};
  return FormatAge(std::chrono::duration_cast<Duration>(target.clock->WallNow() - then));
}

std::string NumberOf(const kube::Json& json, absl::string_view key) {
  const kube::Json& number = Member(json, key);
  return number.is_number_integer()
             ? GroupDigits(static_cast<uint64_t>(std::max<int64_t>(number.get<int64_t>(), 0)))
             : "";
}

// True, False or Unknown; with the reason unless all is as it should be.
std::string ConditionText(const kube::Object& object, absl::string_view type) {
  const kube::Json& condition = FindCondition(object.status(), type);
  const std::string& status = StringMember(condition, "status");
  const std::string& reason = StringMember(condition, "reason");
  if (status == "True" || reason.empty()) return status;
  return absl::StrCat(status, " (", reason, ")");
}

Json RunJson(const kube::Object& object) {
  const ObservedRun run = ObserveRun(object);
  const RunRecord& record = run.snapshot.record;
  Json json = {{"run", record.run.ToHex()},
               {"name", object.name()},
               {"namespace", object.ns()},
               {"phase", std::string(RunPhaseName(record.phase))},
               {"startMicroseconds", record.start_us},
               {"ready", StringMember(object.status(), "ready")},
               {"finished", run.snapshot.finished}};
  if (!record.failure.reason.empty()) json["reason"] = record.failure.reason;
  return json;
}

Row RunRow(const Target& target, const kube::Object& object) {
  const kube::Json& status = object.status();
  const kube::Json& transfer = Member(status, "transfer");
  const kube::Json& took = Member(status, "durationMilliseconds");
  std::string phase = StringMember(status, "phase");
  if (StringMember(FindCondition(object.status(), "Accepted"), "status") == "False")
    phase = "NotAccepted";
  return {object.name(),
          phase.empty() ? "Pending" : phase,
          StringMember(status, "ready"),
          NumberOf(transfer, "hops"),
          NumberOf(transfer, "bytes"),
          took.is_number_integer() ? FormatMicroseconds(took.get<int64_t>() * 1000) : "",
          AgeOf(target, object)};
}

Json ClusterJson(const kube::Object& object) {
  const kube::Json& status = object.status();
  Json json = {{"name", object.key().ToString()},
               {"ready", IsTrue(object.status(), "Ready")},
               {"leader", StringMember(Member(status, "leader"), "pod")},
               {"epoch", IntegerMember(status, "leaderEpoch")},
               {"replicas", IntegerMember(object.spec(), "replicas", 1)},
               {"readyReplicas", IntegerMember(status, "readyReplicas")},
               {"version", StringMember(status, "version")},
               {"conditions", Json::array()}};
  for (const kube::Json& condition : Member(status, "conditions")) {
    json["conditions"].push_back({{"type", StringMember(condition, "type")},
                                  {"status", StringMember(condition, "status")},
                                  {"reason", StringMember(condition, "reason")},
                                  {"message", StringMember(condition, "message")}});
  }
  return json;
}

Row ClusterRow(const Target& target, const kube::Object& object) {
  const kube::Json& status = object.status();
  return {object.name(),
          ConditionText(object, "Ready"),
          absl::StrCat(IntegerMember(status, "readyReplicas"), "/",
                       IntegerMember(object.spec(), "replicas", 1)),
          StringMember(Member(status, "leader"), "pod"),
          NumberOf(status, "leaderEpoch"),
          StringMember(status, "version"),
          AgeOf(target, object)};
}

// What is wrong with a cluster, below the table.
void PrintTroubles(const std::vector<kube::Object>& objects) {
  for (const kube::Object& object : objects) {
    const kube::Json& accepted = FindCondition(object.status(), "Accepted");
    const kube::Json& degraded = FindCondition(object.status(), "Degraded");
    for (const kube::Json* condition : {&accepted, &degraded}) {
      const char* const bad = condition == &accepted ? "False" : "True";
      if (StringMember(*condition, "status") != bad) continue;
      std::cout << object.key().ToString() << ": " << StringMember(*condition, "reason") << ": "
                << StringMember(*condition, "message") << "\n";
    }
  }
}

std::vector<std::string> CommandOf(const kube::Object& object) {
  std::vector<std::string> words;
  for (const kube::Json& word : Member(Member(object.spec(), "adaptor"), "command")) {
    if (word.is_string()) words.push_back(word.get<std::string>());
  }
  return words;
}

}  // namespace

ExitCode ListRuns(const Target& target, const std::string& format) {
  absl::StatusOr<std::vector<kube::Object>> objects = List(target, TaskGraphs(Where(target)));
  if (!objects.ok()) return ComplainOfCluster(objects.status());
  // RFC 3339 of one time zone sorts as text.
  std::stable_sort(objects->begin(), objects->end(),
                   [](const kube::Object& a, const kube::Object& b) {
                     return a.creation_timestamp() > b.creation_timestamp();
                   });
  if (format == "json") {
    Json list = Json::array();
    for (const kube::Object& object : *objects) list.push_back(RunJson(object));
    PrintJson(list);
    return kExitSucceeded;
  }
  if (objects->empty()) return SayNone(target, "TaskGraphs");
  std::vector<Row> rows = {{"NAME", "STATUS", "READY", "HOPS", "BYTES", "DURATION", "AGE"}};
  for (const kube::Object& object : *objects) rows.push_back(RunRow(target, object));
  PrintTable(target, std::move(rows), *objects);
  return kExitSucceeded;
}

ExitCode ShowStatus(const Target& target, const std::string& format) {
  const absl::StatusOr<std::vector<kube::Object>> objects =
      List(target, DeviceClusters(Where(target)));
  if (!objects.ok()) return ComplainOfCluster(objects.status());
  if (format == "json") {
    Json list = Json::array();
    for (const kube::Object& object : *objects) list.push_back(ClusterJson(object));
    PrintJson(list);
    return kExitSucceeded;
  }
  if (objects->empty()) return SayNone(target, "DeviceClusters");
  std::vector<Row> rows = {{"NAME", "READY", "REPLICAS", "LEADER", "EPOCH", "VERSION", "AGE"}};
  for (const kube::Object& object : *objects) rows.push_back(ClusterRow(target, object));
  PrintTable(target, std::move(rows), *objects);
  PrintTroubles(*objects);
  return kExitSucceeded;
}

ExitCode ShowDevices(const Target& target, const std::string& format) {
  const absl::StatusOr<std::vector<kube::Object>> objects =
      List(target, DeviceClusters(Where(target)));
  if (!objects.ok()) return ComplainOfCluster(objects.status());
  Json list = Json::array();
  std::string text;
  for (const kube::Object& object : *objects) {
    const int64_t replicas = IntegerMember(object.spec(), "replicas", 1);
    const std::vector<std::string> command = CommandOf(object);
    const std::optional<DeviceDescription> description = DescriptionOf(object);
    Json device = {{"name", object.key().ToString()}, {"replicas", replicas}, {"command", command}};
    absl::StrAppend(&text, text.empty() ? "" : "\n",
                    target.all_namespaces ? object.key().ToString() : object.name(), "  ",
                    absl::StrJoin(command, " "), "  × ", replicas, "\n");
    if (description.has_value()) {
      device["description"] = Json::parse(DeviceDescriptionToJson(*description));
      for (const OperationSpec& operation : description->operations) {
        absl::StrAppend(&text, FormatOperation(operation));
      }
    } else {
      absl::StrAppend(&text, "  (it has not described itself yet)\n");
    }
    list.push_back(std::move(device));
  }
  if (format == "json") {
    PrintJson(list);
    return kExitSucceeded;
  }
  if (objects->empty()) return SayNone(target, "DeviceClusters");
  std::cout << text;
  return kExitSucceeded;
}

}  // namespace fractos::cluster
