#include "cli/cluster/logs.h"

#include <algorithm>
#include <cstdint>
#include <iostream>
#include <limits>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "cli/cluster/find_run.h"
#include "cli/cluster/observed_run.h"
#include "cli/cluster/refusal.h"
#include "cli/complain.h"
#include "lib/kube/errors.h"
#include "lib/kube/time.h"

namespace fractos::cluster {
namespace {

// Times of objects are of whole seconds, and those of nodes differ a little.
constexpr int64_t kSlackMicroseconds = 2'000'000;
// Of one container. A run lasts an hour at most; what a daemon writes in one is far below.
constexpr int64_t kMaxLogBytes = int64_t{64} << 20;

struct Entry {
  int64_t at_us = 0;
  std::string where;
  std::string text;
};

// The replicas that executed a step of the run, by their cluster's full name.
std::map<std::string, std::set<uint32_t>> ExecutorsOf(const RunRecord& record) {
  std::map<std::string, std::set<uint32_t>> executors;
  for (const auto& [path, result] : record.steps) {
    const Address& address = result->executor.address;
    if (!address.IsNone() && !address.IsDriver()) {
      executors[address.cluster].insert(address.replica);
    }
  }
  return executors;
}

// The pods of those replicas: a StatefulSet's pod ends in its number.
absl::StatusOr<std::vector<kube::Object>> PodsOf(const Target& target, const kube::ObjectKey& key,
                                                 const std::set<uint32_t>& replicas) {
  absl::StatusOr<kube::Pager::Result> listed =
      kube::Pager(target.client)
          .List(target.RequestContext(), Pods(key.ns),
                {.label_selector = absl::StrCat(kClusterLabel, "=", key.name)});
  if (!listed.ok()) return listed.status();
  std::set<uint32_t> missing = replicas;
  std::vector<kube::Object> pods;
  for (kube::Object& pod : listed->list.items) {
    for (const uint32_t replica : replicas) {
      if (!absl::EndsWith(pod.name(), absl::StrCat("-", replica))) continue;
      missing.erase(replica);
      pods.push_back(std::move(pod));
      break;
    }
  }
  for (const uint32_t replica : missing) {
    std::cerr << "note: the pod of " << key.ToString() << "-" << replica
              << " is gone, and its logs with it\n";
  }
  return pods;
}

std::string PathOf(const kube::Object& pod, absl::string_view container, int64_t since_us) {
  std::string path =
      absl::StrCat("/api/v1/namespaces/", pod.ns(), "/pods/", pod.name(),
                   "/log?container=", container, "&timestamps=true&limitBytes=", kMaxLogBytes);
  if (since_us > 0) {
    absl::StrAppend(&path, "&sinceTime=", kube::FormatMicroTime(since_us));
  }
  return path;
}

// Adds what the run is to be told of. An error says why the container cannot be read.
absl::Status AddLog(const Target& target, const kube::Object& pod, absl::string_view container,
                    const RunRecord& record, std::vector<Entry>* entries) {
  const int64_t from = std::max<int64_t>(record.start_us - kSlackMicroseconds, 0);
  const int64_t to =
      record.end_us == 0 ? std::numeric_limits<int64_t>::max() : record.end_us + kSlackMicroseconds;
  const absl::StatusOr<std::string> log =
      target.client->GetRaw(target.RequestContext(), PathOf(pod, container, from));
  if (!log.ok()) return log.status();
  for (LogLine& line : SplitLog(*log)) {
    const int64_t at = kube::ParseMicroseconds(line.time);
    if (at < from || at > to || NamesAnotherRun(line.text, record.run)) continue;
    entries->push_back({at, absl::StrCat(pod.name(), "/", container), std::move(line.text)});
  }
  return absl::OkStatus();
}

}  // namespace

std::vector<LogLine> SplitLog(absl::string_view log) {
  std::vector<LogLine> lines;
  for (const absl::string_view line : absl::StrSplit(log, '\n', absl::SkipEmpty())) {
    const std::pair<std::string, std::string> parts = absl::StrSplit(line, absl::MaxSplits(' ', 1));
    lines.push_back({parts.first, parts.second});
  }
  return lines;
}

bool NamesAnotherRun(absl::string_view text, const RunId& run) {
  constexpr size_t kDigits = 2 * RunId::kSize;
  for (const absl::string_view key : {" run=\"", "\"run\":\"", "\"run\": \""}) {
    const size_t at = text.find(key);
    if (at == absl::string_view::npos) continue;
    const absl::string_view rest = text.substr(at + key.size());
    const absl::StatusOr<RunId> named = RunId::FromHex(rest.substr(0, kDigits));
    if (named.ok() && *named != run) return true;
  }
  return false;
}

ExitCode Logs(const Target& target, const std::string& run) {
  const absl::StatusOr<kube::Object> object = FindRun(target, run);
  if (absl::IsInvalidArgument(object.status())) return Complain(object.status(), kExitBadInput);
  if (!object.ok()) return ComplainOfCluster(object.status());
  const ObservedRun observed = ObserveRun(*object);
  const RunRecord& record = observed.snapshot.record;
  const std::map<std::string, std::set<uint32_t>> executors = ExecutorsOf(record);
  if (executors.empty()) {
    std::cerr << "no step of " << object->name() << " has been executed yet\n";
    return kExitSucceeded;
  }
  std::vector<Entry> entries;
  ExitCode code = kExitSucceeded;
  for (const auto& [cluster, replicas] : executors) {
    const absl::StatusOr<kube::ObjectKey> key = kube::ObjectKey::Parse(cluster);
    if (!key.ok()) continue;
    const absl::StatusOr<std::vector<kube::Object>> pods = PodsOf(target, *key, replicas);
    if (!pods.ok()) return ComplainOfCluster(pods.status());
    for (const kube::Object& pod : *pods) {
      for (const char* container : {kDaemonContainer, kAdaptorContainer}) {
        const absl::Status added = AddLog(target, pod, container, record, &entries);
        if (!added.ok()) code = ComplainOfCluster(added);
      }
    }
  }
  std::stable_sort(entries.begin(), entries.end(),
                   [](const Entry& a, const Entry& b) { return a.at_us < b.at_us; });
  for (const Entry& entry : entries) std::cout << entry.where << "  " << entry.text << "\n";
  return code;
}

}  // namespace fractos::cluster
