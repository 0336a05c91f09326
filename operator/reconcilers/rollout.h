// Which pod of a DeviceCluster to replace next: pure code.
#ifndef FRACTOS_OPERATOR_RECONCILERS_ROLLOUT_H_
#define FRACTOS_OPERATOR_RECONCILERS_ROLLOUT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "lib/base/clock.h"
#include "lib/kube/object.h"

namespace fractos {

// What counts of a pod.
struct PodState {
  std::string name;
  std::string uid;
  std::string revision;
  std::string version;  // of FractOS
  bool ready = false;
  bool deleting = false;
  WallTime gone_by;  // while it is deleted: when it should have gone
  // Why it cannot work, in the kubelet's word, and for people; empty when it can.
  std::string trouble;
  std::string trouble_message;
};

PodState ReadPod(const kube::Object& pod);

struct Rollout {
  enum class Action {
    kNone,    // all are as they should be
    kWait,    // for what `why` says
    kDelete,  // `pod`, which the StatefulSet then makes anew
  };
  Action action = Action::kNone;
  std::string pod;
  std::string uid;
  std::string why;
  size_t outdated = 0;  // pods of another revision
};

// One pod at a time, and only while all others are ready; those that do not work first, then
// followers, the leader last: it hands off as it ends, to one that is new already. `leader` may be
// empty: then nothing that works is deleted where there are others that may lead.
Rollout PlanRollout(const std::vector<PodState>& pods, int64_t replicas,
                    const std::string& update_revision, const std::string& leader);

// Pods that have been deleted and do not go, as when their node is away and nobody is left to say
// that they have ended. One that writes nothing that stays can be let go of: should it live on, its
// epoch is old.
std::vector<PodState> FindStuckPods(const std::vector<PodState>& pods, WallTime now);
inline constexpr std::chrono::seconds kStuckAfter{10};  // beyond the pod's grace period

// Lets one DeviceCluster roll at a time, so that an upgrade that does harm harms one device.
// Thread-safe.
class RolloutTurn {
 public:
  // A turn that gets nowhere for so long passes to others: a cluster that never gets well must not
  // keep all others from being mended.
  static constexpr std::chrono::minutes kPatience{10};

  // Whether it is `cluster`'s turn, taking it if nobody has it. `progress` changes whenever the
  // roll-out gets on.
  bool Take(const std::string& cluster, const std::string& progress, Time now);
  // It is done, or gone.
  void Yield(const std::string& cluster);
  std::string holder() const;

 private:
  mutable absl::Mutex mutex_;
  std::string holder_ ABSL_GUARDED_BY(mutex_);
  std::string progress_ ABSL_GUARDED_BY(mutex_);
  Time since_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace fractos

#endif  // FRACTOS_OPERATOR_RECONCILERS_ROLLOUT_H_
