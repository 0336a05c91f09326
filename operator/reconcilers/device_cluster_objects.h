// What a DeviceCluster is made of: pure code, from the spec to the objects that there should be.
#ifndef FRACTOS_OPERATOR_RECONCILERS_DEVICE_CLUSTER_OBJECTS_H_
#define FRACTOS_OPERATOR_RECONCILERS_DEVICE_CLUSTER_OBJECTS_H_

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "lib/kube/client.h"
#include "lib/kube/object.h"
#include "operator/reconcilers/device_cluster_spec.h"

namespace fractos {

// What all pods get, unless their DeviceCluster says otherwise: of the release, not of one device.
struct ReleaseDefaults {
  std::string daemon_image;
  std::string adaptor_image;
  std::string cnn_adaptor_image;
  std::string otlp_endpoint = {};  // where daemons send spans; empty: nowhere
  bool verbose = false;            // daemons log every state of every step
};

struct DesiredObject {
  kube::Collection collection;
  kube::Object object;
};

// The labels of everything, and those by which the pods are selected, which never change.
std::map<std::string, std::string> LabelsOf(const DeviceClusterSpec& spec);
std::map<std::string, std::string> SelectorOf(const DeviceClusterSpec& spec);
// "a=b,c=d".
std::string SelectorText(const DeviceClusterSpec& spec);

// The name of the ServiceAccount and of what it may do.
std::string AccountName(const DeviceClusterSpec& spec);

// Everything that is applied, in the order in which it is needed: account and rights first, the
// StatefulSet last. `replicas` are those to have now. With one replica there is no disruption
// budget among them: it would keep the node from being drained.
std::vector<DesiredObject> BuildObjects(const DeviceClusterSpec& spec,
                                        const ReleaseDefaults& defaults, int64_t replicas);

// The Lease that the replicas stand for election with: made once, then theirs.
DesiredObject BuildLease(const DeviceClusterSpec& spec);
// The claim of spec.volume.claimTemplate, if there is one: made once, and without an owner, so that
// what the device keeps outlives it.
std::optional<DesiredObject> BuildClaim(const DeviceClusterSpec& spec);

// The template of the StatefulSet's pods: metadata and spec.
kube::Json BuildPodTemplate(const DeviceClusterSpec& spec, const ReleaseDefaults& defaults);

}  // namespace fractos

#endif  // FRACTOS_OPERATOR_RECONCILERS_DEVICE_CLUSTER_OBJECTS_H_
