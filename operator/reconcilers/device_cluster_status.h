// How a DeviceCluster is doing: pure code, from what there is to the status that says so.
#ifndef FRACTOS_OPERATOR_RECONCILERS_DEVICE_CLUSTER_STATUS_H_
#define FRACTOS_OPERATOR_RECONCILERS_DEVICE_CLUSTER_STATUS_H_

#include <optional>
#include <string>
#include <vector>

#include "lib/base/clock.h"
#include "lib/kube/object.h"
#include "operator/reconcilers/device_cluster_spec.h"
#include "operator/reconcilers/device_directory.h"
#include "operator/reconcilers/rollout.h"

namespace fractos {

// The reason of Progressing while it is the cluster's turn to replace its pods.
inline constexpr char kRollingUpdate[] = "RollingUpdate";

// Why a spec is not obeyed; empty reason: it is.
struct SpecRefusal {
  std::string reason;
  std::string message;
};

struct Observed {
  std::vector<PodState> pods;
  std::optional<DeviceState> device;
  // The replicas that stand have not had the time yet to be heard by this operator.
  bool unheard = false;
  Rollout rollout;
  bool ends_turn = false;  // all pods are new; it is its turn until all are there and ready
  bool waits_for_turn = false;
  std::string turn_of;   // the cluster that rolls meanwhile
  bool settled = false;  // the StatefulSet's controller has seen the newest spec
};

// Whether a device that says this of itself can be obeyed as `spec` wants it.
SpecRefusal CheckVolume(const DeviceClusterSpec& spec, bool stateful);

// The operator's part of the status as it should be, made of the one that there is: leader and
// leaderEpoch are the daemons' and are not in it.
kube::Json BuildDeviceClusterStatus(const DeviceClusterSpec& spec, const kube::Json& before,
                                    const SpecRefusal& refusal, const Observed& observed,
                                    WallTime now);

}  // namespace fractos

#endif  // FRACTOS_OPERATOR_RECONCILERS_DEVICE_CLUSTER_STATUS_H_
