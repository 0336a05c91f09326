#include "operator/reconcilers/rollout.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "lib/api/conditions.h"
#include "lib/api/names.h"
#include "lib/kube/time.h"

namespace fractos {
namespace {

// A container that ended badly this often does so again.
constexpr int64_t kEndsAgain = 2;

// Reasons for waiting that pass by themselves.
bool IsOrdinary(const std::string& reason) {
  return reason.empty() || reason == "ContainerCreating" || reason == "PodInitializing";
}

// What the container said as it ended, on one line.
std::string LastWords(const kube::Json& terminated) {
  std::string text = kube::StringMember(terminated, "message");
  absl::StripAsciiWhitespace(&text);
  absl::StrReplaceAll({{"\n", "; "}}, &text);
  const std::string code = absl::StrCat("exit code ", kube::IntegerMember(terminated, "exitCode"));
  return text.empty() ? code : absl::StrCat(code, ": ", text);
}

// Why this container does not work, into `state`; false if nothing is known to be wrong.
bool ReadContainer(const kube::Json& status, PodState* state) {
  const kube::Json& current = kube::Member(status, "state");
  const kube::Json& waiting = kube::Member(current, "waiting");
  const kube::Json* ended = &kube::Member(current, "terminated");
  if (!ended->is_object()) ended = &kube::Member(kube::Member(status, "lastState"), "terminated");
  const bool failed = ended->is_object() && kube::IntegerMember(*ended, "exitCode") != 0;
  std::string reason = kube::StringMember(waiting, "reason");
  std::string message = kube::StringMember(waiting, "message");
  if (IsOrdinary(reason)) {
    // Between two starts there is no back-off to see.
    if (!failed || kube::IntegerMember(status, "restartCount") < kEndsAgain) return false;
    reason = kube::StringMember(*ended, "reason");
    if (reason.empty()) reason = "Error";
    message = LastWords(*ended);
  } else if (failed) {
    message = LastWords(*ended);  // says more than that it is waited for
  }
  state->trouble = reason;
  state->trouble_message =
      absl::StrCat("pod ", state->name, ", container ", kube::StringMember(status, "name"), ": ",
                   message.empty() ? reason : message);
  return true;
}

void ReadTrouble(const kube::Object& pod, PodState* state) {
  const kube::Json& statuses = kube::Member(pod.status(), "containerStatuses");
  for (const kube::Json& each : statuses.is_array() ? statuses : kube::Json::array()) {
    if (ReadContainer(each, state)) return;
  }
  const kube::Json& conditions = kube::Member(pod.status(), "conditions");
  for (const kube::Json& each : conditions.is_array() ? conditions : kube::Json::array()) {
    if (kube::StringMember(each, "type") != "PodScheduled" ||
        kube::StringMember(each, "status") != "False") {
      continue;
    }
    state->trouble = kube::StringMember(each, "reason");
    state->trouble_message =
        absl::StrCat("pod ", state->name, ": ", kube::StringMember(each, "message"));
    return;
  }
  if (kube::StringMember(pod.status(), "phase") == "Failed") {
    const std::string& reason = kube::StringMember(pod.status(), "reason");
    state->trouble = reason.empty() ? "Failed" : reason;
    state->trouble_message =
        absl::StrCat("pod ", state->name, ": ", kube::StringMember(pod.status(), "message"));
  }
}

}  // namespace

PodState ReadPod(const kube::Object& pod) {
  PodState state;
  state.name = pod.name();
  state.uid = pod.uid();
  state.revision = pod.label(kRevisionLabel);
  state.version = pod.label(kVersionLabel);
  state.deleting = pod.deleting();
  if (state.deleting) {
    state.gone_by = kube::ParseTime(kube::StringMember(pod.metadata(), "deletionTimestamp"))
                        .value_or(WallTime());
  }
  state.ready = !state.deleting && IsTrue(pod.status(), "Ready");
  if (!state.ready) ReadTrouble(pod, &state);
  return state;
}

Rollout PlanRollout(const std::vector<PodState>& pods, int64_t replicas,
                    const std::string& update_revision, const std::string& leader) {
  Rollout rollout;
  // The StatefulSet's controller has not looked at it yet.
  if (update_revision.empty()) {
    rollout.action = Rollout::Action::kWait;
    rollout.why = "the StatefulSet has no revision yet";
    return rollout;
  }
  const PodState* broken = nullptr;
  const PodState* follower = nullptr;
  const PodState* last = nullptr;
  std::string waits_for;
  for (const PodState& pod : pods) {
    const bool outdated = pod.revision != update_revision;
    if (outdated) ++rollout.outdated;
    if (pod.deleting) {
      waits_for = absl::StrCat("pod ", pod.name, " is ending");
    } else if (outdated && !pod.ready) {
      broken = &pod;
    } else if (!pod.ready) {
      waits_for = absl::StrCat("pod ", pod.name, " is not ready",
                               pod.trouble.empty() ? "" : ": " + pod.trouble);
    } else if (outdated && pod.name == leader) {
      last = &pod;
    } else if (outdated) {
      follower = &pod;  // the highest ordinal: pods come in order
    }
  }
  if (rollout.outdated == 0) return rollout;
  rollout.action = Rollout::Action::kWait;
  if (!waits_for.empty()) {
    rollout.why = waits_for;
    return rollout;
  }
  const PodState* next = broken;
  if (next == nullptr && static_cast<int64_t>(pods.size()) < replicas) {
    rollout.why = absl::StrCat(pods.size(), " of ", replicas, " pods are there");
    return rollout;
  }
  if (next == nullptr && leader.empty() && replicas > 1) {
    rollout.why = "nobody is known to lead";
    return rollout;
  }
  if (next == nullptr) next = follower != nullptr ? follower : last;
  rollout.action = Rollout::Action::kDelete;
  rollout.pod = next->name;
  rollout.uid = next->uid;
  rollout.why = next == broken ? "it does not work"
                               : (next == last ? "all others are new: it hands off" : "");
  return rollout;
}

std::vector<PodState> FindStuckPods(const std::vector<PodState>& pods, WallTime now) {
  std::vector<PodState> stuck;
  for (const PodState& pod : pods) {
    if (pod.deleting && pod.gone_by != WallTime() && now > pod.gone_by + kStuckAfter) {
      stuck.push_back(pod);
    }
  }
  return stuck;
}

bool RolloutTurn::Take(const std::string& cluster, const std::string& progress, Time now) {
  const absl::MutexLock lock(&mutex_);
  if (!holder_.empty() && holder_ != cluster && now - since_ < kPatience) return false;
  if (holder_ != cluster || progress_ != progress) since_ = now;
  holder_ = cluster;
  progress_ = progress;
  return true;
}

void RolloutTurn::Yield(const std::string& cluster) {
  const absl::MutexLock lock(&mutex_);
  if (holder_ == cluster) holder_.clear();
}

std::string RolloutTurn::holder() const {
  const absl::MutexLock lock(&mutex_);
  return holder_;
}

}  // namespace fractos
