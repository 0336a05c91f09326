// Workers that take keys from a queue and have them reconciled. Semantics: controller-runtime
// pkg/internal/controller.
#ifndef FRACTOS_OPERATOR_CONTROLLER_CONTROLLER_H_
#define FRACTOS_OPERATOR_CONTROLLER_CONTROLLER_H_

#include <memory>
#include <stop_token>
#include <string>

#include "absl/status/status.h"
#include "lib/kube/rate_limiter.h"
#include "lib/kube/waitable_clock.h"
#include "lib/kube/work_queue.h"
#include "lib/runtime/event_log.h"
#include "operator/controller/metrics.h"
#include "operator/controller/reconciler.h"
#include "operator/controller/runnable.h"

namespace fractos::ctrl {

// What becomes of a key after its reconcile:
//
//   an error              tried again, at the rate limiter's pace (5 ms doubling to 1000 s)
//   a terminal error      forgotten until something adds it
//   requeue_after         forgotten by the rate limiter, and added again then
//   nothing               forgotten
//
// A key that is added while it is reconciled comes again right after. Nothing is caught: errors are
// values, and what breaks an invariant ends the process.
//
// Thread-safe. Run blocks; keys may be added before it, and wait.
class Controller final : public Runnable {
 public:
  struct Options {
    std::string name;  // "taskgraph"; a label of its metrics
    int workers = 1;
    // All outlive the controller; `metrics` may be null.
    kube::WaitableClock* clock = nullptr;
    Metrics* metrics = nullptr;
    const EventLog* log = nullptr;
    // None: kube::DefaultControllerRateLimiter.
    std::unique_ptr<kube::RateLimiter> rate_limiter;
  };
  // `reconciler` outlives the controller.
  Controller(Options options, Reconciler* reconciler);

  // For sources of requests, and for whoever learns of something by itself.
  kube::WorkQueue& queue() { return queue_; }
  void Enqueue(const kube::ObjectKey& key) { queue_.Add(key.ToString()); }

  const std::string& name() const override { return options_.name; }
  // Reconciles until `stop`; lets reconciles under way end. What still waits then is dropped.
  absl::Status Run(const std::stop_token& stop) override;

 private:
  void Work(const std::stop_token& stop);
  void ReconcileKey(const std::string& key, const std::stop_token& stop);

  Options options_;
  Reconciler* const reconciler_;
  ControllerMetrics* const metrics_;  // may be null
  kube::WorkQueue queue_;
};

}  // namespace fractos::ctrl

#endif  // FRACTOS_OPERATOR_CONTROLLER_CONTROLLER_H_
