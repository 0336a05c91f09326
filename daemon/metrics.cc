#include "daemon/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <array>
#include <optional>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "lib/base/limits.h"
#include "lib/base/seconds.h"
#include "lib/metrics/metric_family.h"
#include "lib/metrics/process_metrics.h"
#include "lib/metrics/rest_client_metrics.h"

namespace fractos {
namespace {

constexpr size_t kStates = static_cast<size_t>(StepState::kPassed) + 1;

using Labels = prometheus::Labels;
using prometheus::MetricType;

prometheus::Histogram::BucketBoundaries Buckets() {
  return {20e-6, 50e-6, 100e-6, 200e-6, 500e-6, 1e-3, 2e-3, 5e-3, 10e-3, 50e-3, 0.2, 1, 5, 30};
}

// A histogram for each operation. Thread-safe.
class ByOperation {
 public:
  explicit ByOperation(prometheus::Family<prometheus::Histogram>* family) : family_(family) {}

  void Observe(const std::string& operation, Duration took) {
    prometheus::Histogram* histogram;
    {
      absl::MutexLock lock(&mutex_);
      auto it = histograms_.find(operation);
      // Operations come out of graphs; the device has no more than this.
      if (it == histograms_.end() && histograms_.size() >= kMaxOperations) return;
      if (it == histograms_.end()) {
        it = histograms_.emplace(operation, &family_->Add({{"operation", operation}}, Buckets()))
                 .first;
      }
      histogram = it->second;
    }
    histogram->Observe(InSeconds(took));
  }

 private:
  prometheus::Family<prometheus::Histogram>* const family_;
  absl::Mutex mutex_;
  absl::flat_hash_map<std::string, prometheus::Histogram*> histograms_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

class Metrics::Impl {
 public:
  Impl(const std::string& cluster, std::string lease)
      : labels_{{"cluster", cluster}},
        lease_(std::move(lease)),
        executions_(&Histogram("fractos_execution_seconds",
                               "How long the adaptor took for an execution, staging included.")),
        steps_(&Histogram("fractos_step_seconds", "Of steps, from RECEIVED to COMMITTED.")),
        hops_(Histogram("fractos_hop_seconds", "From a hand-over's first sending to its Accepted.")
                  .Add({}, Buckets())),
        elections_won_(
            Counter("fractos_elections_won_total", "Times that this process began to lead.")
                .Add({})) {
    if (!lease_.empty()) requests_.emplace(&registry_, labels_);
    auto& states = Counter("fractos_steps_total", "Steps that reached a state.");
    for (size_t i = 0; i < kStates; ++i) {
      states_[i] = &states.Add({{"state", std::string(StepStateName(static_cast<StepState>(i)))}});
    }
  }

  void Reached(StepState state) { states_[static_cast<size_t>(state)]->Increment(); }
  void Executed(const std::string& operation, Duration took) {
    executions_.Observe(operation, took);
  }
  void Step(const std::string& operation, Duration took) { steps_.Observe(operation, took); }
  void Hop(Duration took) { hops_.Observe(InSeconds(took)); }
  void ElectionWon() { elections_won_.Increment(); }
  kube::RestObserver* Requests() { return requests_.has_value() ? &*requests_ : nullptr; }

