// fractos-daemon: one device of a data centre.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "daemon/controller.h"
#include "daemon/device/adaptor_launcher.h"
#include "daemon/device/socket_launcher.h"
#include "daemon/election/file_election.h"
#include "daemon/failpoint.h"
#include "daemon/flags.h"
#include "daemon/kubernetes.h"
#include "daemon/metrics.h"
#include "lib/base/descriptor_limit.h"
#include "lib/runtime/atomic_file.h"
#include "lib/runtime/child_process.h"
#include "lib/runtime/event_log.h"
#include "lib/runtime/event_loop.h"
#include "lib/runtime/otlp_exporter.h"
#include "lib/runtime/status_server.h"
#include "lib/runtime/waker.h"

namespace fractos {
namespace {

constexpr int kExitFailed = 1;
constexpr int kExitBadInput = 2;
constexpr std::chrono::seconds kLinkGrace{1};
constexpr size_t kMaxPidBytes = 32;
// How often an adaptor that never described itself is started.
constexpr int kMaxFirstStarts = 3;
constexpr absl::Duration kHealthPatience = absl::Seconds(1);

using Level = EventLog::Level;

// Signals get to the main thread by its waker. Handlers and not a blocked mask with sigwait: a mask
// is inherited by adaptors, a handler is not.
std::atomic<int> g_stop_signals{0};
std::atomic<Waker*> g_waker{nullptr};

void OnStopSignal(int) {
  if (++g_stop_signals > 1) _exit(kExitFailed);  // asked twice: at once
  const int error = errno;
  if (Waker* const waker = g_waker.load(); waker != nullptr) waker->Wake();
  errno = error;
}

void InstallSignalHandlers(Waker* waker) {
  g_waker = waker;
  struct sigaction stop {};
  stop.sa_handler = OnStopSignal;
  stop.sa_flags = SA_RESTART;
  sigaction(SIGTERM, &stop, nullptr);
  sigaction(SIGINT, &stop, nullptr);
  struct sigaction ignore {};
  ignore.sa_handler = [](int) {};
  ignore.sa_flags = SA_RESTART;
  sigaction(SIGPIPE, &ignore, nullptr);
}

// In a pod: where the kubelet looks for why a container ended, to say it in the pod's status.
constexpr char kTerminationLog[] = "/dev/termination-log";

void WriteTerminationLog(absl::string_view why) {
  const UniqueFd file(open(kTerminationLog, O_WRONLY | O_TRUNC | O_CLOEXEC));
  if (file.valid()) (void)!write(file.get(), why.data(), why.size());
}

// What happens to the daemon, for the log, the metrics and the main thread.
class Daemon final : public ControllerObserver {
 public:
  // All outlive it.
  Daemon(const EventLog* log, Metrics* metrics, Waker* waker)
      : log_(log), metrics_(metrics), waker_(waker) {}

