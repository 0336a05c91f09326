// The metrics of a manager and its controllers, under the names of controller-runtime and
// client-go, so that dashboards for these work unchanged.
#ifndef FRACTOS_OPERATOR_CONTROLLER_METRICS_H_
#define FRACTOS_OPERATOR_CONTROLLER_METRICS_H_

#include <memory>
#include <string>

#include "lib/base/clock.h"
#include "lib/kube/leader_election_options.h"
#include "lib/kube/rest_observer.h"
#include "lib/kube/work_queue.h"
#include "prometheus/registry.h"

namespace fractos::ctrl {

enum class ReconcileOutcome { kSuccess, kError, kTerminalError, kRequeueAfter };

// Told what one controller does. Thread-safe.
class ControllerMetrics {
 public:
  virtual ~ControllerMetrics() = default;
  virtual void SetWorkers(int workers) = 0;
  virtual void OnStart() = 0;
  virtual void OnEnd(ReconcileOutcome outcome, Duration took) = 0;
};

// Owns everything it gives out. Thread-safe.
class Metrics {
 public:
  Metrics();
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  // For metrics of others; what is registered here is rendered, too.
  prometheus::Registry& registry();

  // Each once a name.
  ControllerMetrics* ForController(const std::string& name);
  kube::WorkQueueMetrics* ForQueue(const std::string& name);
  kube::LeaderElectionMetrics* ForElection(const std::string& name);
  // For requests to the API server.
  kube::RestObserver* Requests();
  // Asked for unfinished work when somebody looks; outlives the last Render.
  void AddQueue(const std::string& name, const kube::WorkQueue* queue);

  // Prometheus' text format, with what the process uses (process_*).
  std::string Render() const;

 private:
  class Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace fractos::ctrl

#endif  // FRACTOS_OPERATOR_CONTROLLER_METRICS_H_
