// A daemon's metrics, in Prometheus' text format.
#ifndef FRACTOS_DAEMON_METRICS_H_
#define FRACTOS_DAEMON_METRICS_H_

#include <memory>
#include <string>

#include "daemon/continuation/actions.h"
#include "daemon/controller.h"
#include "lib/base/clock.h"

namespace fractos {

// Counts what happens; what can be asked for is asked for when somebody looks. Labels are the
// cluster, step states and the device's operations, never runs: their number has no bound.
// Thread-safe.
class Metrics {
 public:
  explicit Metrics(const std::string& cluster);
  ~Metrics();

  void Reached(StepState state);
  void Executed(const std::string& operation, Duration took);

  std::string Render(const DeviceController::Status& status) const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace fractos

#endif  // FRACTOS_DAEMON_METRICS_H_
