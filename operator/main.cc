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

// So that the election's Lease, which is no part of the release, goes when the release goes. Null
// when the API server does not say in time: the next operator will find out.
kube::Json LeaseOwner(kube::Client* client, kube::WaitableClock* clock, const std::string& ns,
                      const EventLog& log) {
  const absl::StatusOr<kube::SelfSubject> self =
      kube::ReviewSelfSubject(client, {{}, clock->Now() + kSelfReviewPatience});
  if (self.ok()) return kube::OwnedByServiceAccount(*self, ns);
  log.Write(Level::kWarning,
            "cannot find out own ServiceAccount: the Lease will outlive the release",
            {{"error", std::string(self.status().message())}});
  return {};
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

// Keeps the Links and drives the runs; nothing happens in it before this operator leads.
class DriverThread {
 public:
  DriverThread(EventLoop* loop, Driver* driver)
      : loop_(loop), driver_(driver), thread_([loop] { loop->Run(); }) {}
  ~DriverThread() {
    driver_->Shutdown(kLinkGrace);
    loop_->Stop();
    thread_.join();
  }

 private:
  EventLoop* const loop_;
  Driver* const driver_;
  std::thread thread_;
};

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

kube::LeaderElectionOptions ElectionOptions(const OperatorFlags& flags, const std::string& ns,
                                            const std::string& pod, Random* random,
                                            kube::LeaderElectionMetrics* metrics,
                                            kube::EventRecorder* events) {
  kube::LeaderElectionOptions election;
  election.lock = {ns, kLease, kube::UniqueIdentity(pod, *random), {}, {}};
  election.lease_duration = flags.lease_duration;
  election.renew_deadline = flags.renew_deadline;
  election.retry_period = flags.retry_period;
  election.metrics = metrics;
  election.events = events;
  return election;
}

absl::Status Operate(const OperatorFlags& flags, const EventLog& log, const std::stop_token& stop) {
  kube::SystemWaitableClock clock;
  SystemRandom random;
  ctrl::Metrics metrics;
  const absl::StatusOr<kube::RestConfig> config = kube::LoadRestConfig({});
  if (!config.ok()) return config.status();
  kube::RestOptions rest;
  rest.observer = metrics.Requests();
  const absl::StatusOr<std::unique_ptr<kube::RestClient>> client = kube::RestClient::New(
      *config,
      [](const kube::TransportConfig& transport) { return kube::NewCpprestTransport(transport); },
      &clock, rest);
  if (!client.ok()) return client.status();
  const std::string pod = Environment("POD_NAME", HostName());
  const std::string ns = Environment("POD_NAMESPACE", config->ns.empty() ? "default" : config->ns);
  kube::EventRecorder events(client->get(), &clock, &random, {kLease, pod});

  ctrl::Manager::Options manager_options;
  manager_options.client = client->get();
  manager_options.clock = &clock;
  manager_options.random = &random;
  manager_options.log = &log;
  manager_options.namespaces = flags.namespaces;
  manager_options.on_lost = [&log](const absl::Status& why) {
    log.Write(Level::kError, "leadership lost", {{"error", std::string(why.message())}});
    // Work under way may be done by another operator already: there is nothing to end in order.
    _exit(kExitFailed);
  };
  if (flags.leader_elect) {
    manager_options.election =
        ElectionOptions(flags, ns, pod, &random, metrics.ForElection(kLease), &events);
    manager_options.election->lock.owner = LeaseOwner(client->get(), &clock, ns, log);
  }
  absl::StatusOr<std::unique_ptr<ctrl::Manager>> made =
      ctrl::Manager::Create(std::move(manager_options));
  if (!made.ok()) return made.status();
  ctrl::Manager& manager = **made;

  OperatorMetrics own_metrics(&metrics.registry());
  TaskGraphRecordStore::Options store_options;
  store_options.client = client->get();
  store_options.clock = &clock;
  store_options.random = &random;
  store_options.metrics = &own_metrics;
  store_options.stop = stop;
  store_options.leads = [&manager] { return manager.IsLeader(); };
  store_options.on_error = [&log](const kube::Object& graph, const absl::Status& why) {
    log.Write(
        Level::kWarning, "record not written",
        {{"namespace", graph.ns()}, {"name", graph.name()}, {"error", std::string(why.message())}});
  };
  TaskGraphRecordStore store(store_options);

  const auto tell = [&log](const absl::Status& why) {
    log.Write(Level::kWarning, "tracing", {{"error", std::string(why.message())}});
  };
  // Null when nobody traces. A collector that cannot be used keeps nobody from working.
  absl::StatusOr<std::unique_ptr<OtlpExporter>> spans =
      OtlpExporter::FromEnvironment("fractos-operator", pod, flags.images.otlp_endpoint, tell);
  if (!spans.ok()) {
    tell(spans.status());
    spans = nullptr;
  }
  EventLoop loop;
  // There before the loop runs.
  std::unique_ptr<DeviceDirectory> directory;
  TaskGraphReconciler* reconciler = nullptr;
  Driver::Options driver_options;
  // Its successor has the same name, so that daemons know whom to report to.
  driver_options.name = absl::StrCat(kLease, ".", ns);
  driver_options.memory_endpoint = flags.memory_address;
  driver_options.memory_advertised = flags.memory_advertised;
  driver_options.record_writers = kRecordWriters;
  driver_options.is_over = [&reconciler](const RunId& run) { return reconciler->IsOver(run); };
  driver_options.spans = spans->get();
  driver_options.on_peer = [&directory](const PeerInfo& peer) { directory->OnPeer(peer); };
  driver_options.on_peer_lost = [&directory](const Address& peer) { directory->OnPeerLost(peer); };
  absl::StatusOr<std::unique_ptr<Driver>> driver =
      Driver::Create(&loop, std::move(driver_options), &store, &clock, &random);
  if (!driver.ok()) return driver.status();
  LinkedDriver linked(driver->get());
  directory = std::make_unique<DeviceDirectory>(&linked);

  DeviceClusterReconciler clusters(
      {client->get(), &clock, &events, &own_metrics, directory.get(), flags.images}, &manager);
  TaskGraphReconciler graphs(
      {client->get(), &clock, &events, &own_metrics, &log, directory.get(), &linked, &store},
      &manager);
  reconciler = &graphs;
  ctrl::Controller cluster_controller(
      ControllerOptions("devicecluster", kDeviceClusterWorkers, &clock, &metrics, &log), &clusters);
  ctrl::Controller graph_controller(
      ControllerOptions("taskgraph", kTaskGraphWorkers, &clock, &metrics, &log), &graphs);
  clusters.Watch(&cluster_controller.queue());
  graphs.Watch(&graph_controller.queue());
  directory->Subscribe([&](const std::string& cluster) {
    cluster_controller.queue().Add(cluster);
    graphs.OnDeviceChanged(cluster);
  });
  manager.Add(&cluster_controller);
  manager.Add(&graph_controller);

  StatusServer::Pages health;
  health.not_healthy_for = [&manager] { return manager.NotHealthyFor(); };
  health.not_ready_for = [&manager] { return manager.NotReadyFor(); };
  const auto health_server = StatusServer::Start(flags.health_address, std::move(health));
  if (!health_server.ok()) return health_server.status();
  StatusServer::Pages pages;
  pages.metrics = [&metrics, &own_metrics, &spans] {
    if (*spans != nullptr) own_metrics.OnSpans((*spans)->stats());
    return metrics.Render();
  };
  const auto metrics_server = StatusServer::Start(flags.metrics_address, std::move(pages));
  if (!metrics_server.ok()) return metrics_server.status();

  log.Write(Level::kInfo, "started", {{"version", FRACTOS_VERSION}, {"pod", pod}});
  const DriverThread driving(&loop, driver->get());
  return manager.Run(stop);
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
  // Before there is any thread: those inherit the mask, and only this one waits for signals.
  sigset_t signals;
  sigemptyset(&signals);
  for (const int each : {SIGTERM, SIGINT, SIGUSR1}) sigaddset(&signals, each);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);

  const SystemClock clock;
  const EventLog log("fractos-operator", flags->log_format, flags->log_level, &clock);
  const absl::Status ended =
      RunUntilSignal([&](const std::stop_token& stop) { return Operate(*flags, log, stop); });
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
