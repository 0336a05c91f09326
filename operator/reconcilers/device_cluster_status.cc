#include "operator/reconcilers/device_cluster_status.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/api/conditions.h"
#include "lib/plan/json_text.h"
#include "operator/reconcilers/device_cluster_objects.h"

namespace fractos {
namespace {

using kube::Json;

// Longer than its text may be in the object: what a device says is bounded by 256 KiB, which would
// leave no room for much else.
constexpr size_t kMaxOperationsBytes = 128 * 1024;

// The only refusal that leaves something to do: one replica is brought up.
constexpr char kNeedsSharedVolume[] = "NeedsSharedVolume";

Condition AcceptedCondition(const SpecRefusal& refusal) {
  if (refusal.reason.empty()) return {"Accepted", "True", "Accepted", "the spec is obeyed"};
  return {"Accepted", "False", refusal.reason, refusal.message};
}

// What the operator before said of this generation: a change of operators is none of the device.
Condition StandingReady(const DeviceClusterSpec& spec, const Json& before) {
  const Json& stands = FindCondition(before, "Ready");
  if (kube::IntegerMember(stands, "observedGeneration", -1) != spec.generation) {
    return {"Ready", "Unknown", "NotHeard", "this operator has not heard from a replica yet"};
  }
  return {"Ready", kube::StringMember(stands, "status"), kube::StringMember(stands, "reason"),
          kube::StringMember(stands, "message")};
}

Condition ReadyCondition(const DeviceClusterSpec& spec, const Json& before,
                         const SpecRefusal& refusal, const Observed& observed) {
  if (!refusal.reason.empty()) return {"Ready", "False", refusal.reason, refusal.message};
  if (observed.unheard) return StandingReady(spec, before);
  const std::optional<DeviceState>& device = observed.device;
  if (!device.has_value() || device->linked == 0) {
    return {"Ready", "False", "NoReplica", "no replica can be reached"};
  }
  if (!device->fault.empty()) {
    return {"Ready", "False", "BadDescription",
            absl::StrCat("what the adaptor says of itself cannot be understood: ", device->fault)};
  }
  if (!device->leader.has_value()) {
    return {"Ready", "False", "NoLeader", "replicas are there, and none leads"};
  }
  if (!device->description.has_value() || !device->leader_described) {
    return {"Ready", "False", "NotDescribed",
            absl::StrCat("replica ", *device->leader,
                         " leads, and its adaptor has not described itself yet")};
  }
  return {"Ready", "True", "Leading", absl::StrCat("replica ", *device->leader, " leads")};
}

Condition ProgressingCondition(const DeviceClusterSpec& spec, const SpecRefusal& refusal,
                               const Observed& observed) {
  const auto yes = [](const char* reason, std::string message) -> Condition {
    return {"Progressing", "True", reason, std::move(message)};
  };
  if (!refusal.reason.empty() && refusal.reason != kNeedsSharedVolume) {
    return {"Progressing", "False", refusal.reason, refusal.message};
  }
  if (!observed.settled) return yes("Applying", "the StatefulSet is being brought up to date");
  const Rollout& rollout = observed.rollout;
  const std::string count = absl::StrCat(rollout.outdated, " of ", observed.pods.size(),
                                         " pods are of the version or template before");
  if (rollout.outdated > 0 && spec.manual) {
    return {"Progressing", "False", "Manual", absl::StrCat(count, "; delete them to replace them")};
  }
  if (rollout.outdated > 0 && observed.waits_for_turn) {
    return yes("WaitingForTurn", absl::StrCat(count, "; ", observed.turn_of, " goes first"));
  }
  if (rollout.outdated > 0) {
    return yes(kRollingUpdate,
               rollout.why.empty() ? count : absl::StrCat(count, "; ", rollout.why));
  }
  if (observed.ends_turn) {
    return yes(kRollingUpdate,
               "all pods are of the new version or template, and not all of them ready yet");
  }
  // What is refused thus is left one.
  const int64_t wanted = refusal.reason.empty() ? spec.replicas : 1;
  if (static_cast<int64_t>(observed.pods.size()) != wanted) {
    return yes("Scaling", absl::StrCat(observed.pods.size(), " of ", wanted, " pods are there"));
  }
  return {"Progressing", "False", "Complete", "all replicas are up to date"};
}

Condition DegradedCondition(const Observed& observed) {
  for (const PodState& pod : observed.pods) {
    if (!pod.trouble.empty()) return {"Degraded", "True", pod.trouble, pod.trouble_message};
  }
  return {"Degraded", "False", "AsExpected", "no replica is in trouble"};
}

// As ParseDeviceDescription reads them, which is also how the schema has them.
Json Operations(const DeviceDescription& description) {
  const absl::StatusOr<Json> json = ParseStrictJson(DeviceDescriptionToJson(description));
  return json.ok() ? kube::Member(*json, "operations") : Json();
}

std::string VersionOf(const std::vector<PodState>& pods, const std::string& before) {
  std::set<std::string> versions;
  for (const PodState& pod : pods) versions.insert(pod.version);
  return versions.size() == 1 ? *versions.begin() : before;
}

}  // namespace

SpecRefusal CheckVolume(const DeviceClusterSpec& spec, bool stateful) {
  if (!stateful || spec.replicas == 1 || spec.SharesVolume()) return {};
  return {kNeedsSharedVolume,
          absl::StrCat("spec.volume: the device keeps state, so ", spec.replicas,
                       " replicas need one volume that all can write: ReadWriteMany in "
                       "claimTemplate.accessModes, or a claim of that kind; or set replicas to 1")};
}

Json BuildDeviceClusterStatus(const DeviceClusterSpec& spec, const Json& before,
                              const SpecRefusal& refusal, const Observed& observed, WallTime now) {
  Json status = Json::object();
  status["observedGeneration"] = spec.generation;
  Json conditions = kube::Member(before, "conditions");
  for (const Condition& condition :
       {AcceptedCondition(refusal), ReadyCondition(spec, before, refusal, observed),
        ProgressingCondition(spec, refusal, observed), DegradedCondition(observed)}) {
    SetCondition(&conditions, condition, spec.generation, now);
  }
  status["conditions"] = std::move(conditions);
  status["replicas"] = observed.pods.size();
  status["readyReplicas"] = std::count_if(observed.pods.begin(), observed.pods.end(),
                                          [](const PodState& pod) { return pod.ready; });
  status["selector"] = SelectorText(spec);
  const std::string version = VersionOf(observed.pods, kube::StringMember(before, "version"));
  if (!version.empty()) status["version"] = version;
  if (observed.device.has_value() && observed.device->description.has_value()) {
    Json operations = Operations(*observed.device->description);
    if (operations.is_array() && kube::ToJsonText(operations).size() <= kMaxOperationsBytes) {
      status["operations"] = std::move(operations);
    }
  }
  return status;
}

}  // namespace fractos
