#include "cli/kept_centre.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <iostream>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "cli/centre_lock.h"
#include "cli/complain.h"
#include "cli/paths.h"
#include "cli/session.h"
#include "cli/source_json.h"
#include "cli/table.h"
#include "lib/driver/memory_record_store.h"
#include "lib/runtime/atomic_file.h"
#include "nlohmann/json.hpp"

namespace fractos {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kMaxCentreBytes = size_t{16} << 20;
constexpr int kDownTimeoutMilliseconds = 10'000;
// How long `up` waits for the replicas that do not lead, and `status` for those that are up.
constexpr Duration kReplicasTimeout = std::chrono::seconds(5);
constexpr Duration kAnswerTimeout = std::chrono::milliseconds(500);

std::string CentreFolder() { return absl::StrCat(HomeFolder(), "/centre"); }
std::string LockPath() { return absl::StrCat(CentreFolder(), "/lock"); }
std::string CentrePath() { return absl::StrCat(CentreFolder(), "/centre.json"); }

std::string EncodeCentre(const std::vector<SourceFile>& sources, const std::string& folder) {
  const nlohmann::json json = {
      {"supervisor", ::getpid()}, {"folder", folder}, {"sources", SourcesToJson(sources)}};
  return json.dump(1, ' ', false, nlohmann::json::error_handler_t::replace);
}

absl::Status Damaged(absl::string_view how) {
  return absl::DataLossError(absl::StrCat(CentrePath(), " is damaged: ", how));
}

absl::StatusOr<KeptCentre> DecodeCentre(const std::string& text) {
  try {
    const nlohmann::json json = nlohmann::json::parse(text);
    KeptCentre kept;
    kept.supervisor = json.at("supervisor").get<pid_t>();
    // 1 is init; 0 and below would be signalled as whole groups.
    if (kept.supervisor <= 1) {
      return absl::DataLossError(absl::StrCat(CentrePath(), " is damaged: process ",
                                              kept.supervisor, " is no supervisor"));
    }
    kept.folder = json.at("folder").get<std::string>();
    const absl::StatusOr<std::vector<SourceFile>> sources = SourcesFromJson(json.at("sources"));
    if (!sources.ok()) return Damaged(sources.status().message());
    Inputs inputs = ParseInputs(*sources, HomeFolder());
    if (!inputs.diagnostics.empty()) return Damaged(inputs.diagnostics[0].ToString());
    kept.clusters = std::move(inputs.clusters);
    kept.default_clusters = inputs.default_clusters;
    return kept;
  } catch (const nlohmann::json::exception& e) {
    return Damaged(e.what());
  }
}

std::vector<std::string> FullNames(const std::vector<PlacedCluster>& clusters) {
  std::vector<std::string> names;
  names.reserve(clusters.size());
  for (const PlacedCluster& placed : clusters) names.push_back(placed.cluster.FullName());
  return names;
}

// The signals that end a supervisor, blocked. A caller who ignores SIGINT or SIGHUP, as nohup does,
// wants them ignored; SIGTERM is how `down` asks.
sigset_t BlockEnds() {
  sigset_t ends;
  ::sigemptyset(&ends);
  ::sigaddset(&ends, SIGTERM);
  for (const int signal : {SIGINT, SIGHUP}) {
    struct sigaction action = {};
    ::sigaction(signal, nullptr, &action);
    if (action.sa_handler != SIG_IGN) ::sigaddset(&ends, signal);
  }
  ::pthread_sigmask(SIG_BLOCK, &ends, nullptr);
  return ends;
}

// Waits for the clusters' leaders, and then a while for their other replicas. Cancelled as soon as
// `cancelled` says so.
absl::Status AwaitCentre(Session* session, const std::vector<PlacedCluster>& clusters,
                         const std::function<bool()>& cancelled) {
  constexpr Duration kSlice = std::chrono::milliseconds(100);
  const absl::Status ended = absl::CancelledError("the data centre was ended before it was up");
  const std::vector<std::string> names = FullNames(clusters);
  for (Duration waited = kSlice;; waited += kSlice) {
    const absl::Status ready = session->AwaitReady(names, kSlice).status();
    if (cancelled()) return ended;
    if (ready.ok()) break;
    if (!absl::IsDeadlineExceeded(ready) || waited >= Session::kReadyTimeout) return ready;
  }
  // It works without the others, so they are no reason to fail.
  for (Duration waited; waited < kReplicasTimeout; waited += kSlice) {
    if (session->AwaitReplicas(clusters, kSlice)) break;
    if (cancelled()) return ended;
  }
  return absl::OkStatus();
}

// How a supervisor is bound to whoever started it.
struct Starter {
  std::function<bool()> has_gone;                   // while it starts
  std::function<void(const absl::Status&)> answer;  // how the start went
};

// Serves until one of BlockEnds.
absl::Status Supervise(const std::vector<SourceFile>& sources,
                       const std::vector<PlacedCluster>& clusters, const UpOptions& options,
                       const UniqueFd& lock, const Starter& starter) {
  // Before any thread starts, so that only the waits below see them.
  const sigset_t ends = BlockEnds();
  OwnLock(lock);
  const auto cancelled = [&ends, &starter] {
    const timespec at_once = {};
    return ::sigtimedwait(&ends, nullptr, &at_once) > 0 || starter.has_gone();
  };

  MemoryRecordStore store;
  absl::StatusOr<std::unique_ptr<Session>> session = Session::Open("supervisor", &store);
  absl::Status status = session.status();
  if (status.ok()) status = (*session)->StartCentre(clusters, options.restart, options.verbose);
  if (status.ok()) status = AwaitCentre(session->get(), clusters, cancelled);
  if (status.ok()) {
    status = WriteFileAtomically(CentrePath(), EncodeCentre(sources, (*session)->folder()));
  }
  starter.answer(status);
  if (!status.ok()) return status;
  int signal = 0;
  ::sigwait(&ends, &signal);
  ::unlink(CentrePath().c_str());
  return absl::OkStatus();
}

// Leaves the terminal and the caller's files behind, except those two descriptors. Before any
// thread starts: what is closed is not only ours.
void Daemonize(const std::string& log, int lock, int ready) {
  const auto low = static_cast<unsigned>(std::min(lock, ready));
  const auto high = static_cast<unsigned>(std::max(lock, ready));
  for (const auto& [first, last] :
       {std::pair(3U, low - 1), std::pair(low + 1, high - 1), std::pair(high + 1, ~0U)}) {
    if (first <= last) ::close_range(first, last, 0);
  }
  ::setsid();
  (void)!::chdir("/");
  const UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  const UniqueFd file(::open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  ::dup2(null.get(), 0);
  ::dup2(file.get(), 1);
  ::dup2(file.get(), 2);
}

void SayReady(const std::vector<PlacedCluster>& clusters) {
  int daemons = 0;
  for (const PlacedCluster& placed : clusters) daemons += placed.cluster.replicas;
  std::cout << "up: " << clusters.size() << (clusters.size() == 1 ? " device, " : " devices, ")
            << daemons << (daemons == 1 ? " daemon" : " daemons")
            << "; `fractosctl run` uses what is up, `fractosctl down` ends it\n";
}

ExitCode UpInBackground(const std::vector<SourceFile>& sources,
                        const std::vector<PlacedCluster>& clusters, const UpOptions& options,
                        UniqueFd lock) {
  int pipe[2];
  if (::pipe2(pipe, O_CLOEXEC) != 0) return Complain(absl::InternalError("cannot make a pipe"));
  const pid_t child = ::fork();
  if (child < 0) return Complain(absl::InternalError("cannot start a process"));
  if (child == 0) {
    ::close(pipe[0]);
    Daemonize(absl::StrCat(CentreFolder(), "/supervisor.log"), lock.get(), pipe[1]);
    const auto reader_has_gone = [&pipe] {
      pollfd ready = {pipe[1], 0, 0};
      return ::poll(&ready, 1, 0) == 1;
    };
    const auto answer = [&pipe](const absl::Status& started) {
      const std::string said = started.ok() ? "ok" : std::string(started.message());
      (void)!::write(pipe[1], said.data(), said.size());
      ::close(pipe[1]);
    };
    const absl::Status status =
        Supervise(sources, clusters, options, lock, {reader_has_gone, answer});
    // The lock is held until the last child is gone.
    lock.Reset();
    ::_exit(status.ok() ? 0 : 1);
  }
  ::close(pipe[1]);
  std::string said;
  char buffer[4096];
  for (ssize_t n; (n = ::read(pipe[0], buffer, sizeof buffer)) != 0;) {
    if (n < 0 && errno != EINTR) break;
    if (n > 0) said.append(buffer, static_cast<size_t>(n));
  }
  ::close(pipe[0]);
  if (said == "ok") {
    SayReady(clusters);
    return kExitSucceeded;
  }
  return Complain(absl::InternalError(said.empty() ? "the supervisor ended at once" : said));
}

Json StateOfDevices(const KeptCentre& centre, const ReplicaRegistry& registry) {
  Json devices = Json::array();
  for (const PlacedCluster& placed : centre.clusters) {
    const std::string name = placed.cluster.FullName();
    int ready = 0;
    ReplicaState leader;
    for (int replica = 0; replica < placed.cluster.replicas; ++replica) {
      const ReplicaState state = registry.StateOf({name, static_cast<uint32_t>(replica)});
      ready += state.linked ? 1 : 0;
      if (state.epoch > leader.epoch) leader = state;
    }
    devices.push_back({{"name", name},
                       {"ready", ready},
                       {"replicas", placed.cluster.replicas},
                       {"leader", leader.epoch == 0 ? "" : leader.address.ToString()},
                       {"epoch", leader.epoch},
                       {"described", leader.described}});
  }
  return devices;
}

void PrintDevices(const Json& devices) {
  const auto shorten = [](const Json& text) {
    return std::string(absl::StripPrefix(text.get_ref<const std::string&>(), "default/"));
  };
  std::vector<std::vector<std::string>> rows = {{"DEVICE", "READY", "LEADER", "EPOCH"}};
  for (const Json& device : devices) {
    rows.push_back({shorten(device["name"]),
                    absl::StrCat(device["ready"].get<int>(), "/", device["replicas"].get<int>()),
                    shorten(device["leader"]), absl::StrCat(device["epoch"].get<uint64_t>())});
  }
  std::cout << FormatTable(rows);
}

}  // namespace

absl::StatusOr<std::optional<KeptCentre>> FindKeptCentre() {
  if (::access(CentrePath().c_str(), F_OK) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) return std::optional<KeptCentre>();
    return ErrnoError(errno, "cannot read", CentrePath());
  }
  const absl::StatusOr<UniqueFd> lock = ProbeLock(LockPath());
  if (lock.ok()) {
    // Nobody holds it: what is written there is of a supervisor that was killed.
    ::unlink(CentrePath().c_str());
    return std::optional<KeptCentre>();
  }
  if (!absl::IsFailedPrecondition(lock.status())) return lock.status();
  const absl::StatusOr<std::string> text = ReadWholeFile(CentrePath(), kMaxCentreBytes);
  if (absl::IsNotFound(text.status())) return std::optional<KeptCentre>();
  if (!text.ok()) return text.status();
  absl::StatusOr<KeptCentre> kept = DecodeCentre(*text);
  if (!kept.ok()) return kept.status();
  return std::optional<KeptCentre>(*std::move(kept));
}

