#include "operator/reconcilers/operator_metrics.h"

#include <map>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "lib/api/conditions.h"
#include "lib/base/seconds.h"
#include "prometheus/counter.h"
#include "prometheus/gauge.h"
#include "prometheus/histogram.h"

namespace fractos {
namespace {

using prometheus::Counter;
using prometheus::Family;
using prometheus::Gauge;
using prometheus::Histogram;

constexpr const char* kConditions[] = {"Accepted", "Ready", "Progressing", "Degraded"};

Histogram::BucketBoundaries RunBuckets() {
  return {.005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10, 30, 60, 300, 3600};
}
Histogram::BucketBoundaries WriteBuckets() {
  return {.001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10};
}

}  // namespace

class OperatorMetrics::Impl {
 public:
  explicit Impl(prometheus::Registry* to) : registry(to) {}

  Family<Counter>& Count(const char* name, const char* help) {
    return prometheus::BuildCounter().Name(name).Help(help).Register(*registry);
  }
  Family<Gauge>& Measure(const char* name, const char* help) {
    return prometheus::BuildGauge().Name(name).Help(help).Register(*registry);
  }

  prometheus::Registry* const registry;
  Family<Counter>& started = Count("fractos_runs_started_total", "Runs accepted and started.");
  Family<Counter>& finished = Count("fractos_runs_finished_total", "Runs that ended.");
  Family<Gauge>& active = Measure("fractos_runs_active", "Runs under way.");
  Family<Histogram>& seconds = prometheus::BuildHistogram()
                                   .Name("fractos_run_seconds")
                                   .Help("How long runs took, from start to end.")
                                   .Register(*registry);
  Family<Counter>& steps = Count("fractos_run_steps_total", "Steps recorded, of runs that ended.");
  Family<Counter>& hops =
      Count("fractos_run_hops_total", "Hand-overs between processes, of runs that ended.");
  Family<Counter>& messages = Count("fractos_run_messages_total", "Messages, of runs that ended.");
  Family<Counter>& bytes =
      Count("fractos_run_bytes_total", "Bytes that moved between processes, of runs that ended.");
  Family<Counter>& centralized =
      Count("fractos_run_centralized_bytes_total",
            "Bytes that would have moved through a coordinator, of runs that ended.");
  Family<Counter>& redrives =
      Count("fractos_redrives_total", "Times that a run's redrive epoch was raised.");
  Family<Counter>& writes = Count("fractos_record_writes_total", "Writes of runs' records.");
  Histogram& write_seconds = prometheus::BuildHistogram()
                                 .Name("fractos_record_write_seconds")
                                 .Help("How long writing a run's record takes.")
                                 .Register(*registry)
                                 .Add({}, WriteBuckets());
  Counter& spans_exported =
      Count("fractos_spans_exported_total", "Spans that the collector took.").Add({});
  Counter& spans_dropped =
      Count("fractos_spans_dropped_total", "Spans that it did not take, or that had no room.")
          .Add({});
  Family<Gauge>& replicas =
      Measure("fractos_devicecluster_replicas", "Replicas that there should be.");
  Family<Gauge>& ready_replicas =
      Measure("fractos_devicecluster_ready_replicas", "Replicas that are ready.");
  Family<Gauge>& condition =
      Measure("fractos_devicecluster_condition", "1 if the condition is True.");

