#include "operator/reconcilers/device_cluster_objects.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "lib/api/names.h"
#include "lib/kube/lease_lock.h"

namespace fractos {
namespace {

using kube::Json;

// Revisions of old that `kubectl rollout history` shows.
constexpr int kRevisionHistory = 3;

Json Ports(const char* number_key) {
  Json ports = Json::array();
  for (const auto& [name, port] : {std::pair("metrics", kMetricsPort), std::pair("link", kLinkPort),
                                   std::pair("memory", kMemoryPort)}) {
    ports.push_back({{"name", name}, {number_key, port}, {"protocol", "TCP"}});
  }
  return ports;
}

kube::Object Owned(const DeviceClusterSpec& spec, const kube::GroupVersionResource& resource,
                   const char* kind, const std::string& name) {
  kube::Object object(resource.ApiVersion(), kind, spec.key.ns, name);
  for (const auto& [key, value] : LabelsOf(spec)) object.SetLabel(key, value);
  // blockOwnerDeletion would take the right to update the owner's finalizers where the API server
  // enforces that, and only foreground deletion asks for it.
  object.mutable_metadata()["ownerReferences"] =
      Json::array({{{"apiVersion", kDeviceClusters.ApiVersion()},
                    {"kind", "DeviceCluster"},
                    {"name", spec.key.name},
                    {"uid", spec.uid},
                    {"controller", true},
                    {"blockOwnerDeletion", false}}});
  return object;
}

kube::Object BuildRole(const DeviceClusterSpec& spec) {
  kube::Object role = Owned(spec, kRoles, "Role", AccountName(spec));
  const auto rule = [&spec](const std::string& group, const std::string& resource,
                            Json verbs) -> Json {
    return {{"apiGroups", {group}},
            {"resources", {resource}},
            {"resourceNames", {spec.key.name}},
            {"verbs", std::move(verbs)}};
  };
  role.json()["rules"] =
      Json::array({rule("coordination.k8s.io", "leases", {"get", "watch", "update"}),
                   rule(kApiGroup, kDeviceClusters.resource, Json::array({"get"})),
                   rule(kApiGroup, kDeviceClusters.resource + "/status", Json::array({"update"}))});
  return role;
}

kube::Object BuildRoleBinding(const DeviceClusterSpec& spec) {
  kube::Object binding = Owned(spec, kRoleBindings, "RoleBinding", AccountName(spec));
  binding.json()["roleRef"] = {
      {"apiGroup", "rbac.authorization.k8s.io"}, {"kind", "Role"}, {"name", AccountName(spec)}};
  binding.json()["subjects"] = Json::array(
      {{{"kind", "ServiceAccount"}, {"name", AccountName(spec)}, {"namespace", spec.key.ns}}});
  return binding;
}

kube::Object BuildService(const DeviceClusterSpec& spec) {
  kube::Object service = Owned(spec, kServices, "Service", spec.key.name);
  // Daemons find each other before they are ready, and after they stopped being so.
  service.mutable_spec() = {{"clusterIP", "None"},
                            {"publishNotReadyAddresses", true},
                            {"selector", SelectorOf(spec)},
                            {"ports", Ports("port")}};
  return service;
}

kube::Object BuildBudget(const DeviceClusterSpec& spec) {
  kube::Object budget = Owned(spec, kBudgets, "PodDisruptionBudget", AccountName(spec));
  // A pod that is not ready serves nobody, and must not keep its node from being drained.
  budget.mutable_spec() = {{"maxUnavailable", 1},
                           {"unhealthyPodEvictionPolicy", "AlwaysAllow"},
                           {"selector", {{"matchLabels", SelectorOf(spec)}}}};
  return budget;
}

kube::Object BuildNetworkPolicy(const DeviceClusterSpec& spec) {
  kube::Object policy = Owned(spec, kNetworkPolicies, "NetworkPolicy", AccountName(spec));
  const auto peer = [](const char* component) -> Json {
    return {{"namespaceSelector", Json::object()},
            {"podSelector",
             {{"matchLabels", {{kPartOfLabel, "fractos"}, {kComponentLabel, component}}}}}};
  };
  const Json ours = Json::array({peer("daemon"), peer("operator")});
  const auto ports = [](std::vector<const char*> names) {
    Json list = Json::array();
    for (const char* name : names) list.push_back({{"port", name}, {"protocol", "TCP"}});
    return list;
  };
  policy.mutable_spec() = {
      {"podSelector", {{"matchLabels", SelectorOf(spec)}}},
      {"policyTypes", {"Ingress"}},
      {"ingress", Json::array({{{"from", ours}, {"ports", ports({"link", "memory"})}},
                               {{"ports", ports({"metrics"})}}})}};
  return policy;
}

kube::Object BuildStatefulSet(const DeviceClusterSpec& spec, const ReleaseDefaults& defaults,
                              int64_t replicas) {
  kube::Object set = Owned(spec, kStatefulSets, "StatefulSet", spec.key.name);
  // Replaced by the operator, which knows who leads; started all at once, for they need not wait
  // for each other.
  set.mutable_spec() = {{"replicas", replicas},
                        {"serviceName", spec.key.name},
                        {"podManagementPolicy", "Parallel"},
                        {"updateStrategy", {{"type", "OnDelete"}}},
                        {"revisionHistoryLimit", kRevisionHistory},
                        {"selector", {{"matchLabels", SelectorOf(spec)}}},
                        {"template", BuildPodTemplate(spec, defaults)}};
  return set;
}

}  // namespace

std::map<std::string, std::string> LabelsOf(const DeviceClusterSpec& spec) {
  return {{kNameLabel, "fractos"},          {kInstanceLabel, spec.key.name},
          {kComponentLabel, "daemon"},      {kPartOfLabel, "fractos"},
          {kManagedByLabel, kFieldManager}, {kClusterLabel, spec.key.name}};
}

std::map<std::string, std::string> SelectorOf(const DeviceClusterSpec& spec) {
  return {{kNameLabel, "fractos"}, {kComponentLabel, "daemon"}, {kClusterLabel, spec.key.name}};
}

std::string SelectorText(const DeviceClusterSpec& spec) {
  return absl::StrJoin(SelectorOf(spec), ",", absl::PairFormatter("="));
}

std::string AccountName(const DeviceClusterSpec& spec) {
  return absl::StrCat(spec.key.name, "-daemon");
}

std::vector<DesiredObject> BuildObjects(const DeviceClusterSpec& spec,
                                        const ReleaseDefaults& defaults, int64_t replicas) {
  std::vector<DesiredObject> objects;
  const auto add = [&](const kube::GroupVersionResource& resource, kube::Object object) {
    objects.push_back({{resource, spec.key.ns}, std::move(object)});
  };
  kube::Object account = Owned(spec, kServiceAccounts, "ServiceAccount", AccountName(spec));
  account.json()["automountServiceAccountToken"] = false;
  add(kServiceAccounts, std::move(account));
  add(kRoles, BuildRole(spec));
  add(kRoleBindings, BuildRoleBinding(spec));
  add(kServices, BuildService(spec));
  add(kNetworkPolicies, BuildNetworkPolicy(spec));
  if (replicas > 1) add(kBudgets, BuildBudget(spec));
  add(kStatefulSets, BuildStatefulSet(spec, defaults, replicas));
  return objects;
}

DesiredObject BuildLease(const DeviceClusterSpec& spec) {
  return {{kube::kLeases, spec.key.ns}, Owned(spec, kube::kLeases, "Lease", spec.key.name)};
}

std::optional<DesiredObject> BuildClaim(const DeviceClusterSpec& spec) {
  const Json& wanted = kube::Member(spec.volume, "claimTemplate");
  if (!wanted.is_object()) return std::nullopt;
  kube::Object claim("v1", "PersistentVolumeClaim", spec.key.ns, spec.ClaimName());
  for (const auto& [key, value] : LabelsOf(spec)) claim.SetLabel(key, value);
  claim.mutable_spec() = wanted;
  return DesiredObject{{kClaims, spec.key.ns}, std::move(claim)};
}

}  // namespace fractos
