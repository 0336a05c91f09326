#include "cli/run_list.h"

#include <algorithm>
#include <cstdint>
#include <iostream>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "cli/complain.h"
#include "cli/paths.h"
#include "cli/table.h"
#include "lib/driver/file_record_store.h"
#include "lib/runtime/atomic_file.h"
#include "nlohmann/json.hpp"

namespace fractos {
namespace {

std::string FormatStart(int64_t microseconds) {
  return absl::FormatTime("%Y-%m-%d %H:%M:%S", absl::FromUnixMicros(microseconds),
                          absl::LocalTimeZone());
}

struct ListedRun {
  RunRecord record;
  bool resumable = false;  // it has not ended, and nobody drives it
};

// The latest first.
absl::StatusOr<std::vector<ListedRun>> ReadRuns() {
  FileRecordStore store(RunsFolder());
  const absl::StatusOr<std::vector<RunId>> runs = store.List();
  if (!runs.ok()) return runs.status();
  std::vector<ListedRun> listed;
  for (const RunId& run : *runs) {
    absl::StatusOr<RecordStore::Versioned> stored = store.Load(run);
    if (absl::IsPermissionDenied(stored.status())) return stored.status();
    if (!stored.ok()) continue;  // killed before its first record; there is nothing to tell
    ListedRun one{std::move(stored->record)};
    one.resumable =
        !IsEnd(one.record.phase) &&
        !absl::IsFailedPrecondition(ProbeLock(absl::StrCat(store.FolderOf(run), "/lock")).status());
    listed.push_back(std::move(one));
  }
  std::sort(listed.begin(), listed.end(), [](const ListedRun& a, const ListedRun& b) {
    return a.record.start_us > b.record.start_us;
  });
  return listed;
}

void PrintRunsJson(const std::vector<ListedRun>& runs) {
  using Json = nlohmann::ordered_json;
  Json list = Json::array();
  for (const ListedRun& run : runs) {
    list.push_back({{"run", run.record.run.ToHex()},
                    {"name", run.record.name},
                    {"phase", std::string(RunPhaseName(run.record.phase))},
                    {"startMicroseconds", run.record.start_us},
                    {"resumable", run.resumable}});
  }
  std::cout << list.dump(2, ' ', false, Json::error_handler_t::replace) << "\n";
}

void PrintRuns(const std::vector<ListedRun>& runs) {
  std::vector<std::vector<std::string>> rows = {{"RUN", "NAME", "STARTED", "PHASE"}};
  for (const ListedRun& run : runs) {
    const RunRecord& record = run.record;
    const std::string id = record.run.ToShortHex();
    rows.push_back({id, record.name, FormatStart(record.start_us),
                    run.resumable ? absl::StrCat("Interrupted: fractosctl resume ", id)
                                  : std::string(RunPhaseName(record.phase))});
  }
  std::cout << FormatTable(rows);
}

}  // namespace

ExitCode ListRuns(const std::string& format) {
  const absl::StatusOr<std::vector<ListedRun>> runs = ReadRuns();
  if (!runs.ok()) return Complain(runs.status());
  if (format == "json") {
    PrintRunsJson(*runs);
  } else if (runs->empty()) {
    std::cout << "no runs yet; `fractosctl run FILE` starts one\n";
  } else {
    PrintRuns(*runs);
  }
  return kExitSucceeded;
}

}  // namespace fractos
