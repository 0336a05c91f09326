// What the devices on a cluster offer, as far as it can be known.
#ifndef FRACTOS_CLI_CLUSTER_CLUSTER_DEVICES_H_
#define FRACTOS_CLI_CLUSTER_CLUSTER_DEVICES_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/cluster/target.h"
#include "lib/kube/object.h"
#include "lib/plan/operation.h"
#include "lib/plan/plan.h"
#include "lib/plan/task_graph.h"

namespace fractos::cluster {

struct ClusterDevices {
  Descriptions descriptions;
  // Clusters that the graph may need and of which nothing is known: not there, not described yet,
  // or not for us to see.
  std::vector<std::string> undescribed;
  // Those of them that the graph's steps name and that are certainly not there, with the nearest
  // name that is: runs wait for them. "default/storrage", ", did you mean "storage"?".
  struct Absent {
    std::string cluster;
    std::string hint;
  };
  std::vector<Absent> absent;
};

// Lists the DeviceClusters of every namespace that the graph names. One that may not be listed only
// means that nothing is known of it; other errors are returned.
absl::StatusOr<ClusterDevices> AskDevices(const Target& target, const TaskGraph& graph);

// What a DeviceCluster's status says of its operations. None: it has not described itself, or in
// words that this version does not know.
std::optional<DeviceDescription> DescriptionOf(const kube::Object& device_cluster);

}  // namespace fractos::cluster

#endif  // FRACTOS_CLI_CLUSTER_CLUSTER_DEVICES_H_
