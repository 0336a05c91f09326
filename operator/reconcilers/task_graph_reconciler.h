// Runs TaskGraphs: each object is one run.
#ifndef FRACTOS_OPERATOR_RECONCILERS_TASK_GRAPH_RECONCILER_H_
#define FRACTOS_OPERATOR_RECONCILERS_TASK_GRAPH_RECONCILER_H_

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "lib/api/conditions.h"
#include "lib/kube/event_recorder.h"
#include "operator/controller/manager.h"
#include "operator/controller/reconciler.h"
#include "operator/controller/source.h"
#include "operator/reconcilers/device_directory.h"
#include "operator/reconcilers/operator_metrics.h"
#include "operator/reconcilers/run_driver.h"
#include "operator/reconcilers/task_graph_admission.h"
#include "operator/reconcilers/task_graph_record_store.h"

namespace fractos {

// What happens to a TaskGraph:
//
//   it cannot be run as it is      Accepted=False with the field; the end
//   a device is missing            Accepted=Unknown, until the device is there or the deadline has
//                                  passed since it was first said
//   it can be run                  the driver drives it; its first record says Accepted=True
//   its record says it is running  an earlier operator drove it: the driver goes on from there
//   spec.cancel                    the driver ends it as Cancelled
//   it is over                     deleted when ttlSecondsAfterFinished have passed
//   it was deleted                 the daemons are told to forget it
//
// While a run is driven its status is the record's alone, written by the record store. There are no
// finalizers: a run whose object goes while no operator is there is ended by its daemons' own
// questions, which nobody knows an answer to.
class TaskGraphReconciler final : public ctrl::Reconciler {
 public:
  struct Options {
    // All outlive the reconciler; `events`, `metrics` and `log` may be null.
    kube::Client* client = nullptr;
    kube::WaitableClock* clock = nullptr;
    kube::EventRecorder* events = nullptr;
    OperatorMetrics* metrics = nullptr;
    const EventLog* log = nullptr;
    const DeviceDirectory* directory = nullptr;
    RunDriver* driver = nullptr;
    TaskGraphRecordStore* store = nullptr;
  };
  // Asks `manager` for the caches that it needs.
  TaskGraphReconciler(Options options, ctrl::Manager* manager);

  // Has changes of TaskGraphs put into `queue`, which outlives the reconciler. Before the manager
  // runs; call once.
  void Watch(kube::WorkQueue* queue);
  // A device came, went or says something else: whoever waits for it looks again.
  void OnDeviceChanged(const std::string& cluster);
  // For Driver::Options::is_over. A run is over when its TaskGraph is Finished, or when there has
  // been none of it since a minute after a daemon first spoke of it: until then the cache may just
  // not know it yet. One that this operator has not taken up yet is not. Thread-safe.
  bool IsOver(const RunId& run);

  absl::StatusOr<ctrl::Result> Reconcile(const ctrl::Request& request,
                                         const std::stop_token& stop) override;

 private:
  struct Run {
    RunId id;
    std::string uid;
    Mode mode = Mode::kDistributed;
    bool ended = false;  // let go of, and kept until the cache knows that it is over
  };

  std::optional<Run> FindRun(const kube::ObjectKey& key) const;
  // The object is gone, or another one has its name.
  void Drop(const kube::ObjectKey& key, const Run& run);
  absl::StatusOr<ctrl::Result> Follow(const kube::Object& object, Run run);
  absl::StatusOr<ctrl::Result> OnLost(const kube::Object& object, const Run& run,
                                      const absl::Status& why);
  absl::StatusOr<ctrl::Result> Begin(const kube::Object& object, const std::stop_token& stop);
  absl::Status Start(const kube::Object& object, Plan plan, const std::stop_token& stop);
  void Say(const kube::Object& about, kube::EventType type, const std::string& reason,
           const std::string& message);

  // task_graph_undriven.cc
  absl::StatusOr<ctrl::Result> AwaitDevices(const kube::Object& object, const Admission& admission,
                                            const std::stop_token& stop);
  absl::StatusOr<ctrl::Result> Expire(const kube::Object& object, const std::stop_token& stop);
  // Says of a run that is over that a change of its spec was seen, for whoever waits for that.
  absl::Status Observe(const kube::Object& object, const std::stop_token& stop);
  // Ends a run that is not driven, with `accepted` as the Accepted condition unless it was started.
  absl::StatusOr<ctrl::Result> EndUndriven(const kube::Object& object, RunPhase phase,
                                           const Failure& failure, const Condition& accepted,
                                           const std::stop_token& stop);
  DeviceSight LookUp(const std::string& cluster, const std::string& ns) const;
  std::vector<std::string> VisibleFrom(const std::string& ns) const;
  void StopWaiting(const kube::ObjectKey& key);

  const Options options_;
  ctrl::ResourceCache* const graphs_;
  ctrl::ResourceCache* const clusters_;
  kube::WorkQueue* queue_ = nullptr;
  std::unique_ptr<ctrl::EnqueueHandler> handler_;
  std::unique_ptr<ctrl::EnqueueHandler> device_handler_;

  mutable absl::Mutex mutex_;
  std::map<kube::ObjectKey, Run> runs_ ABSL_GUARDED_BY(mutex_);
  // TaskGraphs that wait, by DeviceCluster.
  std::map<std::string, std::set<kube::ObjectKey>> waiting_ ABSL_GUARDED_BY(mutex_);
  // Runs without an object, and since when daemons speak of them.
  std::map<RunId, WallTime> orphans_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace fractos

#endif  // FRACTOS_OPERATOR_RECONCILERS_TASK_GRAPH_RECONCILER_H_
