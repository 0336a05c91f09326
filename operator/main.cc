// fractos-operator: turns DeviceClusters into pods, and drives TaskGraphs.
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "lib/base/descriptor_limit.h"
#include "lib/driver/driver.h"
#include "lib/kube/cpprest_transport.h"
#include "lib/kube/event_recorder.h"
#include "lib/kube/kubeconfig.h"
#include "lib/kube/rest_client.h"
#include "lib/kube/self_subject.h"
#include "lib/runtime/event_log.h"
#include "lib/runtime/event_loop.h"
#include "lib/runtime/http_probe.h"
#include "lib/runtime/otlp_exporter.h"
#include "lib/runtime/status_server.h"
#include "operator/controller/controller.h"
#include "operator/controller/manager.h"
#include "operator/controller/metrics.h"
#include "operator/flags.h"
#include "operator/reconcilers/device_cluster_reconciler.h"
#include "operator/reconcilers/device_directory.h"
#include "operator/reconcilers/operator_metrics.h"
#include "operator/reconcilers/run_driver.h"
#include "operator/reconcilers/task_graph_reconciler.h"
#include "operator/reconcilers/task_graph_record_store.h"

namespace fractos {
namespace {

constexpr int kExitFailed = 1;
constexpr int kExitBadInput = 2;
constexpr char kLease[] = "fractos-operator";
constexpr int kDeviceClusterWorkers = 2;
constexpr int kTaskGraphWorkers = 2;
// Records are small writes that each wait for etcd: this many are under way at a time.
constexpr size_t kRecordWriters = 8;
constexpr std::chrono::milliseconds kLinkGrace{500};
constexpr std::chrono::seconds kSelfReviewPatience{3};

using Level = EventLog::Level;

std::string Environment(const char* name, const std::string& otherwise) {
  const char* const value = std::getenv(name);
  return value == nullptr || *value == '\0' ? otherwise : value;
}

std::string HostName() {
  char name[256] = "";
  return ::gethostname(name, sizeof(name) - 1) == 0 ? name : "unknown";
}

// Waits for a signal to stop while `run` runs on another thread, which ends the wait, too.
absl::Status RunUntilSignal(const std::function<absl::Status(const std::stop_token&)>& run) {
  std::stop_source stop;
  absl::Status ended;
  const pthread_t here = pthread_self();
  std::thread thread([&] {
    ended = run(stop.get_token());
    pthread_kill(here, SIGUSR1);
  });
  sigset_t signals;
  sigemptyset(&signals);
  for (const int each : {SIGTERM, SIGINT, SIGUSR1}) sigaddset(&signals, each);
  for (int got = 0; got != SIGUSR1;) {
    if (sigwait(&signals, &got) != 0 || got == SIGUSR1) continue;
    if (stop.stop_requested()) _exit(kExitFailed);  // asked twice: at once
    stop.request_stop();
  }
  thread.join();
  return ended;
}

ctrl::Controller::Options ControllerOptions(const char* name, int workers,
                                            kube::WaitableClock* clock, ctrl::Metrics* metrics,
                                            const EventLog* log) {
  ctrl::Controller::Options options;
  options.name = name;
  options.workers = workers;
  options.clock = clock;
  options.metrics = metrics;
  options.log = log;
  return options;
}

// Keeps the Links and drives the runs; nothing happens in it before this operator leads, nor after
// the manager had the driver shut down.
class DriverThread {
 public:
  explicit DriverThread(EventLoop* loop) : loop_(loop), thread_([loop] { loop->Run(); }) {}
  ~DriverThread() {
    loop_->Stop();
    thread_.join();
  }

 private:
  EventLoop* const loop_;
  std::thread thread_;
};

// What the process is made of. Each member may use those above it, which outlive it.
class Operator {
 public:
  // All outlive it.
  Operator(const OperatorFlags* flags, const EventLog* log, std::stop_token stop)
      : flags_(*flags), log_(*log), stop_(std::move(stop)) {}

