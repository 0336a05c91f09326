// What objects on a cluster are called, and by which labels, containers and ports others find them.
// The chart's monitors, network policies and runbooks rely on these.
#ifndef FRACTOS_LIB_API_NAMES_H_
#define FRACTOS_LIB_API_NAMES_H_

#include "lib/kube/object.h"

namespace fractos {

inline constexpr char kApiGroup[] = "fractos.dev";
inline constexpr char kFieldManager[] = "fractos-operator";

inline const kube::GroupVersionResource kTaskGraphs{kApiGroup, "v1alpha1", "taskgraphs"};
inline const kube::GroupVersionResource kDeviceClusters{kApiGroup, "v1alpha1", "deviceclusters"};
inline const kube::GroupVersionResource kStatefulSets{"apps", "v1", "statefulsets"};
inline const kube::GroupVersionResource kServices{"", "v1", "services"};
inline const kube::GroupVersionResource kServiceAccounts{"", "v1", "serviceaccounts"};
inline const kube::GroupVersionResource kPods{"", "v1", "pods"};
inline const kube::GroupVersionResource kClaims{"", "v1", "persistentvolumeclaims"};
inline const kube::GroupVersionResource kRoles{"rbac.authorization.k8s.io", "v1", "roles"};
inline const kube::GroupVersionResource kRoleBindings{"rbac.authorization.k8s.io", "v1",
                                                      "rolebindings"};
inline const kube::GroupVersionResource kBudgets{"policy", "v1", "poddisruptionbudgets"};
inline const kube::GroupVersionResource kNetworkPolicies{"networking.k8s.io", "v1",
                                                         "networkpolicies"};

inline constexpr char kNameLabel[] = "app.kubernetes.io/name";
inline constexpr char kInstanceLabel[] = "app.kubernetes.io/instance";
inline constexpr char kVersionLabel[] = "app.kubernetes.io/version";
inline constexpr char kComponentLabel[] = "app.kubernetes.io/component";
inline constexpr char kPartOfLabel[] = "app.kubernetes.io/part-of";
inline constexpr char kManagedByLabel[] = "app.kubernetes.io/managed-by";
inline constexpr char kClusterLabel[] = "fractos.dev/devicecluster";
// By which a Lease says which pod has it: its holder's identity names the process alone.
inline constexpr char kLeaderPodLabel[] = "fractos.dev/leader-pod";
// The StatefulSet controller's.
inline constexpr char kRevisionLabel[] = "controller-revision-hash";

// All that the operator makes has it, so caches need hold nothing else.
inline constexpr char kManagedSelector[] = "app.kubernetes.io/managed-by=fractos-operator";

// The containers of a DeviceCluster's pod.
inline constexpr char kDaemonContainer[] = "daemon";
inline constexpr char kAdaptorContainer[] = "adaptor";

inline constexpr int kMetricsPort = 8080;
inline constexpr int kHealthPort = 8081;  // open to the kubelet alone
inline constexpr int kLinkPort = 7447;
inline constexpr int kMemoryPort = kLinkPort + 1;

}  // namespace fractos

#endif  // FRACTOS_LIB_API_NAMES_H_
