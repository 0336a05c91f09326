#include "operator/controller/metrics.h"

#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "lib/base/seconds.h"
#include "lib/metrics/process_metrics.h"
#include "lib/metrics/rest_client_metrics.h"
#include "prometheus/counter.h"
#include "prometheus/gauge.h"
#include "prometheus/histogram.h"
#include "prometheus/text_serializer.h"

namespace fractos::ctrl {
namespace {

using prometheus::Counter;
using prometheus::Family;
using prometheus::Gauge;
using prometheus::Histogram;
using Buckets = Histogram::BucketBoundaries;

// controller-runtime's; client-go's for queues (powers of ten).
Buckets ReconcileBuckets() {
  return {.005, .01, .025, .05, .1,   .15, .2,   .25, .3,  .35, .4,  .45, .5,  .6,
          .7,   .8,  .9,   1,   1.25, 1.5, 1.75, 2,   2.5, 3,   3.5, 4,   4.5, 5,
          6,    7,   8,    9,   10,   15,  20,   25,  30,  40,  50,  60};
}
Buckets QueueBuckets() {
  return {1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1, 10, 100, 1000};
}

class ControllerImpl final : public ControllerMetrics {
 public:
  struct Families {
    Family<Counter>& total;
    Family<Counter>& errors;
    Family<Counter>& terminal;
    Family<Counter>& panics;
    Family<Histogram>& time;
    Family<Gauge>& max;
    Family<Gauge>& active;
  };
  ControllerImpl(const Families& families, const std::string& name)
      : success_(families.total.Add({{"controller", name}, {"result", "success"}})),
        error_(families.total.Add({{"controller", name}, {"result", "error"}})),
        requeue_(families.total.Add({{"controller", name}, {"result", "requeue"}})),
        requeue_after_(families.total.Add({{"controller", name}, {"result", "requeue_after"}})),
        errors_(families.errors.Add({{"controller", name}})),
        terminal_(families.terminal.Add({{"controller", name}})),
        panics_(families.panics.Add({{"controller", name}})),
        time_(families.time.Add({{"controller", name}}, ReconcileBuckets())),
        max_(families.max.Add({{"controller", name}})),
        active_(families.active.Add({{"controller", name}})) {}

  void SetWorkers(int workers) override { max_.Set(workers); }
  void OnStart() override { active_.Increment(); }
  void OnEnd(ReconcileOutcome outcome, Duration took) override {
    active_.Decrement();
    time_.Observe(InSeconds(took));
    if (outcome == ReconcileOutcome::kSuccess) {
      success_.Increment();
    } else if (outcome == ReconcileOutcome::kRequeueAfter) {
      requeue_after_.Increment();
    } else {
      error_.Increment();
      errors_.Increment();
      if (outcome == ReconcileOutcome::kTerminalError) terminal_.Increment();
    }
  }

 private:
  Counter& success_;
  Counter& error_;
  [[maybe_unused]] Counter& requeue_;
  Counter& requeue_after_;
  Counter& errors_;
  Counter& terminal_;
  [[maybe_unused]] Counter& panics_;
  Histogram& time_;
  Gauge& max_;
  Gauge& active_;
};

class QueueImpl final : public kube::WorkQueueMetrics {
 public:
  struct Families {
    Family<Gauge>& depth;
    Family<Counter>& adds;
    Family<Histogram>& queued;
    Family<Histogram>& worked;
    Family<Counter>& retries;
  };
  QueueImpl(const Families& families, const prometheus::Labels& labels)
      : depth_(families.depth.Add(labels)),
        adds_(families.adds.Add(labels)),
        queued_(families.queued.Add(labels, QueueBuckets())),
        worked_(families.worked.Add(labels, QueueBuckets())),
        retries_(families.retries.Add(labels)) {}

  void OnAdd() override { adds_.Increment(); }
  void OnDepth(size_t depth) override { depth_.Set(static_cast<double>(depth)); }
  void OnGet(Duration queued) override { queued_.Observe(InSeconds(queued)); }
  void OnDone(Duration worked) override { worked_.Observe(InSeconds(worked)); }
  void OnRetry() override { retries_.Increment(); }

 private:
  Gauge& depth_;
  Counter& adds_;
  Histogram& queued_;
  Histogram& worked_;
  Counter& retries_;
};

class ElectionImpl final : public kube::LeaderElectionMetrics {
 public:
  ElectionImpl(Gauge& leading, Counter& slow) : leading_(leading), slow_(slow) {}
  void OnLeading(bool leading) override { leading_.Set(leading ? 1 : 0); }
  void OnSlowPath() override { slow_.Increment(); }

