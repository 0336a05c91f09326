#include "daemon/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <array>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "lib/base/limits.h"

namespace fractos {
namespace {

constexpr size_t kStates = static_cast<size_t>(StepState::kPassed) + 1;

prometheus::Histogram::BucketBoundaries Buckets() {
  return {20e-6, 50e-6, 100e-6, 200e-6, 500e-6, 1e-3, 2e-3, 5e-3, 10e-3, 50e-3, 0.2, 1, 5, 30};
}

}  // namespace

class Metrics::Impl {
 public:
  explicit Impl(const std::string& cluster)
      : labels_{{"cluster", cluster}},
        executions_(prometheus::BuildHistogram()
                        .Name("fractos_execution_seconds")
                        .Help("How long the adaptor took for an execution, staging included.")
                        .Labels(labels_)
                        .Register(registry_)) {
    auto& states = prometheus::BuildCounter()
                       .Name("fractos_steps_total")
                       .Help("Steps that reached a state.")
                       .Labels(labels_)
                       .Register(registry_);
    for (size_t i = 0; i < kStates; ++i) {
      states_[i] = &states.Add({{"state", std::string(StepStateName(static_cast<StepState>(i)))}});
    }
  }

  void Reached(StepState state) { states_[static_cast<size_t>(state)]->Increment(); }

  void Executed(const std::string& operation, Duration took) {
    prometheus::Histogram* histogram;
    {
      absl::MutexLock lock(&mutex_);
      auto it = by_operation_.find(operation);
      // Operations come out of graphs; the device has no more than this.
      if (it == by_operation_.end() && by_operation_.size() >= kMaxOperations) return;
      if (it == by_operation_.end()) {
        it = by_operation_
                 .emplace(operation, &executions_.Add({{"operation", operation}}, Buckets()))
                 .first;
      }
      histogram = it->second;
    }
    histogram->Observe(std::chrono::duration<double>(took).count());
  }

  std::string Render(const DeviceController::Status& status) const {
    std::vector<prometheus::MetricFamily> families = registry_.Collect();
    auto add = [this, &families](const char* name, const char* help, bool counter, double value) {
      prometheus::MetricFamily family;
      family.name = name;
      family.help = help;
      family.type = counter ? prometheus::MetricType::Counter : prometheus::MetricType::Gauge;
      prometheus::ClientMetric metric;
      for (const auto& [key, text] : labels_) metric.label.push_back({key, text});
      (counter ? metric.counter.value : metric.gauge.value) = value;
      family.metric.push_back(std::move(metric));
      families.push_back(std::move(family));
    };
    auto gauge = [&add](const char* name, const char* help, auto value) {
      add(name, help, false, static_cast<double>(value));
    };
    auto count = [&add](const char* name, const char* help, auto value) {
      add(name, help, true, static_cast<double>(value));
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
    count("fractos_frames_sent_total", "Batches of messages.", status.links.frames_sent);
    return prometheus::TextSerializer().Serialize(families);
  }

 private:
  prometheus::Registry registry_;
  const prometheus::Labels labels_;
  prometheus::Family<prometheus::Histogram>& executions_;
  std::array<prometheus::Counter*, kStates> states_{};
  absl::Mutex mutex_;
  absl::flat_hash_map<std::string, prometheus::Histogram*> by_operation_ ABSL_GUARDED_BY(mutex_);
};

Metrics::Metrics(const std::string& cluster) : impl_(std::make_unique<Impl>(cluster)) {}
Metrics::~Metrics() = default;
void Metrics::Reached(StepState state) { impl_->Reached(state); }
void Metrics::Executed(const std::string& operation, Duration took) {
  impl_->Executed(operation, took);
}
std::string Metrics::Render(const DeviceController::Status& status) const {
  return impl_->Render(status);
}

}  // namespace fractos
