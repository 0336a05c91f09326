// What every command that works on a cluster is given.
#ifndef FRACTOS_CLI_CLUSTER_SESSION_H_
#define FRACTOS_CLI_CLUSTER_SESSION_H_

#include <chrono>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "lib/kube/client.h"
#include "lib/kube/waitable_clock.h"

namespace fractos::cluster {

// Nothing in it is owned.
struct Session {
  kube::Client* client = nullptr;
  kube::WaitableClock* clock = nullptr;
  std::string ns;  // where to work
  // Whether the user named it, rather than it being the context's.
  bool ns_given = false;
  bool all_namespaces = false;
  // Has kubectl talk to the same cluster as the same user.
  std::vector<std::string> kubectl_flags = {};

  // A call that the user waits for.
  kube::Context Soon() const { return {{}, kube::Later(clock->Now(), std::chrono::seconds(30))}; }
};

// In all namespaces when `ns` is empty.
inline kube::Collection TaskGraphs(absl::string_view ns) {
  return {{"fractos.dev", "v1alpha1", "taskgraphs"}, std::string(ns)};
}
inline kube::Collection DeviceClusters(absl::string_view ns) {
  return {{"fractos.dev", "v1alpha1", "deviceclusters"}, std::string(ns)};
}
inline kube::Collection Pods(absl::string_view ns) { return {{"", "v1", "pods"}, std::string(ns)}; }

// The label that every pod of a DeviceCluster has, with its name.
inline constexpr char kDeviceClusterLabel[] = "fractos.dev/devicecluster";
// The containers of such a pod.
inline constexpr char kDaemonContainer[] = "daemon";
inline constexpr char kAdaptorContainer[] = "adaptor";

}  // namespace fractos::cluster

#endif  // FRACTOS_CLI_CLUSTER_SESSION_H_