 private:
  Gauge& leading_;
  Counter& slow_;
};

}  // namespace

class Metrics::Impl {
 public:
  Family<Counter>& Count(const char* name, const char* help) {
    return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
  }
  Family<Gauge>& Measure(const char* name, const char* help) {
    return prometheus::BuildGauge().Name(name).Help(help).Register(registry);
  }
  Family<Histogram>& Distribute(const char* name, const char* help) {
    return prometheus::BuildHistogram().Name(name).Help(help).Register(registry);
  }

  prometheus::Registry registry;
  const ControllerImpl::Families controllers{
      Count("controller_runtime_reconcile_total", "Reconciles, by how they ended."),
      Count("controller_runtime_reconcile_errors_total", "Reconciles that failed."),
      Count("controller_runtime_terminal_reconcile_errors_total",
            "Reconciles that failed and are not tried again."),
      Count("controller_runtime_reconcile_panics_total", "Reconciles that threw."),
      Distribute("controller_runtime_reconcile_time_seconds", "How long a reconcile takes."),
      Measure("controller_runtime_max_concurrent_reconciles", "Workers."),
      Measure("controller_runtime_active_workers", "Workers at work.")};
  const QueueImpl::Families queues{
      Measure("workqueue_depth", "Keys that wait for a worker."),
      Count("workqueue_adds_total", "Keys put in."),
      Distribute("workqueue_queue_duration_seconds", "How long keys wait for a worker."),
      Distribute("workqueue_work_duration_seconds", "How long a worker takes for a key."),
      Count("workqueue_retries_total", "Keys put in again, after an error or for later.")};
  Family<Gauge>& unfinished =
      Measure("workqueue_unfinished_work_seconds", "Age of the work under way, summed up.");
  Family<Gauge>& longest =
      Measure("workqueue_longest_running_processor_seconds", "Age of the oldest work under way.");
  Family<Gauge>& master = Measure("leader_election_master_status", "1 while this process leads.");
  Family<Counter>& slow_path =
      Count("leader_election_slowpath_total", "Renewals that had to read the Lease first.");
  RestClientMetrics requests{&registry};

  struct Queue {
    const kube::WorkQueue* queue;
    Gauge* unfinished;
    Gauge* longest;
  };
  mutable absl::Mutex mutex;
  std::vector<std::unique_ptr<ControllerMetrics>> controller_metrics ABSL_GUARDED_BY(mutex);
  std::vector<std::unique_ptr<kube::WorkQueueMetrics>> queue_metrics ABSL_GUARDED_BY(mutex);
  std::vector<std::unique_ptr<kube::LeaderElectionMetrics>> election_metrics ABSL_GUARDED_BY(mutex);
  std::vector<Queue> known_queues ABSL_GUARDED_BY(mutex);
};

Metrics::Metrics() : impl_(std::make_unique<Impl>()) {}
Metrics::~Metrics() = default;
prometheus::Registry& Metrics::registry() { return impl_->registry; }

ControllerMetrics* Metrics::ForController(const std::string& name) {
  const absl::MutexLock lock(&impl_->mutex);
  impl_->controller_metrics.push_back(std::make_unique<ControllerImpl>(impl_->controllers, name));
  return impl_->controller_metrics.back().get();
}

kube::WorkQueueMetrics* Metrics::ForQueue(const std::string& name) {
  const absl::MutexLock lock(&impl_->mutex);
  const prometheus::Labels labels{{"name", name}, {"controller", name}};
  impl_->queue_metrics.push_back(std::make_unique<QueueImpl>(impl_->queues, labels));
  return impl_->queue_metrics.back().get();
}

kube::LeaderElectionMetrics* Metrics::ForElection(const std::string& name) {
  const absl::MutexLock lock(&impl_->mutex);
  impl_->election_metrics.push_back(std::make_unique<ElectionImpl>(
      impl_->master.Add({{"name", name}}), impl_->slow_path.Add({{"name", name}})));
  return impl_->election_metrics.back().get();
}

kube::RestObserver* Metrics::Requests() { return &impl_->requests; }

void Metrics::AddQueue(const std::string& name, const kube::WorkQueue* queue) {
  const absl::MutexLock lock(&impl_->mutex);
  const prometheus::Labels labels{{"name", name}, {"controller", name}};
  impl_->known_queues.push_back(
      {queue, &impl_->unfinished.Add(labels), &impl_->longest.Add(labels)});
}

std::string Metrics::Render() const {
  {
    const absl::MutexLock lock(&impl_->mutex);
    for (const Impl::Queue& each : impl_->known_queues) {
      const kube::WorkQueue::Unfinished work = each.queue->UnfinishedWork();
      each.unfinished->Set(InSeconds(work.total));
      each.longest->Set(InSeconds(work.longest));
    }
  }
  std::vector<prometheus::MetricFamily> families = impl_->registry.Collect();
  for (prometheus::MetricFamily& family : CollectProcessMetrics()) {
    families.push_back(std::move(family));
  }
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace fractos::ctrl
