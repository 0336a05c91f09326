// Turns DeviceClusters into pods that serve them, and says how they do.
#ifndef FRACTOS_OPERATOR_RECONCILERS_DEVICE_CLUSTER_RECONCILER_H_
#define FRACTOS_OPERATOR_RECONCILERS_DEVICE_CLUSTER_RECONCILER_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/call_once.h"
#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "lib/kube/event_recorder.h"
#include "operator/controller/manager.h"
#include "operator/controller/reconciler.h"
#include "operator/controller/source.h"
#include "operator/reconcilers/applier.h"
#include "operator/reconcilers/device_cluster_objects.h"
#include "operator/reconcilers/device_cluster_status.h"
#include "operator/reconcilers/device_directory.h"
#include "operator/reconcilers/operator_metrics.h"
#include "operator/reconcilers/rollout.h"

namespace fractos {

// For each DeviceCluster: applies what it is made of, replaces pods that are not as they should be,
// lets go of pods on dead nodes, tells the directory where the replicas are (those that stand even
// when nothing can be applied), and writes the status (by merge patch: leader and leaderEpoch there
// are the daemons', who write them by compare-and-swap, and are never touched).
//
// A spec that cannot be obeyed is said in Accepted; what there is already stays, save that a device
// that keeps state is left one replica when its replicas share no volume.
class DeviceClusterReconciler final : public ctrl::Reconciler {
 public:
  struct Options {
    // All outlive the reconciler; `events` and `metrics` may be null.
    kube::Client* client = nullptr;
    kube::WaitableClock* clock = nullptr;
    kube::EventRecorder* events = nullptr;
    OperatorMetrics* metrics = nullptr;
    DeviceDirectory* directory = nullptr;
    ReleaseDefaults defaults;
  };
  // Asks `manager` for the caches that it needs.
  DeviceClusterReconciler(Options options, ctrl::Manager* manager);

  // Has changes of the clusters and of what they are made of put into `queue`. Before the manager
  // runs; call once.
  void Watch(kube::WorkQueue* queue);

  absl::StatusOr<ctrl::Result> Reconcile(const ctrl::Request& request,
                                         const std::stop_token& stop) override;

 private:
  struct Subject;  // one reconcile

  void Forget(const kube::ObjectKey& key);
  void FindTurn();
  void PublishStanding(const kube::Object& object);
  void AwaitFirstWord(Subject* subject);
  bool IsCapped(const Subject& subject) const;
  absl::Status ApplyAll(const Subject& subject);
  absl::Status ReleaseStuckPods(Subject* subject);
  absl::Status Roll(Subject* subject);
  absl::Status WriteStatus(const Subject& subject);
  std::vector<PodState> PodsOf(const DeviceClusterSpec& spec);
  std::string LeaderPod(const Subject& subject) const;
  absl::Status DeletePod(const Subject& subject, const std::string& name, const std::string& uid,
                         bool force);
  void Say(const kube::Object& about, kube::EventType type, const char* reason,
           const std::string& message);

  const Options options_;
  ctrl::ResourceCache* const clusters_;
  ctrl::ResourceCache* const pods_;
  const Applier::Caches applied_;  // of what is applied
  Applier applier_;
  kube::WorkQueue* queue_ = nullptr;
  RolloutTurn turn_;
  absl::once_flag turn_found_;
  std::vector<std::unique_ptr<ctrl::EnqueueHandler>> handlers_;

  absl::Mutex mutex_;
  // The pod that was deleted last, by cluster: the cache may not know yet.
  std::map<std::string, std::string> deleted_uid_ ABSL_GUARDED_BY(mutex_);
  // When a replica should have been heard, by cluster whose replicas stood before this operator.
  std::map<std::string, Time> heard_by_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace fractos

#endif  // FRACTOS_OPERATOR_RECONCILERS_DEVICE_CLUSTER_RECONCILER_H_