absl::StatusOr<std::optional<KeptCentre>> UseWhatIsUp(Inputs* inputs) {
  absl::StatusOr<std::optional<KeptCentre>> kept = FindKeptCentre();
  if (!kept.ok() || !kept->has_value() || !inputs->default_clusters) return kept;
  inputs->clusters = (*kept)->clusters;
  inputs->default_clusters = (*kept)->default_clusters;
  inputs->clusters_are_up = true;
  return kept;
}

bool Offers(const KeptCentre& kept, const std::vector<PlacedCluster>& wanted) {
  return std::all_of(wanted.begin(), wanted.end(), [&kept](const PlacedCluster& want) {
    return std::any_of(kept.clusters.begin(), kept.clusters.end(), [&](const PlacedCluster& have) {
      const DeviceCluster& a = have.cluster;
      const DeviceCluster& b = want.cluster;
      return a.FullName() == b.FullName() && a.adaptor.command == b.adaptor.command &&
             a.adaptor.options == b.adaptor.options && a.adaptor.env == b.adaptor.env &&
             a.replicas == b.replicas && a.max_in_flight == b.max_in_flight &&
             (have.folder == want.folder ||
              (kept.default_clusters && want.cluster.mark.file.empty()));
    });
  });
}

ExitCode Up(const UpOptions& options) {
  const absl::StatusOr<std::vector<SourceFile>> sources = ReadSources({}, options.files);
  if (!sources.ok()) return Complain(sources.status(), kExitBadInput);
  const Inputs inputs = ParseInputs(*sources, HomeFolder());
  if (!inputs.diagnostics.empty()) return Refuse(inputs.diagnostics);
  if (absl::Status made = MakeFolders(CentreFolder()); !made.ok()) return Complain(made);
  absl::StatusOr<UniqueFd> lock = LockFile(LockPath());
  if (absl::IsFailedPrecondition(lock.status())) {
    return Complain(absl::FailedPreconditionError(
        "a data centre is up already; `fractosctl status` shows it, `fractosctl down` ends it"));
  }
  if (!lock.ok()) return Complain(lock.status());
  ::unlink(CentrePath().c_str());
  if (!options.foreground) {
    return UpInBackground(*sources, inputs.clusters, options, *std::move(lock));
  }
  const auto answer = [&inputs](const absl::Status& started) {
    if (started.ok()) SayReady(inputs.clusters);
    std::cout.flush();
  };
  const absl::Status status =
      Supervise(*sources, inputs.clusters, options, *lock, {[] { return false; }, answer});
  if (status.ok()) return kExitSucceeded;
  return Complain(status, absl::IsCancelled(status) ? kExitInterrupted : kExitFailed);
}

