// TaskGraphs that no driver has: those that wait for devices, that end before they began, and that
// are over.
#include <algorithm>
#include <utility>

#include "lib/api/names.h"
#include "lib/api/task_graph_record.h"
#include "lib/base/limits.h"
#include "lib/kube/errors.h"
#include "lib/kube/time.h"
#include "lib/plan/duration.h"
#include "lib/plan/json_text.h"
#include "lib/plan/reasons.h"
#include "lib/plan/yaml.h"
#include "operator/reconcilers/device_cluster_spec.h"
#include "operator/reconcilers/task_graph_reconciler.h"

namespace fractos {
namespace {

// How soon a run looks again whose devices are known and only not yet to this operator.
constexpr std::chrono::seconds kQuietPoll{2};

// The epoch when `text` is none.
WallTime TimeOf(absl::string_view text) { return kube::ParseTime(text).value_or(WallTime()); }

Duration DeadlineOf(const kube::Object& object) {
  const absl::StatusOr<Duration> given =
      ParseDuration(kube::StringMember(object.spec(), "deadline"));
  return given.ok() ? std::min<Duration>(*given, kMaxDeadline) : kDefaultDeadline;
}

}  // namespace

absl::StatusOr<ctrl::Result> TaskGraphReconciler::AwaitDevices(const kube::Object& object,
                                                               const Admission& admission,
                                                               const std::stop_token& stop) {
  {
    const absl::MutexLock lock(&mutex_);
    for (const Admission::Missing& missing : admission.missing) {
      waiting_[missing.cluster].insert(object.key());
    }
  }
  const bool started = kube::IntegerMember(object.status(), "redriveEpoch") > 0;
  const WallTime now = options_.clock->WallNow();
  for (const Admission::Missing& missing : admission.missing) {
    // It came between being looked up and being waited for: nobody would tell.
    const DeviceSight sight = LookUp(missing.cluster, object.ns());
    if (IsUsable(sight, started)) return ctrl::Result{std::chrono::milliseconds(1)};
  }
  const auto deadline = std::chrono::duration_cast<WallTime::duration>(DeadlineOf(object));
  const bool quiet = std::all_of(admission.missing.begin(), admission.missing.end(),
                                 [](const Admission::Missing& missing) { return missing.quiet; });
  if (quiet && now < TimeOf(object.creation_timestamp()) + deadline) {
    return ctrl::Result{kQuietPoll};
  }
  // Only a run that was started is still here then. Nobody can drive it to its end; what its
  // daemons hold they are told to forget when they speak of it.
  if (kube::BoolMember(object.spec(), "cancel")) {
    StopWaiting(object.key());
    return EndUndriven(object, RunPhase::kCancelled,
                       {"Cancelled", "cancelled while its devices were not there"}, {}, stop);
  }
  std::vector<Diagnostic> why;
  for (const Admission::Missing& missing : admission.missing) why.push_back(missing.diagnostic);
  const std::string message = DescribeFaults(why);
  const kube::Json& accepted = FindCondition(object.status(), "Accepted");
  const bool said = kube::StringMember(accepted, "reason") == "WaitingForDevice";
  WallTime since = now;
  if (started) {
    since = TimeOf(kube::StringMember(object.status(), "startTime"));
  } else if (said) {
    since = TimeOf(kube::StringMember(accepted, "lastTransitionTime"));
  }
  const WallTime until = since + deadline;
  if (now >= until) {
    StopWaiting(object.key());
    return EndUndriven(object, RunPhase::kFailed,
                       {started ? reason::kNoReplica : reason::kUnknownDevice, message},
                       {"Accepted", "False", reason::kUnknownDevice, message}, stop);
  }
  // The record of a run that was started is not touched: it says how far it is.
  if (!started && (!said || kube::StringMember(accepted, "message") != message)) {
    kube::Object waiting = object;
    kube::Json& status = waiting.mutable_status();
    status["observedGeneration"] = object.generation();
    status["phase"] = std::string(RunPhaseName(RunPhase::kPending));
    kube::Json conditions = kube::Member(status, "conditions");
    for (const Condition& condition :
         {Condition{"Accepted", "Unknown", "WaitingForDevice", message},
          Condition{"Succeeded", "Unknown", "Pending", "the run has not begun"},
          Condition{"Finished", "False", "Pending", "the run has not begun"}}) {
      SetCondition(&conditions, condition, object.generation(), now);
    }
    status["conditions"] = std::move(conditions);
    const absl::Status written =
        options_.client->UpdateStatus({stop}, {kTaskGraphs, object.ns()}, waiting, {kFieldManager})
            .status();
    if (!written.ok() && !kube::IsNotFound(written)) return written;
    Say(object, kube::EventType::kWarning, "WaitingForDevice", message);
  }
  return ctrl::Result{until - now + std::chrono::milliseconds(10)};
}

absl::StatusOr<ctrl::Result> TaskGraphReconciler::EndUndriven(const kube::Object& object,
                                                              RunPhase phase,
                                                              const Failure& failure,
                                                              const Condition& accepted,
                                                              const std::stop_token& stop) {
  const WallTime now = options_.clock->WallNow();
  kube::Object ended = object;
  kube::Json& status = ended.mutable_status();
  const bool started = kube::IntegerMember(status, "redriveEpoch") > 0;
  kube::Json conditions = kube::Member(status, "conditions");
  SetRunConditions(&conditions, phase, failure, "", object.generation(), now);
  if (!started) SetCondition(&conditions, accepted, object.generation(), now);
  status["observedGeneration"] = object.generation();
  status["conditions"] = std::move(conditions);
  status["phase"] = std::string(RunPhaseName(phase));
  status["completionTime"] = kube::FormatMicroTime(now);
  status["failure"] = {{"reason", failure.reason}, {"message", StatusMessage(failure.message)}};
  const absl::Status written =
      options_.client->UpdateStatus({stop}, {kTaskGraphs, object.ns()}, ended, {kFieldManager})
          .status();
  if (kube::IsNotFound(written)) return ctrl::Result();
  if (!written.ok()) return kube::WithContext(written, "writing the end of the run");
  Say(object, kube::EventType::kWarning, failure.reason, failure.message);
  return ctrl::Result();
}

absl::StatusOr<ctrl::Result> TaskGraphReconciler::Expire(const kube::Object& object,
                                                         const std::stop_token& stop) {
  StopWaiting(object.key());
  if (kube::IntegerMember(object.status(), "observedGeneration") < object.generation()) {
    if (absl::Status status = Observe(object, stop); !status.ok()) return status;
  }
  const int64_t ttl = kube::IntegerMember(object.spec(), "ttlSecondsAfterFinished", -1);
  if (ttl < 0) return ctrl::Result();
  const WallTime ended = TimeOf(kube::StringMember(object.status(), "completionTime"));
  const WallTime due = ended + std::chrono::seconds(ttl);
  const WallTime now = options_.clock->WallNow();
  if (now < due) return ctrl::Result{due - now};
  kube::DeleteOptions options;
  options.uid = object.uid();
  // Somebody may have prolonged it since the cache heard of it.
  options.resource_version = object.resource_version();
  const absl::Status status =
      options_.client->Delete({stop}, {kTaskGraphs, object.ns()}, object.name(), options);
  if (status.ok() || kube::IsNotFound(status)) return ctrl::Result();
  if (kube::IsConflict(status)) return ctrl::Result{std::chrono::seconds(1)};
  return kube::WithContext(status, "deleting a run whose time is up");
}

absl::Status TaskGraphReconciler::Observe(const kube::Object& object, const std::stop_token& stop) {
  kube::Object observed = object;
  kube::Json& status = observed.mutable_status();
  status["observedGeneration"] = object.generation();
  for (kube::Json& condition : status["conditions"]) {
    condition["observedGeneration"] = object.generation();
  }
  const absl::Status written =
      options_.client->UpdateStatus({stop}, {kTaskGraphs, object.ns()}, observed, {kFieldManager})
          .status();
  // Gone, or changed once more: the cache will say.
  if (written.ok() || kube::IsNotFound(written) || kube::IsConflict(written)) {
    return absl::OkStatus();
  }
  return kube::WithContext(written, "saying that a change was seen");
}

DeviceSight TaskGraphReconciler::LookUp(const std::string& cluster, const std::string& ns) const {
  DeviceSight sight;
  const absl::StatusOr<kube::ObjectKey> key = kube::ObjectKey::Parse(cluster);
  if (!key.ok()) return sight;
  const kube::ObjectPtr object = clusters_->Get(*key);
  if (object == nullptr || object->deleting()) return sight;
  sight.exists = true;
  const absl::StatusOr<DeviceClusterSpec> spec = ReadDeviceClusterSpec(*object);
  const std::vector<std::string> access = spec.ok() ? spec->access : std::vector<std::string>();
  sight.allowed = key->ns == ns || std::find(access.begin(), access.end(), ns) != access.end();
  const kube::Json& accepted = FindCondition(object->status(), "Accepted");
  if (kube::StringMember(accepted, "status") == "False") {
    sight.why_not = kube::StringMember(accepted, "message");
  }
  const std::optional<DeviceState> state = options_.directory->Find(cluster);
  sight.published = state.has_value();
  if (state.has_value() && state->description.has_value()) {
    sight.description = state->description;
    return sight;
  }
  // What it said to the operator before this one will do until its replicas are reached.
  const kube::Json& operations = kube::Member(object->status(), "operations");
  if (!operations.is_array() || operations.empty()) return sight;
  absl::StatusOr<DeviceDescription> description = ParseDeviceDescription(
      JsonText({{"device", key->name}, {"stateful", false}, {"operations", operations}}));
  if (description.ok()) sight.description = *std::move(description);
  return sight;
}

std::vector<std::string> TaskGraphReconciler::VisibleFrom(const std::string& ns) const {
  std::vector<std::string> names;
  for (const kube::ObjectPtr& cluster : clusters_->List()) {
    if (cluster->ns() == ns) names.push_back(cluster->name());
  }
  return names;
}

void TaskGraphReconciler::StopWaiting(const kube::ObjectKey& key) {
  const absl::MutexLock lock(&mutex_);
  for (auto entry = waiting_.begin(); entry != waiting_.end();) {
    entry->second.erase(key);
    entry = entry->second.empty() ? waiting_.erase(entry) : std::next(entry);
  }
}

}  // namespace fractos
