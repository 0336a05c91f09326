#include "bench/chain.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <fstream>
#include <functional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "bench/ring.h"
#include "cli/known_devices.h"
#include "cli/paths.h"
#include "cli/private_folder.h"
#include "lib/plan/yaml.h"

namespace fractos {
namespace {

using std::chrono::steady_clock;

constexpr absl::Duration kRunTimeout = absl::Seconds(30);

double MicrosecondsSince(steady_clock::time_point start) {
  return std::chrono::duration<double, std::micro>(steady_clock::now() - start).count();
}

std::string NameOf(int hop) { return absl::StrCat("hop", hop); }

std::vector<PlacedCluster> EchoClusters() {
  std::vector<PlacedCluster> clusters;
  for (int hop = 0; hop < kRingSize; ++hop) {
    PlacedCluster placed;
    placed.cluster.name = NameOf(hop);
    placed.cluster.adaptor.command = {"fractos-adaptor", "echo"};
    placed.folder = ProgramFolder();
    clusters.push_back(std::move(placed));
  }
  return clusters;
}

std::vector<std::string> NamesOf(const std::vector<PlacedCluster>& clusters) {
  std::vector<std::string> names;
  for (const PlacedCluster& placed : clusters) names.push_back(placed.cluster.FullName());
  return names;
}

constexpr char kHead[] = R"(apiVersion: fractos.dev/v1alpha1
kind: TaskGraph
metadata: {name: chain}
spec:
  steps:
)";

// The kilobytes that /proc/PID/smaps_rollup has under `key`.
double Kilobytes(const std::string& file, const std::string& key) {
  std::ifstream in(file);
  std::string word;
  while (in >> word) {
    double value;
    if (word == key && in >> value) return value;
  }
  return 0;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Chain>> Chain::Start() {
  std::unique_ptr<Chain> chain(new Chain());
  absl::StatusOr<std::unique_ptr<Session>> session = Session::Open("bench", &chain->store_);
  if (!session.ok()) return session.status();
  chain->session_ = *std::move(session);
  const std::vector<PlacedCluster> clusters = EchoClusters();
  absl::Status started = chain->session_->StartCentre(clusters, /*restart=*/false,
                                                      /*verbose=*/false);
  if (!started.ok()) return started;
  absl::StatusOr<Descriptions> ready = chain->session_->AwaitReady(NamesOf(clusters));
  if (!ready.ok()) return ready.status();
  chain->descriptions_ = *std::move(ready);
  return chain;
}

absl::StatusOr<Plan> Chain::CompilePlan(const std::string& yaml) const {
  const Documents documents = ParseDocuments(yaml, "bench");
  if (!documents.diagnostics.empty()) {
    return absl::InternalError(documents.diagnostics.front().ToString());
  }
  return Compile(documents.graphs.front(), descriptions_, {});
}

absl::StatusOr<Plan> Chain::CopyPlan() const {
  std::string yaml =
      absl::StrCat(kHead, "  - {name: s0, device: hop0, operation: copy, ",
                   "arguments: {text: ", std::string(kRingMessageBytes, 'x'), "}}\n");
  for (int hop = 1; hop < kRingSize; ++hop) {
    absl::StrAppend(&yaml, "  - {name: s", hop, ", device: ", NameOf(hop),
                    ", operation: copy, inputs: {data: s", hop - 1, "}}\n");
  }
  return CompilePlan(yaml);
}

absl::StatusOr<Plan> Chain::PassPlan(uint64_t size) const {
  std::string yaml = absl::StrCat(kHead, "  - {name: make, device: ", NameOf(kRingSize - 1),
                                  ", operation: generate, arguments: {size: ", size, "}}\n");
  for (int hop = 0; hop < kRingSize; ++hop) {
    absl::StrAppend(&yaml, "  - {name: s", hop, ", device: ", NameOf(hop),
                    ", operation: identity, inputs: {data: ",
                    hop == 0 ? "make" : absl::StrCat("s", hop - 1), "}}\n");
  }
  return CompilePlan(yaml);
}

absl::StatusOr<RunId> Chain::StartRun(const Plan& plan, std::function<void()> told) {
  RunRecord record;
  record.run = random_.NewId<RunId>();
  record.name = plan.name;
  const RunId id = record.run;
  const auto over = std::make_shared<std::atomic<bool>>(false);
  Driver* const driver = &session_->driver();
  absl::Status started = driver->Start(plan, std::move(record), 0, [driver, id, over, told] {
    const absl::StatusOr<RunSnapshot> seen = driver->Snapshot(id);
    if (!seen.ok() || (!seen->finished && seen->lost.ok())) return;
    if (!over->exchange(true)) told();
  });
  if (!started.ok()) return started;
  return id;
}

absl::StatusOr<RunRecord> Chain::Run(const Plan& plan, double* microseconds) {
  // Shared, because a run that is late may tell after nobody listens any more.
  struct Ending {
    absl::Notification told;
    steady_clock::time_point when;
  };
  const auto end = std::make_shared<Ending>();
  const steady_clock::time_point start = steady_clock::now();
  const absl::StatusOr<RunId> id = StartRun(plan, [end] {
    end->when = steady_clock::now();
    end->told.Notify();
  });
  if (!id.ok()) return id.status();
  if (!end->told.WaitForNotificationWithTimeout(kRunTimeout)) {
    return absl::DeadlineExceededError("a run did not end");
  }
  if (microseconds != nullptr) {
    *microseconds = std::chrono::duration<double, std::micro>(end->when - start).count();
  }
  const absl::StatusOr<RunSnapshot> snapshot = session_->driver().Snapshot(*id);
  if (!snapshot.ok()) return snapshot.status();
  session_->driver().Forget(*id);
  if (snapshot->record.phase != RunPhase::kSucceeded) {
    return absl::InternalError(absl::StrCat("a run ended as ",
                                            std::string(RunPhaseName(snapshot->record.phase)), ": ",
                                            snapshot->record.failure.message));
  }
  return snapshot->record;
}

absl::StatusOr<int64_t> Chain::Flood(const Plan& plan, int in_flight,
                                     std::chrono::nanoseconds window) {
  struct Ended {
    absl::Mutex mutex;
    int waiting = 0;
  };
  const auto ended = std::make_shared<Ended>();
  std::deque<RunId> ids;
  const auto start_one = [this, &plan, &ended, &ids]() -> absl::Status {
    absl::StatusOr<RunId> id = StartRun(plan, [ended] {
      const absl::MutexLock lock(&ended->mutex);
      ++ended->waiting;
    });
    if (id.ok()) ids.push_back(*id);
    return id.status();
  };
  for (int i = 0; i < in_flight; ++i) {
    if (absl::Status status = start_one(); !status.ok()) return status;
  }
  const steady_clock::time_point start = steady_clock::now();
  int64_t runs = 0;
  int left = in_flight;
  while (left > 0) {
    int got;
    {
      const absl::MutexLock lock(&ended->mutex);
      const auto some = [&ended] { return ended->waiting > 0; };
      if (!ended->mutex.AwaitWithTimeout(absl::Condition(&some), kRunTimeout)) {
        return absl::DeadlineExceededError("a run did not end");
      }
      got = std::exchange(ended->waiting, 0);
    }
    const bool more = steady_clock::now() - start < window;
    if (more) runs += got;
    for (int i = 0; i < got; ++i) {
      if (!more) {
        --left;
      } else if (absl::Status status = start_one(); !status.ok()) {
        return status;
      }
    }
    // Runs end in about the order in which they began; what is let go of is long over.
    while (ids.size() > static_cast<size_t>(4 * in_flight)) {
      session_->driver().Forget(ids.front());
      ids.pop_front();
    }
  }
  for (const RunId& id : ids) session_->driver().Forget(id);
  return runs;
}

absl::StatusOr<double> MeasureReadyMilliseconds() {
  const absl::StatusOr<PrivateFolder> home = PrivateFolder::Create();
  if (!home.ok()) return home.status();
  std::vector<PlacedCluster> clusters;
  for (DeviceCluster& cluster : DefaultDataCentre(home->path())) {
    clusters.push_back({std::move(cluster), home->path()});
  }
  MemoryRecordStore store;
  double milliseconds = 0;
  const steady_clock::time_point start = steady_clock::now();
  absl::StatusOr<std::unique_ptr<Session>> session = Session::Open("bench-ready", &store);
  absl::Status status = session.status();
  if (status.ok()) status = (*session)->StartCentre(clusters, /*restart=*/false, /*verbose=*/false);
  if (status.ok()) status = (*session)->AwaitReady(NamesOf(clusters)).status();
  if (status.ok()) milliseconds = MicrosecondsSince(start) / 1e3;
  if (session.ok()) session->reset();
  if (!status.ok()) return status;
  return milliseconds;
}

DaemonMemory MeasureDaemonMemory() {
  DaemonMemory memory;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", error)) {
    const std::string folder = entry.path().string();
    std::ifstream in(folder + "/stat");
    int pid, parent;
    std::string name, state;
    if (!(in >> pid >> name >> state >> parent)) continue;
    if (parent != ::getpid() || name != "(fractos-daemon)") continue;
    ++memory.daemons;
    memory.max_rss =
        std::max(memory.max_rss, Kilobytes(folder + "/smaps_rollup", "Rss:") * 1.024e-3);
    memory.max_pss =
        std::max(memory.max_pss, Kilobytes(folder + "/smaps_rollup", "Pss:") * 1.024e-3);
  }
  return memory;
}

}  // namespace fractos