  void OnReached(const Reached& reached) override {
    metrics_->Reached(reached.state);
    if (!log_->verbose()) return;
    log_->Write(Level::kDebug, "reached",
                {{"run", reached.run.ToHex()},
                 {"step", reached.step},
                 {"state", std::string(StepStateName(reached.state))}});
  }
  void OnExecution(const std::string& operation, Duration took) override {
    metrics_->Executed(operation, took);
  }
  void OnHop(Duration took) override { metrics_->Hop(took); }
  void OnStep(const std::string& operation, Duration took) override {
    metrics_->Step(operation, took);
  }
  void OnDescribed(const DeviceDescription& description) override {
    described_ = true;
    log_->Write(Level::kInfo, "adaptor ready", {{"device", description.device}});
  }
  void OnAdaptorDown(const absl::Status& why) override {
    log_->Write(Level::kError, "adaptor down", {{"error", std::string(why.message())}});
    bool hopeless =
        absl::IsNotFound(why) || absl::IsPermissionDenied(why) || absl::IsFailedPrecondition(why);
    // One that worked may be in the middle of an upgrade; one that never did is a mistake. Tried a
    // few times, for what it needs may have been missing only for a moment.
    hopeless |= ++ends_ >= kMaxFirstStarts;
    if (hopeless && !described_) {
      WriteTerminationLog(why.message());
      failed_ = true;
      waker_->Wake();
    }
  }
  void OnLeading(uint64_t epoch) override {
    metrics_->ElectionWon();
    log_->Write(Level::kInfo, "leading", {{"epoch", absl::StrCat(epoch)}});
  }
  void OnDeposed() override { log_->Write(Level::kWarning, "deposed"); }
  void OnFollowing(const Address& leader, uint64_t epoch) override {
    EventLog::Fields fields = {{"leader", leader.ToString()}};
    if (epoch != 0) fields.emplace_back("epoch", absl::StrCat(epoch));
    log_->Write(Level::kInfo, "following", fields);
  }
  void OnElectionError(const absl::Status& why) override {
    log_->Write(Level::kError, "election error", {{"error", std::string(why.message())}});
  }

  void BecameIdle() {
    idle_ = true;
    waker_->Wake();
  }
  bool failed() const { return failed_; }
  bool idle() const { return idle_; }

