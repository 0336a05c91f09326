// Where a command on a cluster works: what every one of them is given.
#ifndef FRACTOS_CLI_CLUSTER_TARGET_H_
#define FRACTOS_CLI_CLUSTER_TARGET_H_

#include <chrono>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "lib/api/names.h"
#include "lib/kube/client.h"
#include "lib/kube/waitable_clock.h"

namespace fractos::cluster {

// Nothing in it is owned.
struct Target {
  kube::Client* client = nullptr;
  kube::WaitableClock* clock = nullptr;
  std::string ns;
  // Whether the user named it, rather than it being the context's.
  bool ns_given = false;
  bool all_namespaces = false;
  // Has kubectl talk to the same cluster as the same user.
  std::vector<std::string> kubectl_flags = {};

  // A call that the user waits for.
  kube::Context RequestContext() const {
    return {{}, kube::Later(clock->Now(), std::chrono::seconds(30))};
  }
};

// In all namespaces when `ns` is empty.
inline kube::Collection TaskGraphs(absl::string_view ns) { return {kTaskGraphs, std::string(ns)}; }
inline kube::Collection DeviceClusters(absl::string_view ns) {
  return {kDeviceClusters, std::string(ns)};
}
inline kube::Collection Pods(absl::string_view ns) { return {kPods, std::string(ns)}; }

}  // namespace fractos::cluster

#endif  // FRACTOS_CLI_CLUSTER_TARGET_H_