ExitCode Down() {
  const absl::StatusOr<std::optional<KeptCentre>> kept = FindKeptCentre();
  if (!kept.ok()) return Complain(kept.status());
  pid_t supervisor = 0;
  if (kept->has_value()) {
    supervisor = (*kept)->supervisor;
  } else if (absl::IsFailedPrecondition(ProbeLock(LockPath()).status())) {
    supervisor = LockOwner(LockPath());
    if (supervisor == 0) {
      return Complain(absl::FailedPreconditionError(
          "a data centre is starting or ending; `fractosctl down` again in a moment ends it"));
    }
  } else {
    std::cout << "no data centre was up\n";
    return kExitSucceeded;
  }
  // The descriptor names the process even if its number is used again. Its lock was held a moment
  // ago, so this is it.
  const UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, supervisor, 0)));
  const auto signal = [&process](int number) {
    return ::syscall(SYS_pidfd_send_signal, process.get(), number, nullptr, 0) == 0;
  };
  // Gone already is as good as asked to go.
  if (process.valid() ? !signal(SIGTERM) && errno != ESRCH : errno != ESRCH) {
    return Complain(ErrnoError(errno, "cannot end the supervisor of", CentrePath()));
  }
  pollfd ended = {process.get(), POLLIN, 0};
  if (process.valid() && ::poll(&ended, 1, kDownTimeoutMilliseconds) == 0) {
    signal(SIGKILL);
    ::poll(&ended, 1, kDownTimeoutMilliseconds);
  }
  std::cout << "the data centre is down\n";
  return kExitSucceeded;
}

