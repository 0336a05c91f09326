// A DeviceCluster as the operator reads it.
#ifndef FRACTOS_OPERATOR_RECONCILERS_DEVICE_CLUSTER_SPEC_H_
#define FRACTOS_OPERATOR_RECONCILERS_DEVICE_CLUSTER_SPEC_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "lib/base/limits.h"
#include "lib/kube/object.h"
#include "lib/plan/step.h"

namespace fractos {

struct DeviceClusterSpec {
  kube::ObjectKey key;
  std::string uid;
  int64_t generation = 0;

  int64_t replicas = 1;
  std::vector<std::string> command;
  std::string image;           // empty: that of the release
  std::string options = "{}";  // JSON, on one line
  kube::Json env = kube::Json::array();
  kube::Json volume_mounts = kube::Json::array();
  int64_t lease_duration_seconds = kDefaultLeaseDuration.count();
  int64_t renew_deadline_seconds = kDefaultRenewDeadline.count();
  int64_t retry_period_seconds = kDefaultRetryPeriod.count();
  int64_t max_in_flight = kDefaultMaxInFlight;
  kube::Json volume;                // null when there is none
  std::vector<std::string> access;  // namespaces besides its own
  bool manual = false;              // updatePolicy
  kube::Json pod_template = kube::Json::object();

  // "namespace/name".
  std::string FullName() const { return key.ToString(); }
  std::string PodName(uint64_t ordinal) const;
  bool HasVolume() const { return !volume.is_null(); }
  // Whether a pod may write to files that are there after it: then there must never be two of it.
  // An `ephemeral` volume is one pod's own.
  bool WritesWhatStays() const;
  // The name of the claim that all replicas mount; empty without a volume.
  std::string ClaimName() const;
  // Whether several nodes can write to the volume, as far as the spec tells: of a claim that was
  // there before it tells nothing, and its maker is believed.
  bool SharesVolume() const;
};

// Fields that the schema would have refused are read as if they were not there; InvalidArgument,
// naming the field, only for what cannot do without.
absl::StatusOr<DeviceClusterSpec> ReadDeviceClusterSpec(const kube::Object& object);

// Where its replicas serve Links, in pods.
ClusterView ViewOf(const DeviceClusterSpec& spec, int64_t replicas);

}  // namespace fractos

#endif  // FRACTOS_OPERATOR_RECONCILERS_DEVICE_CLUSTER_SPEC_H_
