#include "cli/cluster/cluster_devices.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "cli/inputs.h"
#include "lib/kube/errors.h"
#include "lib/plan/catalog.h"
#include "lib/plan/names.h"

namespace fractos::cluster {
namespace {

using kube::Json;

std::set<std::string> ClustersOf(const TaskGraph& graph) {
  std::set<std::string> clusters;
  for (const auto* steps : {&graph.steps, &graph.on_failure}) {
    for (const TaskGraphStep& step : *steps) clusters.insert(ClusterOf(graph, step));
  }
  return clusters;
}

std::string NamespaceOf(const std::string& cluster) { return cluster.substr(0, cluster.find('/')); }

// What refinements may lead to without anybody having said what that is.
void AddReachable(const Descriptions& descriptions, std::set<std::string>* undescribed) {
  const Catalog catalog(descriptions);
  for (const auto& [cluster, description] : descriptions) {
    for (const OperationSpec& operation : description.operations) {
      for (const Catalog::Key& target : catalog.RefinesTo({cluster, operation.name})) {
        if (!descriptions.contains(target.first)) undescribed->insert(target.first);
      }
    }
  }
}

}  // namespace

std::optional<DeviceDescription> DescriptionOf(const kube::Object& device_cluster) {
  const Json& operations = kube::Member(device_cluster.status(), "operations");
  if (!operations.is_array() || operations.empty()) return std::nullopt;
  Json json = {{"device", device_cluster.name()}, {"stateful", false}, {"operations", operations}};
  absl::StatusOr<DeviceDescription> description = ParseDeviceDescription(kube::ToJsonText(json));
  if (!description.ok()) return std::nullopt;
  return *std::move(description);
}

absl::StatusOr<ClusterDevices> AskDevices(const Target& target, const TaskGraph& graph) {
  const std::set<std::string> needed = ClustersOf(graph);
  std::set<std::string> namespaces;
  for (const std::string& cluster : needed) namespaces.insert(NamespaceOf(cluster));

  ClusterDevices devices;
  std::set<std::string> there;
  std::set<std::string> unseen;  // namespaces
  for (const std::string& ns : namespaces) {
    const absl::StatusOr<kube::Pager::Result> listed =
        kube::Pager(target.client).List(target.RequestContext(), DeviceClusters(ns), {});
    if (kube::IsForbidden(listed.status())) {
      unseen.insert(ns);
      continue;
    }
    if (!listed.ok()) return listed.status();
    for (const kube::Object& object : listed->list.items) {
      const std::string name = object.key().ToString();
      there.insert(name);
      std::optional<DeviceDescription> description = DescriptionOf(object);
      if (description.has_value()) devices.descriptions.emplace(name, *std::move(description));
    }
  }

  std::set<std::string> undescribed;
  for (const std::string& cluster : needed) {
    if (devices.descriptions.contains(cluster)) continue;
    undescribed.insert(cluster);
    if (there.contains(cluster) || unseen.contains(NamespaceOf(cluster))) continue;
    devices.absent.push_back(
        {cluster, DidYouMean(cluster, std::vector<std::string>(there.begin(), there.end()))});
  }
  AddReachable(devices.descriptions, &undescribed);
  devices.undescribed.assign(undescribed.begin(), undescribed.end());
  return devices;
}

}  // namespace fractos::cluster