  std::string Render(const DeviceController::Status& status,
                     const OtlpExporter::Stats& spans) const {
    std::vector<prometheus::MetricFamily> families = registry_.Collect();
    auto add = [this, &families](MetricType type, const char* name, const char* help, auto value) {
      families.push_back(SingleMetric(type, name, help, labels_, static_cast<double>(value)));
    };
    auto gauge = [&add](const char* name, const char* help, auto value) {
      add(MetricType::Gauge, name, help, value);
    };
    auto count = [&add](const char* name, const char* help, auto value) {
      add(MetricType::Counter, name, help, value);
    };
    gauge("fractos_leading", "Whether this replica leads.", status.leads ? 1 : 0);
    gauge("fractos_leader_epoch", "The highest epoch known.", status.epoch);
    gauge("fractos_adaptor_ready", "Whether an adaptor has described itself.",
          status.device.ready ? 1 : 0);
    gauge("fractos_runs", "Runs known here.", status.core.runs);
    gauge("fractos_attempts", "Attempts at steps.", status.core.attempts);
    gauge("fractos_executing", "Attempts with the adaptor.", status.core.executing);
    gauge("fractos_holds", "Hand-overs kept until their receivers are safe.", status.core.holds);
    gauge("fractos_candidates", "Hand-overs that wait for others at a join.",
          status.core.candidates);
    gauge("fractos_memory_used_bytes", "Of Memory objects, staged and cached ones included.",
          status.memory_used_bytes);
    gauge("fractos_links", "Open Links.", status.links.links);
    count("fractos_duplicates_total", "Hand-overs that were here already.", status.core.duplicates);
    count("fractos_resends_total", "Hand-overs sent again.", status.core.resends);
    count("fractos_stale_epochs_total", "Messages of leaders that were replaced.",
          status.core.stale_epochs);
    count("fractos_stale_redrives_total", "Messages below a run's redrive epoch.",
          status.core.stale_redrives);
    count("fractos_executions_total", "Executions given to the adaptor.", status.device.executions);
    count("fractos_execution_timeouts_total", "Executions that took too long.",
          status.device.timeouts);
    count("fractos_adaptor_restarts_total", "Adaptors started after the first.",
          status.device.restarts);
    count("fractos_fetched_bytes_total", "Of values that came from their owners.",
          status.fetches.bytes);
    count("fractos_fetch_failures_total", "Values that could not be had.", status.fetches.failed);
    count("fractos_messages_sent_total", "Protocol messages.", status.links.messages_sent);
    count("fractos_messages_received_total", "Protocol messages.", status.links.messages_received);
    count("fractos_messages_dropped_total", "Messages that found no Link or no room.",
          status.links.messages_dropped);
    count("fractos_frames_sent_total", "Batches of messages.", status.links.frames_sent);
    count("fractos_frames_refused_total",
          "Frames that could not be read, or broke the rules of a Link.",
          status.links.frames_refused);
    gauge("fractos_queued", "Attempts that wait for a slot.", status.core.queued);
    gauge("fractos_memory_quota_bytes", "What Memory objects may have together.",
          status.memory_quota_bytes);
    count("fractos_served_bytes_total", "Of values that went to others.",
          status.memory_served_bytes);
    count("fractos_handovers_sent_total", "Hand-overs, each once however often it is sent.",
          status.meter.handovers_sent);
    count("fractos_handovers_received_total", "Hand-overs that arrived, repeated ones included.",
          status.meter.handovers_received);
    count("fractos_spans_exported_total", "Spans that the collector took.", spans.exported);
    count("fractos_spans_dropped_total", "Spans that it did not take, or that had no room.",
          spans.dropped);
    families.push_back(Refusals(status.meter));
    for (prometheus::MetricFamily& family : CollectProcessMetrics(labels_)) {
      families.push_back(std::move(family));
    }
    if (!lease_.empty()) {
      // As client-go has it, for dashboards that know it.
      Labels labels = labels_;
      labels.emplace("name", lease_);
      families.push_back(SingleMetric(MetricType::Gauge, "leader_election_master_status",
                                      "Whether this process has the Lease and its epoch.", labels,
                                      status.leads ? 1 : 0));
    }
    return prometheus::TextSerializer().Serialize(families);
  }

 private:
  prometheus::Family<prometheus::Histogram>& Histogram(const char* name, const char* help) {
    return prometheus::BuildHistogram().Name(name).Help(help).Labels(labels_).Register(registry_);
  }
  prometheus::Family<prometheus::Counter>& Counter(const char* name, const char* help) {
    return prometheus::BuildCounter().Name(name).Help(help).Labels(labels_).Register(registry_);
  }

  prometheus::MetricFamily Refusals(const Meter::Counts& counts) const {
    prometheus::MetricFamily family;
    family.name = "fractos_refusals_total";
    family.help = "Hand-overs refused.";
    family.type = MetricType::Counter;
    for (size_t i = 0; i < kRefusals; ++i) {
      prometheus::ClientMetric metric;
      for (const auto& [key, text] : labels_) metric.label.push_back({key, text});
      metric.label.push_back({"reason", std::string(RefusalName(static_cast<Refusal>(i)))});
      metric.counter.value = static_cast<double>(counts.refused[i]);
      family.metric.push_back(std::move(metric));
    }
    return family;
  }

  prometheus::Registry registry_;
  const Labels labels_;
  const std::string lease_;
  ByOperation executions_;
  ByOperation steps_;
  prometheus::Histogram& hops_;
  prometheus::Counter& elections_won_;
  std::optional<RestClientMetrics> requests_;
  std::array<prometheus::Counter*, kStates> states_{};
};

Metrics::Metrics(const std::string& cluster, const std::string& lease)
    : impl_(std::make_unique<Impl>(cluster, lease)) {}
Metrics::~Metrics() = default;
void Metrics::Reached(StepState state) { impl_->Reached(state); }
void Metrics::Executed(const std::string& operation, Duration took) {
  impl_->Executed(operation, took);
}
void Metrics::Step(const std::string& operation, Duration took) { impl_->Step(operation, took); }
void Metrics::Hop(Duration took) { impl_->Hop(took); }
void Metrics::ElectionWon() { impl_->ElectionWon(); }
kube::RestObserver* Metrics::Requests() { return impl_->Requests(); }
std::string Metrics::Render(const DeviceController::Status& status,
                            const OtlpExporter::Stats& spans) const {
  return impl_->Render(status, spans);
}

}  // namespace fractos
