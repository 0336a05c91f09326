// The operator's own metrics: runs, records, DeviceClusters. docs/metrics.md has the list.
#ifndef FRACTOS_OPERATOR_RECONCILERS_OPERATOR_METRICS_H_
#define FRACTOS_OPERATOR_RECONCILERS_OPERATOR_METRICS_H_

#include <cstdint>
#include <memory>
#include <string>

#include "lib/base/clock.h"
#include "lib/driver/core/record.h"
#include "lib/kube/object.h"
#include "lib/plan/task_graph.h"
#include "lib/runtime/otlp_exporter.h"
#include "prometheus/registry.h"

namespace fractos {

enum class RecordWrite { kOk, kConflict, kError };

// Labels are modes, outcomes and DeviceClusters, never runs: their number has no bound.
// Thread-safe.
class OperatorMetrics {
 public:
  // `registry` outlives it.
  explicit OperatorMetrics(prometheus::Registry* registry);
  ~OperatorMetrics();

  void OnRunStarted(Mode mode);   // driven here from now on
  void OnRunResumed(Mode mode);   // the same, but an earlier operator started it
  void OnRunReleased(Mode mode);  // driven here no more, ended or not
  void OnRunEnded(Mode mode, const RunRecord& record);

  void OnRecordWrite(RecordWrite result, Duration took);
  // A record with a higher redrive epoch than the run had before was written.
  void OnRedrive(bool failing);

  void OnCluster(const std::string& cluster, int64_t replicas, const kube::Json& status);
  void ForgetCluster(const std::string& cluster);

  // What the exporter has counted so far. By one thread at a time.
  void OnSpans(const OtlpExporter::Stats& stats);

 private:
  class Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace fractos

#endif  // FRACTOS_OPERATOR_RECONCILERS_OPERATOR_METRICS_H_