ExitCode ShowStatus(const std::string& format) {
  const absl::StatusOr<std::optional<KeptCentre>> kept = FindKeptCentre();
  if (!kept.ok()) return Complain(kept.status());
  if (!kept->has_value()) {
    if (format == "json") {
      std::cout << Json{{"up", false}}.dump() << "\n";
    } else {
      std::cout << "no data centre is up; `fractosctl up` starts one\n";
    }
    return kExitFailed;
  }
  const KeptCentre& centre = **kept;
  MemoryRecordStore store;
  absl::StatusOr<std::unique_ptr<Session>> session =
      Session::Open(absl::StrCat("status-", ::getpid()), &store);
  if (!session.ok()) return Complain(session.status());
  if (absl::Status used = (*session)->UseCentre(centre.clusters, centre.folder, centre.clusters);
      !used.ok()) {
    return Complain(used);
  }
  // Whoever has not answered by then is shown as not ready.
  (void)(*session)->AwaitReady(FullNames(centre.clusters), std::chrono::seconds(1)).status();
  (*session)->AwaitReplicas(centre.clusters, kAnswerTimeout);
  const Json devices = StateOfDevices(centre, (*session)->registry());
  if (format == "json") {
    std::cout << Json{{"up", true},
                      {"supervisor", centre.supervisor},
                      {"folder", centre.folder},
                      {"devices", devices}}
                     .dump(2)
              << "\n";
  } else {
    PrintDevices(devices);
    std::cout << "logs in " << centre.folder << "\n";
  }
  return kExitSucceeded;
}

}  // namespace fractos
