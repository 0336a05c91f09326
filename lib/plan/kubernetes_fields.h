// The fields of a DeviceCluster that only a Kubernetes cluster obeys. Here they are checked, as far
// as the CRD checks them, and left: what is good here is good there.
#ifndef FRACTOS_LIB_PLAN_KUBERNETES_FIELDS_H_
#define FRACTOS_LIB_PLAN_KUBERNETES_FIELDS_H_

#include <optional>
#include <set>
#include <string>

#include "lib/plan/yaml_reader.h"

namespace fractos {

// Bounds of these fields; those of tolerations and their like are in the source.
inline constexpr size_t kMaxVolumeMounts = 32;
inline constexpr size_t kMaxMountPathBytes = 1024;
inline constexpr size_t kMaxAccessNamespaces = 64;
inline constexpr int64_t kMaxLeaseSeconds = 300;
inline constexpr int64_t kMaxRetryPeriodSeconds = 60;

// What a spec says of its pods' volumes.
struct PodVolumes {
  std::set<std::string> names;  // that volumeMounts can name: "data", and those of the template
  bool many_can_mount = true;   // the one that all replicas share, as far as the spec tells
};

// leaderElection, volume, access, updatePolicy and template of `spec`. What is in tolerations,
// affinity and other things that Kubernetes has of its own, only an API server checks.
PodVolumes CheckKubernetesFields(YamlMap* spec, YamlFaults* faults);

// spec.adaptor.volumeMounts.
void CheckVolumeMounts(const std::optional<YamlField>& field, const PodVolumes& volumes,
                       YamlFaults* faults);

}  // namespace fractos

#endif  // FRACTOS_LIB_PLAN_KUBERNETES_FIELDS_H_
