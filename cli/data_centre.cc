#include "cli/data_centre.h"

#include <fcntl.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "cli/paths.h"
#include "lib/runtime/atomic_file.h"

namespace fractos {
namespace {

// A daemon keeps its Memory socket beside its own, under the same name and a suffix.
constexpr size_t kMaxSocketPath = sizeof(sockaddr_un::sun_path) - 1 - 12;

constexpr Duration kMaxSilence = std::chrono::seconds(1);
constexpr Duration kWatchInterval = std::chrono::milliseconds(250);

// The stream to a process that lives comes back at once when it broke.
constexpr Duration kLinkReturns = std::chrono::milliseconds(500);

constexpr Duration kFirstRestart = std::chrono::milliseconds(50);
constexpr Duration kLongestRestart = std::chrono::seconds(2);

// What fractos-daemon ends with when starting it again would be no use (docs/daemon.md).
constexpr int kDaemonBadInput = 2;

std::string SocketName(const PlacedCluster& placed) {
  const DeviceCluster& cluster = placed.cluster;
  if (cluster.ns == "default") return cluster.name;
  return absl::StrCat(cluster.ns, ".", cluster.name);
}

}  // namespace

absl::StatusOr<std::vector<ClusterView>> LayOut(const std::vector<PlacedCluster>& clusters,
                                                const std::string& directory) {
  std::vector<ClusterView> views;
  for (size_t number = 0; number < clusters.size(); ++number) {
    const DeviceCluster& cluster = clusters[number].cluster;
    ClusterView view;
    view.cluster = cluster.FullName();
    for (int replica = 0; replica < cluster.replicas; ++replica) {
      std::string path =
          absl::StrCat(directory, "/", SocketName(clusters[number]), "-", replica, ".sock");
      if (path.size() > kMaxSocketPath) {
        path = absl::StrCat(directory, "/c", number, "-", replica, ".sock");
      }
      if (path.size() > kMaxSocketPath) {
        return absl::InvalidArgumentError(absl::StrCat(
            "the name of folder ", directory,
            " is too long for Unix sockets in it; set XDG_RUNTIME_DIR to a shorter one"));
      }
      view.endpoints.push_back(absl::StrCat("unix:", path));
    }
    views.push_back(std::move(view));
  }
  return views;
}

DataCentre::DataCentre(EventLoop* loop, ReplicaRegistry* registry, const Clock* clock,
                       Options options)
    : loop_(loop), registry_(registry), clock_(clock), options_(std::move(options)) {}

DataCentre::~DataCentre() {
  const absl::MutexLock lock(&mutex_);
  stopping_ = true;
}

absl::StatusOr<DataCentre::Daemon> DataCentre::Prepare(const PlacedCluster& placed,
                                                       const ClusterView& view,
                                                       uint32_t replica) const {
  const absl::StatusOr<std::string> program = FindProgram("fractos-daemon");
  if (!program.ok()) return program.status();
  const DeviceCluster& cluster = placed.cluster;
  Daemon daemon;
  std::vector<std::string>& command = daemon.spec.command;
  command = {*program,
             "--name",
             view.cluster,
             "--replica",
             absl::StrCat(replica),
             "--directory",
             options_.directory,
             "--endpoint",
             view.endpoints[replica],
             "--coordination",
             "file",
             "--max-in-flight",
             absl::StrCat(cluster.max_in_flight),
             "--adaptor-options",
             cluster.adaptor.options,
             "--die-with-parent"};
  if (options_.verbose) command.push_back("--verbose");
  command.push_back("--");
  for (const std::string& word : cluster.adaptor.command) command.push_back(word);
  // The adaptors that ship lie beside us, and need not be in PATH.
  if (cluster.adaptor.command.front() == "fractos-adaptor") {
    const absl::StatusOr<std::string> adaptor = FindProgram("fractos-adaptor");
    if (!adaptor.ok()) return adaptor.status();
    command[command.size() - cluster.adaptor.command.size()] = *adaptor;
  }
  daemon.spec.env = cluster.adaptor.env;
  daemon.spec.working_directory = placed.folder;
  if (!options_.verbose) {
    daemon.log_file =
        absl::StrCat(options_.directory, "/", SocketName(placed), "-", replica, ".log");
  }
  return daemon;
}

absl::Status DataCentre::Start(const std::vector<PlacedCluster>& clusters) {
  absl::StatusOr<std::vector<ClusterView>> views = LayOut(clusters, options_.directory);
  if (!views.ok()) return views.status();
  views_ = *std::move(views);
  std::vector<Address> addresses;
  for (size_t i = 0; i < clusters.size(); ++i) {
    for (uint32_t replica = 0; replica < views_[i].endpoints.size(); ++replica) {
      absl::StatusOr<Daemon> daemon = Prepare(clusters[i], views_[i], replica);
      if (!daemon.ok()) return daemon.status();
      const absl::MutexLock lock(&mutex_);
      addresses.push_back({views_[i].cluster, replica});
      daemons_.emplace(addresses.back(), *std::move(daemon));
    }
  }
  for (const Address& address : addresses) {
    if (absl::Status status = StartDaemon(address); !status.ok()) return status;
  }
  WatchLeaders();
  return absl::OkStatus();
}

void DataCentre::WatchLeaders() {
  std::vector<pid_t> silent;
  {
    const absl::MutexLock lock(&mutex_);
    if (stopping_ || options_.silent_for == nullptr) return;
    for (const auto& [address, daemon] : daemons_) {
      if (daemon.pid == 0 || registry_->StateOf(address).epoch == 0) continue;
      const bool is_silent = options_.silent_for(address).value_or(Duration::zero()) >= kMaxSilence;
      if (is_silent && AnotherCanLead(address)) silent.push_back(daemon.pid);
    }
  }
  for (const pid_t pid : silent) children_.Kill(pid);
  loop_->At(clock_->Now() + kWatchInterval, [this] { WatchLeaders(); });
}

absl::Status DataCentre::StartDaemon(const Address& address) {
  ChildSpec spec;
  std::string log_file;
  {
    const absl::MutexLock lock(&mutex_);
    if (stopping_) return absl::OkStatus();
    spec = daemons_.at(address).spec;
    log_file = daemons_.at(address).log_file;
  }
  const UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  spec.descriptors.push_back({null.get(), 0});
  UniqueFd log;
  if (log_file.empty()) {
    spec.descriptors.push_back({2, 1});
  } else {
    log = UniqueFd(::open(log_file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
    if (!log.valid()) return ErrnoError(errno, "cannot create", log_file);
    spec.descriptors.push_back({log.get(), 1});
    spec.descriptors.push_back({log.get(), 2});
  }
  // Not under the lock: the thread that starts children also tells their ends, which takes it. So
  // a child's end may be told before its process id is known here.
  const auto ended = std::make_shared<bool>(false);
  const absl::StatusOr<pid_t> pid =
      children_.Start(spec, [this, address, ended](const ChildExit& how) {
        {
          const absl::MutexLock lock(&mutex_);
          *ended = true;
        }
        OnExit(address, how);
      });
  if (!pid.ok()) return pid.status();
  const absl::MutexLock lock(&mutex_);
  if (!*ended) daemons_.at(address).pid = *pid;
  return absl::OkStatus();
}

// One that answers now, or that will be started. Where nobody else answers either, the machine is
// overloaded, and to kill one after the other would only make an end of the cluster.
bool DataCentre::AnotherCanLead(const Address& leader) const {
  if (options_.restart) return true;
  return std::any_of(daemons_.begin(), daemons_.end(), [this, &leader](const auto& entry) {
    const Address& address = entry.first;
    if (address.cluster != leader.cluster || address == leader || entry.second.pid == 0) {
      return false;
    }
    const std::optional<Duration> silence = options_.silent_for(address);
    return silence.has_value() && *silence <= kMaxSilence / 2;
  });
}

bool DataCentre::AnyAlive(const std::string& cluster) const {
  return std::any_of(daemons_.begin(), daemons_.end(), [&cluster](const auto& entry) {
    return entry.first.cluster == cluster && entry.second.pid != 0;
  });
}

void DataCentre::OnExit(const Address& address, const ChildExit& how) {
  bool last = false;
  {
    const absl::MutexLock lock(&mutex_);
    Daemon& daemon = daemons_.at(address);
    daemon.pid = 0;
    ended_.SignalAll();
    if (stopping_) return;
    registry_->Tell({address, ReplicaNews::What::kDied});
    const bool hopeless = how.code == kDaemonBadInput && !registry_->WasReady(address.cluster);
    if (options_.restart && !hopeless) return RestartLater(address);
    last = !AnyAlive(address.cluster);
  }
  if (!last) return;
  const std::string words = LastWords(address.cluster);
  registry_->Fail(absl::UnavailableError(
      absl::StrCat("the last daemon of DeviceCluster ", address.cluster, " ended (", how.ToString(),
                   ")", words.empty() ? "" : "; its last words:\n", words)));
}

// Tried again and again: what a start takes, descriptors or processes, may be there later.
void DataCentre::RestartLater(const Address& address) {
  Daemon& daemon = daemons_.at(address);
  const Duration wait = std::min<Duration>(
      kFirstRestart * (int64_t{1} << std::min<uint64_t>(daemon.restarts, 10)), kLongestRestart);
  ++daemon.restarts;
  loop_->At(clock_->Now() + wait, [this, address] {
    if (StartDaemon(address).ok()) return;
    const absl::MutexLock lock(&mutex_);
    if (!stopping_) RestartLater(address);
  });
}

void DataCentre::OnPeerLost(const Address& peer) {
  pid_t pid = 0;
  {
    const absl::MutexLock lock(&mutex_);
    const auto found = daemons_.find(peer);
    if (stopping_ || found == daemons_.end() || found->second.pid == 0) return;
    pid = found->second.pid;
  }
  loop_->At(clock_->Now() + kLinkReturns, [this, peer, pid] {
    if (registry_->IsLinked(peer)) return;
    {
      const absl::MutexLock lock(&mutex_);
      if (stopping_ || daemons_.at(peer).pid != pid) return;
    }
    children_.Kill(pid);
  });
}

std::string DataCentre::LastWords(const std::string& cluster) const {
  constexpr size_t kLines = 5;
  constexpr size_t kMaxLog = 1 << 20;
  std::vector<std::string> lines;
  const absl::MutexLock lock(&mutex_);
  for (const auto& [address, daemon] : daemons_) {
    if (address.cluster != cluster || daemon.log_file.empty()) continue;
    const absl::StatusOr<std::string> text = ReadWholeFile(daemon.log_file, kMaxLog);
    if (!text.ok()) continue;
    std::vector<std::string> own = absl::StrSplit(*text, '\n', absl::SkipWhitespace());
    const size_t skip = own.size() > kLines ? own.size() - kLines : 0;
    for (size_t i = skip; i < own.size(); ++i) {
      lines.push_back(absl::StrCat("  ", address.ToString(), ": ", own[i]));
    }
  }
  return absl::StrJoin(lines, "\n");
}

void DataCentre::Stop(Duration grace) {
  std::vector<pid_t> running;
  {
    const absl::MutexLock lock(&mutex_);
    stopping_ = true;
    for (const auto& [address, daemon] : daemons_) {
      if (daemon.pid != 0) running.push_back(daemon.pid);
    }
  }
  for (const pid_t pid : running) children_.Terminate(pid, grace);
  const absl::MutexLock lock(&mutex_);
  const Time until = clock_->Now() + grace + std::chrono::seconds(1);
  const auto alive = [](const auto& entry) { return entry.second.pid != 0; };
  while (std::any_of(daemons_.begin(), daemons_.end(), alive)) {
    const Duration left = until - clock_->Now();
    if (left <= Duration::zero()) return;
    ended_.WaitWithTimeout(&mutex_, absl::FromChrono(left));
  }
}

}  // namespace fractos
