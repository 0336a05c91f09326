// Runs caches, election and controllers of one process. Semantics: controller-runtime pkg/manager.
#ifndef FRACTOS_OPERATOR_CONTROLLER_MANAGER_H_
#define FRACTOS_OPERATOR_CONTROLLER_MANAGER_H_

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "lib/base/random.h"
#include "lib/kube/client.h"
#include "lib/kube/healthz_adaptor.h"
#include "lib/kube/leader_elector.h"
#include "lib/runtime/event_log.h"
#include "operator/controller/resource_cache.h"
#include "operator/controller/runnable.h"

namespace fractos::ctrl {

// In order: every process fills its caches and then is ready, leader or not, so that whoever takes
// over begins at once. One process is elected, and runs the runnables. When it is asked to stop, it
// ends the runnables first, has `on_ended` end what they used, and then gives the Lease back, so
// that the next one never works beside it. When it loses the Lease, its process has to end:
// `on_lost` is called at once and had better not return, for work under way may be done by another
// process already.
//
// Set up by one thread before Run; the checks are thread-safe.
class Manager {
 public:
  struct Options {
    // All outlive the manager; `log` may be null.
    kube::Client* client = nullptr;
    kube::WaitableClock* clock = nullptr;
    Random* random = nullptr;  // used while it is set up, then by the elector's thread
    const EventLog* log = nullptr;
    std::vector<std::string> namespaces;  // empty: all
    // How long filling the caches may take; then Run fails, naming what cannot be had.
    Duration cache_sync_timeout = std::chrono::minutes(2);
    // None: leads at once. Its callbacks are the manager's.
    std::optional<kube::LeaderElectionOptions> election;
    std::function<void(const absl::Status& why)> on_lost;  // may be empty
    // Called when the runnables have ended, before the Lease is given back; may be empty.
    std::function<void()> on_ended;
  };
  // How much longer than the Lease a renewal may hang before Healthy says so.
  static constexpr Duration kHealthTolerance = std::chrono::seconds(20);

  // InvalidArgument as kube::Validate says of the election.
  static absl::StatusOr<std::unique_ptr<Manager>> Create(Options options);
  Manager(const Manager&) = delete;
  Manager& operator=(const Manager&) = delete;

  // The cache of that resource as far as the selector goes, made when it is asked for first: those
  // who ask for the same share it. Owned by the manager.
  ResourceCache* GetCache(const kube::GroupVersionResource& resource,
                          const std::string& label_selector = "");
  // Run while this process leads. Outlives the manager's Run.
  void Add(Runnable* runnable) { runnables_.push_back(runnable); }

  // Blocks until `stop`, or until something ends that must not: OK in the first case.
  absl::Status Run(const std::stop_token& stop);

  bool IsLeader() const;
  // For /healthz and /readyz: empty when all is well.
  std::string NotHealthyFor() const;
  std::string NotReadyFor() const;

 private:
  explicit Manager(Options options);

  absl::Status FillCaches(const std::stop_token& stop);
  // While this process leads, on the elector's thread; until `stop` or a runnable ends.
  void Lead(const std::stop_token& stop);
  void Stand(const std::stop_token& stop);
  void Fail(absl::Status why);

  Options options_;
  std::vector<std::unique_ptr<ResourceCache>> caches_;
  std::vector<Runnable*> runnables_;
  std::unique_ptr<kube::LeaderElector> elector_;
  kube::HealthzAdaptor health_{kHealthTolerance};

  std::stop_source leading_stop_;  // ends the runnables
  mutable absl::Mutex mutex_;
  bool filled_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;  // asked to
  bool leading_ ABSL_GUARDED_BY(mutex_) = false;   // runnables run
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;     // the election is over
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace fractos::ctrl

#endif  // FRACTOS_OPERATOR_CONTROLLER_MANAGER_H_