  // Once. Returns when it is told to stop, or with what keeps it from going on.
  absl::Status Run() {
    for (const auto step : {&Operator::Connect, &Operator::MakeManager, &Operator::MakeDriver,
                            &Operator::MakeControllers, &Operator::ServeHttp}) {
      if (absl::Status made = (this->*step)(); !made.ok()) return made;
    }
    log_.Write(Level::kInfo, "started", {{"version", FRACTOS_VERSION}, {"pod", pod_}});
    const DriverThread driving(&loop_);
    return manager_->Run(stop_);
  }

 private:
  absl::Status Connect();
  absl::Status MakeManager();
  absl::Status MakeDriver();
  absl::Status MakeControllers();
  absl::Status ServeHttp();

  kube::LeaderElectionOptions ElectionOptions();
  TaskGraphRecordStore::Options StoreOptions();
  Driver::Options DriverOptions();
  void Warn(absl::string_view event, const absl::Status& why) const {
    log_.Write(Level::kWarning, event, {{"error", std::string(why.message())}});
  }

  const OperatorFlags& flags_;
  const EventLog& log_;
  const std::stop_token stop_;
  std::stop_source writing_;  // ends the writing of records
  const std::string pod_ = Environment("POD_NAME", HostName());
  std::string ns_;
  kube::SystemWaitableClock clock_;
  SystemRandom random_;
  ctrl::Metrics metrics_;
  OperatorMetrics own_metrics_{&metrics_.registry()};
  std::unique_ptr<kube::RestClient> client_;
  std::unique_ptr<kube::EventRecorder> events_;
  std::unique_ptr<ctrl::Manager> manager_;
  std::unique_ptr<TaskGraphRecordStore> store_;
  std::unique_ptr<OtlpExporter> spans_;  // null when nobody traces
  EventLoop loop_;
  std::unique_ptr<DeviceDirectory> directory_;  // above the driver, which tells it of its peers
  std::unique_ptr<Driver> driver_;
  std::unique_ptr<LinkedDriver> linked_;
  std::unique_ptr<DeviceClusterReconciler> clusters_;
  std::unique_ptr<TaskGraphReconciler> graphs_;
  std::unique_ptr<ctrl::Controller> cluster_controller_;
  std::unique_ptr<ctrl::Controller> graph_controller_;
  std::unique_ptr<StatusServer> health_server_;
  std::unique_ptr<StatusServer> metrics_server_;
};

absl::Status Operator::Connect() {
  const absl::StatusOr<kube::RestConfig> config = kube::LoadRestConfig({});
  if (!config.ok()) return config.status();
  ns_ = Environment("POD_NAMESPACE", config->ns.empty() ? "default" : config->ns);
  kube::RestOptions options;
  options.observer = metrics_.Requests();
  options.on_warning = [this](absl::string_view text) {
    log_.Write(Level::kWarning, "API server warning", {{"warning", std::string(text)}});
  };
  absl::StatusOr<std::unique_ptr<kube::RestClient>> client = kube::RestClient::New(
      *config,
      [](const kube::TransportConfig& transport) { return kube::NewCpprestTransport(transport); },
      &clock_, options);
  if (!client.ok()) return client.status();
  client_ = *std::move(client);
  events_ = std::make_unique<kube::EventRecorder>(client_.get(), &clock_, &random_,
                                                  kube::EventRecorder::Options{kLease, pod_});
  return absl::OkStatus();
}

absl::Status Operator::MakeManager() {
  ctrl::Manager::Options options;
  options.client = client_.get();
  options.clock = &clock_;
  options.random = &random_;
  options.log = &log_;
  options.namespaces = flags_.namespaces;
  options.on_lost = [this](const absl::Status& why) {
    log_.Write(Level::kError, "leadership lost", {{"error", std::string(why.message())}});
    // Work under way may be done by another operator already: there is nothing to end in order.
    _exit(kExitFailed);
  };
  // So that no daemon is linked to it beside its successor.
  options.on_ended = [this] {
    writing_.request_stop();  // a record that cannot be written must not keep the Lease
    driver_->Shutdown(kLinkGrace);
  };
  if (flags_.leader_elect) options.election = ElectionOptions();
  absl::StatusOr<std::unique_ptr<ctrl::Manager>> manager =
      ctrl::Manager::Create(std::move(options));
  if (!manager.ok()) return manager.status();
  manager_ = *std::move(manager);
  return absl::OkStatus();
}

kube::LeaderElectionOptions Operator::ElectionOptions() {
  kube::LeaderElectionOptions election;
  election.lock = {ns_, kLease, kube::UniqueIdentity(pod_, random_), {}, {}};
  election.lease_duration = flags_.lease_duration;
  election.renew_deadline = flags_.renew_deadline;
  election.retry_period = flags_.retry_period;
  election.metrics = metrics_.ForElection(kLease);
  election.events = events_.get();
  // So that the Lease, which is no part of the release, goes when the release goes. When the API
  // server does not say in time, the next operator will find out.
  const absl::StatusOr<kube::SelfSubject> self =
      kube::ReviewSelfSubject(client_.get(), {{}, clock_.Now() + kSelfReviewPatience});
  if (self.ok()) {
    election.lock.owner = kube::OwnedByServiceAccount(*self, ns_);
  } else {
    Warn("cannot find out own ServiceAccount: the Lease will outlive the release", self.status());
  }
  return election;
}

absl::Status Operator::MakeDriver() {
  store_ = std::make_unique<TaskGraphRecordStore>(StoreOptions());
  const auto tell = [this](const absl::Status& why) { Warn("tracing", why); };
  absl::StatusOr<std::unique_ptr<OtlpExporter>> spans =
      OtlpExporter::FromEnvironment("fractos-operator", pod_, flags_.otlp_endpoint, tell);
  // A collector that cannot be used keeps nobody from working.
  if (spans.ok()) {
    spans_ = *std::move(spans);
  } else {
    tell(spans.status());
  }
  absl::StatusOr<std::unique_ptr<Driver>> driver =
      Driver::Create(&loop_, DriverOptions(), store_.get(), &clock_, &random_);
  if (!driver.ok()) return driver.status();
  driver_ = *std::move(driver);
  linked_ = std::make_unique<LinkedDriver>(driver_.get());
  directory_ = std::make_unique<DeviceDirectory>(linked_.get());
  return absl::OkStatus();
}

TaskGraphRecordStore::Options Operator::StoreOptions() {
  TaskGraphRecordStore::Options options;
  options.client = client_.get();
  options.clock = &clock_;
  options.random = &random_;
  options.metrics = &own_metrics_;
  options.stop = writing_.get_token();
  options.leads = [this] { return manager_->IsLeader(); };
  options.on_error = [this](const kube::Object& graph, const absl::Status& why) {
    log_.Write(
        Level::kWarning, "record not written",
        {{"namespace", graph.ns()}, {"name", graph.name()}, {"error", std::string(why.message())}});
  };
  return options;
}

Driver::Options Operator::DriverOptions() {
  Driver::Options options;
  // Its successor has the same name, so that daemons know whom to report to.
  options.name = absl::StrCat(kLease, ".", ns_);
  options.memory_endpoint = flags_.memory_address;
  options.memory_advertised = flags_.memory_advertised;
  options.memory_quota_bytes = flags_.memory_quota_bytes;
  options.record_writers = kRecordWriters;
  options.spans = spans_.get();
  // On the loop's thread, which begins when all is made.
  options.is_over = [this](const RunId& run) { return graphs_->IsOver(run); };
  options.on_peer = [this](const PeerInfo& peer) { directory_->OnPeer(peer); };
  options.on_peer_lost = [this](const Address& peer) { directory_->OnPeerLost(peer); };
  return options;
}

absl::Status Operator::MakeControllers() {
  clusters_ = std::make_unique<DeviceClusterReconciler>(
      DeviceClusterReconciler::Options{client_.get(), &clock_, events_.get(), &own_metrics_,
                                       directory_.get(), flags_.defaults},
      manager_.get());
  graphs_ = std::make_unique<TaskGraphReconciler>(
      TaskGraphReconciler::Options{client_.get(), &clock_, events_.get(), &own_metrics_, &log_,
                                   directory_.get(), linked_.get(), store_.get()},
      manager_.get());
  cluster_controller_ = std::make_unique<ctrl::Controller>(
      ControllerOptions("devicecluster", kDeviceClusterWorkers, &clock_, &metrics_, &log_),
      clusters_.get());
  graph_controller_ = std::make_unique<ctrl::Controller>(
      ControllerOptions("taskgraph", kTaskGraphWorkers, &clock_, &metrics_, &log_), graphs_.get());
  clusters_->Watch(&cluster_controller_->queue());
  graphs_->Watch(&graph_controller_->queue());
  directory_->Subscribe([this](const std::string& cluster) {
    cluster_controller_->queue().Add(cluster);
    graphs_->OnDeviceChanged(cluster);
  });
  manager_->Add(cluster_controller_.get());
  manager_->Add(graph_controller_.get());
  return absl::OkStatus();
}

absl::Status Operator::ServeHttp() {
  StatusServer::Pages health;
  health.not_healthy_for = [this] { return manager_->NotHealthyFor(); };
  health.not_ready_for = [this] { return manager_->NotReadyFor(); };
  auto health_server = StatusServer::Start(flags_.health_address, std::move(health));
  if (!health_server.ok()) return health_server.status();
  health_server_ = *std::move(health_server);
  StatusServer::Pages pages;
  pages.metrics = [this] {
    if (spans_ != nullptr) own_metrics_.OnSpans(spans_->stats());
    return metrics_.Render();
  };
  auto metrics_server = StatusServer::Start(flags_.metrics_address, std::move(pages));
  if (!metrics_server.ok()) return metrics_server.status();
  metrics_server_ = *std::move(metrics_server);
  return absl::OkStatus();
}

int Fail(const char* what, int code) {
  std::fprintf(stderr, "fractos-operator: %s\n", what);
  return code;
}

int Main(int argc, const char* const* argv) {
  const absl::StatusOr<OperatorFlags> flags = ParseOperatorFlags(argc, argv);
  if (!flags.ok()) return Fail(std::string(flags.status().message()).c_str(), kExitBadInput);
  if (!flags->done.empty()) {
    std::fputs(flags->done.c_str(), stdout);
    return 0;
  }
  if (!flags->probe.empty()) {
    const absl::Status answered = ProbeHttp(flags->probe);
    return answered.ok() ? 0 : Fail(std::string(answered.message()).c_str(), kExitFailed);
  }
  // Each daemon is a Link, and each value of a Centralized run a file.
  RaiseDescriptorLimit();
  // Before there is any thread: those inherit the mask, and only this one waits for signals.
  sigset_t signals;
  sigemptyset(&signals);
  for (const int each : {SIGTERM, SIGINT, SIGUSR1}) sigaddset(&signals, each);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);

  const SystemClock clock;
  const EventLog log("fractos-operator", flags->log_format, flags->log_level, &clock);
  const absl::Status ended = RunUntilSignal(
      [&](const std::stop_token& stop) { return Operator(&*flags, &log, stop).Run(); });
  if (ended.ok()) {
    log.Write(Level::kInfo, "ended");
    return 0;
  }
  log.Write(Level::kError, "failed", {{"error", std::string(ended.message())}});
  return absl::IsInvalidArgument(ended) ? kExitBadInput : kExitFailed;
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