  absl::Mutex mutex;
  struct Cluster {
    Gauge* replicas;
    Gauge* ready;
    std::vector<Gauge*> conditions;
  };
  std::map<std::string, Cluster> clusters ABSL_GUARDED_BY(mutex);
};

// All that can be counted is there from the start, at 0: a counter that appears with its first
// event has, to Prometheus, not increased, and the first failure is the one to hear of.
OperatorMetrics::OperatorMetrics(prometheus::Registry* registry)
    : impl_(std::make_unique<Impl>(registry)) {
  for (const Mode mode : {Mode::kDistributed, Mode::kCentralized}) {
    const prometheus::Labels by_mode{{"mode", ModeName(mode)}};
    for (Family<Counter>* family : {&impl_->started, &impl_->steps, &impl_->hops, &impl_->messages,
                                    &impl_->bytes, &impl_->centralized}) {
      family->Add(by_mode);
    }
    impl_->active.Add(by_mode);
    for (const RunPhase end : {RunPhase::kSucceeded, RunPhase::kFailed, RunPhase::kCancelled}) {
      const prometheus::Labels by_outcome{{"mode", ModeName(mode)},
                                          {"outcome", std::string(RunPhaseName(end))}};
      impl_->finished.Add(by_outcome);
      impl_->seconds.Add(by_outcome, RunBuckets());
    }
  }
  for (const char* result : {"ok", "conflict", "error"}) impl_->writes.Add({{"result", result}});
  for (const char* reason : {"Failed", "Recovery"}) impl_->redrives.Add({{"reason", reason}});
}
OperatorMetrics::~OperatorMetrics() = default;

void OperatorMetrics::OnRunStarted(Mode mode) {
  impl_->started.Add({{"mode", ModeName(mode)}}).Increment();
  OnRunResumed(mode);
}
void OperatorMetrics::OnRunResumed(Mode mode) {
  impl_->active.Add({{"mode", ModeName(mode)}}).Increment();
}
void OperatorMetrics::OnRunReleased(Mode mode) {
  impl_->active.Add({{"mode", ModeName(mode)}}).Decrement();
}

void OperatorMetrics::OnRunEnded(Mode mode, const RunRecord& record) {
  const prometheus::Labels by_mode{{"mode", ModeName(mode)}};
  const prometheus::Labels by_outcome{{"mode", ModeName(mode)},
                                      {"outcome", std::string(RunPhaseName(record.phase))}};
  impl_->finished.Add(by_outcome).Increment();
  const Duration took = std::chrono::microseconds(record.end_us - record.start_us);
  impl_->seconds.Add(by_outcome, RunBuckets()).Observe(InSeconds(took));
  const auto add = [&by_mode](Family<Counter>& family, uint64_t number) {
    family.Add(by_mode).Increment(static_cast<double>(number));
  };
  add(impl_->steps, record.steps.size());
  add(impl_->hops, record.transfer.hops);
  add(impl_->messages, record.transfer.messages);
  add(impl_->bytes, record.transfer.bytes);
  add(impl_->centralized, record.centralized_bytes);
}

void OperatorMetrics::OnRecordWrite(RecordWrite result, Duration took) {
  const char* name = result == RecordWrite::kOk         ? "ok"
                     : result == RecordWrite::kConflict ? "conflict"
                                                        : "error";
  impl_->writes.Add({{"result", name}}).Increment();
  impl_->write_seconds.Observe(InSeconds(took));
}

void OperatorMetrics::OnRedrive(bool failing) {
  impl_->redrives.Add({{"reason", failing ? "Failed" : "Recovery"}}).Increment();
}

void OperatorMetrics::OnCluster(const std::string& cluster, int64_t replicas,
                                const kube::Json& status) {
  const absl::MutexLock lock(&impl_->mutex);
  auto found = impl_->clusters.find(cluster);
  if (found == impl_->clusters.end()) {
    const prometheus::Labels labels{{"cluster", cluster}};
    Impl::Cluster gauges{&impl_->replicas.Add(labels), &impl_->ready_replicas.Add(labels), {}};
    for (const char* type : kConditions) {
      gauges.conditions.push_back(&impl_->condition.Add({{"cluster", cluster}, {"type", type}}));
    }
    found = impl_->clusters.emplace(cluster, std::move(gauges)).first;
  }
  found->second.replicas->Set(static_cast<double>(replicas));
  found->second.ready->Set(static_cast<double>(kube::IntegerMember(status, "readyReplicas")));
  for (size_t i = 0; i < found->second.conditions.size(); ++i) {
    found->second.conditions[i]->Set(IsTrue(status, kConditions[i]) ? 1 : 0);
  }
}

void OperatorMetrics::OnSpans(const OtlpExporter::Stats& stats) {
  const auto raise = [](Counter* counter, uint64_t to) {
    counter->Increment(static_cast<double>(to) - counter->Value());
  };
  raise(&impl_->spans_exported, stats.exported);
  raise(&impl_->spans_dropped, stats.dropped);
}

void OperatorMetrics::ForgetCluster(const std::string& cluster) {
  const absl::MutexLock lock(&impl_->mutex);
  const auto found = impl_->clusters.find(cluster);
  if (found == impl_->clusters.end()) return;
  impl_->replicas.Remove(found->second.replicas);
  impl_->ready_replicas.Remove(found->second.ready);
  for (Gauge* gauge : found->second.conditions) impl_->condition.Remove(gauge);
  impl_->clusters.erase(found);
}

}  // namespace fractos