 private:
  const EventLog* const log_;
  Metrics* const metrics_;
  Waker* const waker_;
  std::atomic<bool> described_{false};
  std::atomic<int> ends_{0};
  std::atomic<bool> failed_{false};
  std::atomic<bool> idle_{false};
};

// Returns when something happened that the main thread should look at, or at `until`.
void AwaitEvent(Waker* waker, const Clock& clock, Time until) {
  int timeout = -1;
  if (until != Time::max()) {
    auto left = std::chrono::ceil<std::chrono::milliseconds>(until - clock.Now());
    timeout = static_cast<int>(std::max<int64_t>(left.count(), 0));
  }
  pollfd event = waker->Poll();
  poll(&event, 1, timeout);
  waker->Clear();
}

StatusServer::Pages MakePages(EventLoop* loop, const DeviceController* controller,
                              const Metrics* metrics, const KubernetesCluster* cluster,
                              const OtlpExporter* spans) {
  StatusServer::Pages pages;
  pages.metrics = [controller, metrics, spans] {
    return metrics->Render(controller->status(),
                           spans == nullptr ? OtlpExporter::Stats() : spans->stats());
  };
  pages.not_healthy_for = [loop, cluster]() -> std::string {
    if (cluster != nullptr) {
      const absl::Status elected = cluster->Check();
      if (!elected.ok()) return std::string(elected.message());
    }
    auto answered = std::make_shared<absl::Notification>();
    loop->Post([answered] { answered->Notify(); });
    const bool alive = answered->WaitForNotificationWithTimeout(kHealthPatience);
    return alive ? "" : "the event loop does not answer";
  };
  pages.not_ready_for = [controller]() -> std::string {
    DeviceController::Status status = controller->status();
    if (!status.described) return "the adaptor has not described itself";
    if (!status.election_works) return "nobody is known to lead";
    return "";
  };
  return pages;
}

int Fail(const EventLog& log, const absl::Status& why, int code) {
  log.Write(Level::kError, "cannot start", {{"error", std::string(why.message())}});
  return code;
}

// Held as long as this process lives: two of one replica would answer to one name and take each
// other's socket. FailedPrecondition names the process that has it.
absl::StatusOr<UniqueFd> LockReplica(const std::string& folder, uint32_t replica) {
  const std::string path = absl::StrCat(folder, "/replica-", replica);
  absl::StatusOr<UniqueFd> lock = LockFile(path);
  if (absl::IsFailedPrecondition(lock.status())) {
    const absl::StatusOr<std::string> owner = ReadWholeFile(path, kMaxPidBytes);
    return absl::FailedPreconditionError(
        absl::StrCat("replica ", replica, " of this device runs already in this folder",
                     owner.ok() && !owner->empty() ? absl::StrCat(", as process ", *owner) : ""));
  }
  if (!lock.ok()) return lock;
  const std::string pid = absl::StrCat(getpid());
  // Only for the message above.
  if (ftruncate(lock->get(), 0) != 0 || pwrite(lock->get(), pid.data(), pid.size(), 0) < 0) {
    return ErrnoError(errno, "cannot write", path);
  }
  return lock;
}

absl::StatusOr<std::unique_ptr<AdaptorLauncher>> MakeLauncher(const DaemonFlags& flags,
                                                              ChildProcesses* children) {
  if (flags.adaptor_socket.empty()) {
    return std::make_unique<ProcessLauncher>(ProcessLauncher::Options{flags.command, {}, ""},
                                             children);
  }
  return SocketLauncher::Listen(flags.adaptor_socket);
}

absl::StatusOr<std::unique_ptr<Election>> MakeElection(const DaemonFlags& flags,
                                                       const Incarnation& self,
                                                       KubernetesCluster* cluster, Random* random,
                                                       ElectionObserver* observer) {
  if (cluster != nullptr) return cluster->MakeElection(flags, self, random, observer);
  return FileElection::Create({ElectionFolder(flags.directory, flags.cluster), self}, observer);
}

// Null when nobody traces. A collector that cannot be used keeps no device from working.
std::unique_ptr<OtlpExporter> MakeExporter(const DaemonFlags& flags, const Incarnation& self,
                                           const EventLog* log) {
  const auto tell = [log](const absl::Status& why) {
    log->Write(Level::kWarning, "tracing", {{"error", std::string(why.message())}});
  };
  auto spans = OtlpExporter::FromEnvironment("fractos-daemon", self.address.ToString(),
                                             flags.otlp_endpoint, tell);
  if (spans.ok()) return *std::move(spans);
  tell(spans.status());
  return nullptr;
}

int Run(const DaemonFlags& flags, Waker* waker) {
  SystemClock clock;
  SystemRandom random;
  Incarnation self{{flags.cluster, flags.replica}, random.NewId<BootId>()};
  EventLog log(self.address.ToString(), flags.log_format,
               flags.verbose ? Level::kDebug : Level::kInfo, &clock);
  Metrics metrics(flags.cluster,
                  flags.kubernetes.has_value() ? flags.kubernetes->lease : std::string());
  Daemon daemon(&log, &metrics, waker);

  absl::StatusOr<std::unique_ptr<Failpoint>> failpoint = Failpoint::FromEnvironment(self.address);
  if (!failpoint.ok()) return Fail(log, failpoint.status(), kExitBadInput);

  ChildProcesses children;
  absl::StatusOr<std::unique_ptr<AdaptorLauncher>> launcher = MakeLauncher(flags, &children);
  if (!launcher.ok()) return Fail(log, launcher.status(), kExitFailed);
  std::unique_ptr<KubernetesCluster> cluster;  // outlives the election, which the controller owns
  if (flags.kubernetes.has_value()) {
    auto opened = KubernetesCluster::Open(*flags.kubernetes, metrics.Requests());
    if (!opened.ok()) return Fail(log, opened.status(), kExitBadInput);
    cluster = *std::move(opened);
  }
  // Outlives the controller, and sends the last spans when that has ended.
  const std::unique_ptr<OtlpExporter> spans = MakeExporter(flags, self, &log);
  EventLoop loop;
  DeviceController::Options options;
  options.self = self;
  options.endpoint = flags.endpoint;
  options.advertised = flags.advertised;
  options.memory_quota_bytes = flags.memory_quota_bytes;
  options.max_in_flight = flags.max_in_flight;
  options.max_runs = flags.max_runs;
  options.seed = random.Next();
  options.device.options_json = flags.adaptor_options;
  options.spans = spans.get();
  DeviceController controller(std::move(options), &loop, launcher->get(), &clock, &random,
                              *std::move(failpoint), &daemon);

  absl::StatusOr<std::unique_ptr<Election>> election =
      MakeElection(flags, self, cluster.get(), &random, &controller);
  if (!election.ok()) return Fail(log, election.status(), kExitFailed);
  UniqueFd lock;
  if (cluster == nullptr) {  // of a pod there is but one
    auto locked = LockReplica(ElectionFolder(flags.directory, flags.cluster), flags.replica);
    if (!locked.ok()) return Fail(log, locked.status(), kExitFailed);
    lock = *std::move(locked);
  }
  // Before it may lead: whoever cannot be reached must not take the lead from another.
  std::vector<std::unique_ptr<StatusServer>> http;
  StatusServer::Pages pages = MakePages(&loop, &controller, &metrics, cluster.get(), spans.get());
  StatusServer::Pages health;
  if (!flags.health_address.empty()) {
    health.not_healthy_for = std::exchange(pages.not_healthy_for, nullptr);
    health.not_ready_for = std::exchange(pages.not_ready_for, nullptr);
  }
  for (auto& [address, served] :
       {std::pair(&flags.http_address, &pages), std::pair(&flags.health_address, &health)}) {
    if (address->empty()) continue;
    auto server = StatusServer::Start(*address, std::move(*served));
    if (!server.ok()) {
      return Fail(log, server.status(),
                  absl::IsInvalidArgument(server.status()) ? kExitBadInput : kExitFailed);
    }
    http.push_back(*std::move(server));
    log.Write(Level::kInfo, "http", {{"address", http.back()->address()}});
  }
  absl::Status started = controller.Start(*std::move(election));
  if (!started.ok()) return Fail(log, started, kExitFailed);
  log.Write(Level::kInfo, "serving", {{"endpoint", controller.endpoint()}});
  std::thread loop_thread([&loop] { loop.Run(); });

  while (!daemon.failed() && g_stop_signals == 0) AwaitEvent(waker, clock, Time::max());
  if (!daemon.failed()) {
    log.Write(Level::kInfo, "draining");
    controller.BeginDrain([&daemon] { daemon.BecameIdle(); });
    Time until = clock.Now() + std::chrono::duration_cast<Time::duration>(flags.drain_grace);
    while (!daemon.idle() && clock.Now() < until) AwaitEvent(waker, clock, until);
    log.Write(Level::kInfo, daemon.idle() ? "drained" : "stopping with work under way");
  }
  http.clear();
  controller.Shutdown(kLinkGrace, [&loop] { loop.Stop(); });
  loop_thread.join();
  return daemon.failed() ? kExitBadInput : 0;
}

// The kernel forgets a parent that went before it was asked to watch it.
bool DieWithParent() {
  pid_t parent = getppid();
  return prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent;
}

int Main(int argc, const char* const* argv) {
  absl::StatusOr<DaemonFlags> flags = ParseDaemonFlags(argc, argv);
  if (!flags.ok()) {
    std::string message(flags.status().message());
    std::fprintf(stderr, "fractos-daemon: %s\n", message.c_str());
    return kExitBadInput;
  }
  if (!flags->done.empty()) {
    std::fputs(flags->done.c_str(), stdout);
    return 0;
  }
  if (flags->die_with_parent && !DieWithParent()) return kExitFailed;
  RaiseDescriptorLimit();
  Waker waker;
  InstallSignalHandlers(&waker);
  const int code = Run(*flags, &waker);
  g_waker = nullptr;  // handlers stay
  return code;
}

}  // namespace
}  // namespace fractos

int main(int argc, char** argv) {
#ifndef FRACTOS_FAILPOINTS
  // Debian's Abseil checks the order of locks at each one, under a lock of its own.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
#endif
  return fractos::Main(argc, argv);
}
