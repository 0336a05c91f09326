// A daemon's metrics, in Prometheus' text format.
#ifndef FRACTOS_DAEMON_METRICS_H_
#define FRACTOS_DAEMON_METRICS_H_

#include <memory>
#include <string>

#include "daemon/continuation/actions.h"
#include "daemon/controller.h"
#include "lib/base/clock.h"
#include "lib/kube/rest_observer.h"
#include "lib/runtime/otlp_exporter.h"

namespace fractos {

// Counts what happens; what can be asked for is asked for when somebody looks. Labels are the
// cluster, step states and the device's operations, never runs: their number has no bound.
// Thread-safe.
class Metrics {
 public:
  // `lease`: what this daemon's cluster elects its leader by; empty: by something else.
  Metrics(const std::string& cluster, const std::string& lease);
  ~Metrics();

  void Reached(StepState state);
  void Executed(const std::string& operation, Duration took);
  void Step(const std::string& operation, Duration took);
  void Hop(Duration took);
  void ElectionWon();

  // For requests to the API server; null when there is no Lease.
  kube::RestObserver* Requests();

  std::string Render(const DeviceController::Status& status,
                     const OtlpExporter::Stats& spans = {}) const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace fractos

#endif  // FRACTOS_DAEMON_METRICS_H_
