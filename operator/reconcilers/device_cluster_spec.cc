#include "operator/reconcilers/device_cluster_spec.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "lib/api/names.h"
#include "lib/base/limits.h"
#include "lib/plan/device_cluster.h"

namespace fractos {
namespace {

std::vector<std::string> Texts(const kube::Json& list) {
  std::vector<std::string> texts;
  if (!list.is_array()) return texts;
  for (const kube::Json& each : list) {
    if (each.is_string()) texts.push_back(each.get<std::string>());
  }
  return texts;
}

}  // namespace

std::string DeviceClusterSpec::PodName(uint64_t ordinal) const {
  return absl::StrCat(key.name, "-", ordinal);
}

bool DeviceClusterSpec::WritesWhatStays() const {
  if (HasVolume()) return true;
  const kube::Json& more = kube::Member(pod_template, "volumes");
  for (const kube::Json& each : more.is_array() ? more : kube::Json::array()) {
    for (const char* kind : {"persistentVolumeClaim", "csi"}) {
      const kube::Json& source = kube::Member(each, kind);
      if (source.is_object() && !kube::BoolMember(source, "readOnly")) return true;
    }
  }
  return false;
}

std::string DeviceClusterSpec::ClaimName() const {
  if (!HasVolume()) return "";
  const std::string& given = kube::StringMember(volume, "claimName");
  return given.empty() ? absl::StrCat(key.name, "-data") : given;
}

bool DeviceClusterSpec::SharesVolume() const {
  if (!HasVolume()) return false;
  const kube::Json& wanted = kube::Member(volume, "claimTemplate");
  if (wanted.is_null()) return true;
  const std::vector<std::string> modes = Texts(kube::Member(wanted, "accessModes"));
  return std::find(modes.begin(), modes.end(), "ReadWriteMany") != modes.end();
}

absl::StatusOr<DeviceClusterSpec> ReadDeviceClusterSpec(const kube::Object& object) {
  DeviceClusterSpec spec;
  spec.key = object.key();
  spec.uid = object.uid();
  spec.generation = object.generation();
  const kube::Json& json = object.spec();
  spec.replicas = kube::IntegerMember(json, "replicas", 1);
  if (spec.replicas < 1 || spec.replicas > kMaxClusterReplicas) {
    return absl::InvalidArgumentError(
        absl::StrCat("spec.replicas: must be 1 to ", kMaxClusterReplicas, ", not ", spec.replicas));
  }
  const kube::Json& adaptor = kube::Member(json, "adaptor");
  spec.command = Texts(kube::Member(adaptor, "command"));
  if (spec.command.empty() || spec.command.front().empty()) {
    return absl::InvalidArgumentError("spec.adaptor.command: must name a program");
  }
  spec.image = kube::StringMember(adaptor, "image");
  const kube::Json& options = kube::Member(adaptor, "options");
  if (options.is_object()) spec.options = kube::ToJsonText(options);
  if (const kube::Json& env = kube::Member(adaptor, "env"); env.is_array()) spec.env = env;
  if (const kube::Json& mounts = kube::Member(adaptor, "volumeMounts"); mounts.is_array()) {
    spec.volume_mounts = mounts;
  }
  const kube::Json& election = kube::Member(json, "leaderElection");
  const auto read = [](const kube::Json& from, const char* field, int64_t* value) {
    *value = kube::IntegerMember(from, field, *value);
  };
  read(election, "leaseDurationSeconds", &spec.lease_duration_seconds);
  read(election, "renewDeadlineSeconds", &spec.renew_deadline_seconds);
  read(election, "retryPeriodSeconds", &spec.retry_period_seconds);
  read(json, "maxInFlight", &spec.max_in_flight);
  if (const kube::Json& volume = kube::Member(json, "volume"); volume.is_object()) {
    spec.volume = volume;
  }
  spec.access = Texts(kube::Member(kube::Member(json, "access"), "namespaces"));
  spec.manual = kube::StringMember(json, "updatePolicy") == "Manual";
  if (const kube::Json& pods = kube::Member(json, "template"); pods.is_object()) {
    spec.pod_template = pods;
  }
  return spec;
}

ClusterView ViewOf(const DeviceClusterSpec& spec, int64_t replicas) {
  ClusterView view;
  view.cluster = spec.FullName();
  for (int64_t i = 0; i < replicas; ++i) {
    // By name and not by address: a pod that is replaced keeps its name.
    view.endpoints.push_back(absl::StrCat(spec.PodName(static_cast<uint64_t>(i)), ".",
                                          spec.key.name, ".", spec.key.ns, ".svc:", kLinkPort));
  }
  return view;
}

}  // namespace fractos
