#include "operator/reconcilers/device_cluster_reconciler.h"

#include <algorithm>
#include <utility>

#include "absl/base/call_once.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "lib/api/conditions.h"
#include "lib/api/names.h"
#include "lib/base/limits.h"
#include "lib/kube/errors.h"

namespace fractos {
namespace {

constexpr char kPodsOfCluster[] = "devicecluster";
constexpr char kNameTaken[] = "NameTaken";
// How soon a cluster that waits for its turn to roll asks again, and one that waits in its turn
// looks whether it has it still: by its status the next operator finds whose turn it is.
constexpr std::chrono::seconds kTurnPoll{5};
// How long replicas that stand may take to be heard by an operator that takes over.
constexpr std::chrono::seconds kHeardWithin{10};
// How soon it is looked whether a name that somebody else had is free: nobody watches what is
// theirs.
constexpr std::chrono::seconds kTakenPoll{30};

Applier::Caches AppliedCaches(ctrl::Manager* manager) {
  Applier::Caches caches;
  for (const kube::GroupVersionResource& resource :
       {kServiceAccounts, kRoles, kRoleBindings, kServices, kNetworkPolicies, kBudgets,
        kStatefulSets, kClaims}) {
    caches[resource] = manager->GetCache(resource, kManagedSelector);
  }
  return caches;
}

bool IsOf(const kube::ObjectPtr& object, const std::string& owner_uid) {
  if (object == nullptr) return false;
  const std::optional<kube::OwnerReference> owner = object->controller_of();
  return owner.has_value() && owner->uid == owner_uid;
}

// How many replicas to keep Links to so that none of `pods` is left out.
int64_t ReplicasOf(const DeviceClusterSpec& spec, const std::vector<PodState>& pods) {
  int64_t replicas = 0;
  for (const PodState& pod : pods) {
    absl::string_view ordinal = pod.name;
    int64_t number = 0;
    if (absl::ConsumePrefix(&ordinal, absl::StrCat(spec.key.name, "-")) &&
        absl::SimpleAtoi(ordinal, &number) && number < kMaxClusterReplicas) {
      replicas = std::max(replicas, number + 1);
    }
  }
  return replicas;
}

std::vector<std::string> ClusterOfPod(const kube::Object& pod) {
  const std::string& cluster = pod.label(kClusterLabel);
  if (cluster.empty()) return {};
  return {absl::StrCat(pod.ns(), "/", cluster)};
}

}  // namespace

struct DeviceClusterReconciler::Subject {
  std::stop_token stop;
  kube::ObjectPtr object;
  DeviceClusterSpec spec;
  SpecRefusal refusal;
  int64_t replicas = 1;  // to have now
  Observed observed;
  Duration look_again{};

  void LookAgain(Duration after) {
    if (look_again == Duration::zero() || after < look_again) look_again = after;
  }
};

DeviceClusterReconciler::DeviceClusterReconciler(Options options, ctrl::Manager* manager)
    : options_(std::move(options)),
      clusters_(manager->GetCache(kDeviceClusters)),
      pods_(manager->GetCache(kPods, kManagedSelector)),
      applied_(AppliedCaches(manager)),
      applier_(options_.client, applied_) {
  pods_->AddIndex(kPodsOfCluster, ClusterOfPod);
}

void DeviceClusterReconciler::Watch(kube::WorkQueue* queue) {
  queue_ = queue;
  const auto watch = [this, queue](ctrl::ResourceCache* cache, ctrl::MapFunc map,
                                   ctrl::UpdatePredicate predicate) {
    handlers_.push_back(
        std::make_unique<ctrl::EnqueueHandler>(queue, std::move(map), std::move(predicate)));
    cache->AddHandler(handlers_.back().get());
  };
  // Its own writes, too: what it left out because the cache did not know the last one yet is
  // written once the cache does.
  watch(clusters_, ctrl::EnqueueRequestForObject(), ctrl::ResourceVersionChanged);
  watch(pods_, ctrl::EnqueueRequestForLabel(kClusterLabel), ctrl::ResourceVersionChanged);
  // Of the StatefulSet the status matters, of the rest that nobody changes it.
  for (const auto& [resource, cache] : applied_) {
    watch(cache, ctrl::EnqueueRequestForLabel(kClusterLabel), ctrl::ResourceVersionChanged);
  }
}

absl::StatusOr<ctrl::Result> DeviceClusterReconciler::Reconcile(const ctrl::Request& request,
                                                                const std::stop_token& stop) {
  // Before anything is said in a status.
  absl::call_once(turn_found_, [this] { FindTurn(); });
  const kube::ObjectPtr object = clusters_->Get(request.key);
  if (object == nullptr || object->deleting()) {
    Forget(request.key);
    return ctrl::Result();
  }
  Subject subject;
  subject.stop = stop;
  subject.object = object;
  PublishStanding(*object);
  const absl::StatusOr<DeviceClusterSpec> spec = ReadDeviceClusterSpec(*object);
  if (!spec.ok()) {
    subject.spec.key = object->key();
    subject.spec.generation = object->generation();
    subject.refusal = {"InvalidSpec", std::string(spec.status().message())};
    subject.observed.pods = PodsOf(subject.spec);
    if (absl::Status status = WriteStatus(subject); !status.ok()) return status;
    return ctrl::Result();
  }
  subject.spec = *spec;
  subject.observed.device = options_.directory->Find(spec->FullName());
  AwaitFirstWord(&subject);
  const std::optional<DeviceState>& device = subject.observed.device;
  if (device.has_value() && device->description.has_value()) {
    subject.refusal = CheckVolume(*spec, device->description->stateful);
  } else if (IsCapped(subject)) {
    subject.refusal = CheckVolume(*spec, /*stateful=*/true);
  }
  subject.replicas = subject.refusal.reason.empty() ? spec->replicas : 1;

  absl::Status status = ApplyAll(subject);
  subject.observed.pods = PodsOf(*spec);
  if (absl::IsAlreadyExists(status) && !kube::GetApiStatus(status).has_value()) {
    subject.refusal = {kNameTaken, std::string(status.message())};
    subject.LookAgain(kTakenPoll);
    status = absl::OkStatus();
  } else if (!status.ok()) {
    // Of the parts the API server knows more than the schema of a DeviceCluster can say.
    if (kube::IsInvalid(status) || kube::IsBadRequest(status) || kube::IsRefusedPatch(status)) {
      subject.refusal = {"InvalidSpec", std::string(status.message())};
    }
    // What fails because it was told to stop is no fault.
    if (!stop.stop_requested()) {
      Say(*object, kube::EventType::kWarning, "FailedApply", std::string(status.message()));
    }
  } else {
    // One that is to go has a Link until it has gone: what it ends with would be lost.
    const int64_t linked = std::max(subject.replicas, ReplicasOf(*spec, subject.observed.pods));
    options_.directory->Publish(ViewOf(*spec, linked));
  }
  // Whatever cannot be applied, a pod that is lost is missed.
  status.Update(ReleaseStuckPods(&subject));
  if (status.ok()) status = Roll(&subject);
  // Said even if not all went well: a person looks there first.
  const absl::Status written = WriteStatus(subject);
  status.Update(written);
  if (status.ok()) return ctrl::Result{subject.look_again};
  // What fails again and again is tried late; what has its time is due all the same.
  if (queue_ != nullptr && subject.look_again > Duration::zero()) {
    queue_->AddAfter(request.key.ToString(), subject.look_again);
  }
  return status;
}

// Whoever an earlier operator left in the middle of a roll-out goes on with it first, and harms no
// other device should it not get well.
void DeviceClusterReconciler::FindTurn() {
  for (const kube::ObjectPtr& cluster : clusters_->List()) {
    const kube::Json& progressing = FindCondition(cluster->status(), "Progressing");
    if (kube::StringMember(progressing, "status") == "True" &&
        kube::StringMember(progressing, "reason") == kRollingUpdate &&
        turn_.Take(cluster->key().ToString(), /*progress=*/"", options_.clock->Now())) {
      return;
    }
  }
}

// An operator that takes over applies everything once more; should that fail, the daemons that
// there are serve no worse. Not where the Service may be somebody else's: its names lead elsewhere.
void DeviceClusterReconciler::PublishStanding(const kube::Object& object) {
  DeviceClusterSpec spec;
  spec.key = object.key();
  if (options_.directory->Find(spec.FullName()).has_value()) return;
  const kube::Json& accepted = FindCondition(object.status(), "Accepted");
  if (kube::StringMember(accepted, "reason") == kNameTaken) return;
  const kube::ObjectPtr set = applier_.Find({kStatefulSets, spec.key.ns}, spec.key.name);
  const kube::ObjectPtr service = applier_.Find({kServices, spec.key.ns}, spec.key.name);
  if (!IsOf(set, object.uid()) || !IsOf(service, object.uid())) return;
  // As many as there are, and not as there should be: one that is to go leads until it goes.
  const int64_t replicas =
      std::max(kube::IntegerMember(set->spec(), "replicas", 1), ReplicasOf(spec, PodsOf(spec)));
  {
    const absl::MutexLock lock(&mutex_);
    heard_by_[spec.FullName()] = options_.clock->Now() + kHeardWithin;
  }
  options_.directory->Publish(ViewOf(spec, std::clamp<int64_t>(replicas, 1, kMaxClusterReplicas)));
}

void DeviceClusterReconciler::Forget(const kube::ObjectKey& key) {
  const std::string name = key.ToString();
  options_.directory->Withdraw(name);
  turn_.Yield(name);
  if (options_.metrics != nullptr) options_.metrics->ForgetCluster(name);
  DeviceClusterSpec spec;
  spec.key = key;
  applier_.Forget(key);
  applier_.Forget({key.ns, AccountName(spec)});
  const absl::MutexLock lock(&mutex_);
  deleted_uid_.erase(name);
  heard_by_.erase(name);
}

void DeviceClusterReconciler::AwaitFirstWord(Subject* subject) {
  const Time now = options_.clock->Now();
  const std::optional<DeviceState>& device = subject->observed.device;
  const absl::MutexLock lock(&mutex_);
  const auto found = heard_by_.find(subject->spec.FullName());
  if (found == heard_by_.end()) return;
  if ((device.has_value() && device->heard) || now >= found->second) {
    heard_by_.erase(found);
    return;
  }
  subject->observed.unheard = true;
  subject->LookAgain(found->second - now);
}

// Before the first replica has described itself, what was found out by the operator before counts:
// else each operator would start the replicas once more.
bool DeviceClusterReconciler::IsCapped(const Subject& subject) const {
  const kube::Json& accepted = FindCondition(subject.object->status(), "Accepted");
  return kube::StringMember(accepted, "reason") == "NeedsSharedVolume";
}

absl::Status DeviceClusterReconciler::ApplyAll(const Subject& subject) {
  const DeviceClusterSpec& spec = subject.spec;
  if (const std::optional<DesiredObject> claim = BuildClaim(spec); claim.has_value()) {
    if (absl::Status status = applier_.EnsureExists(subject.stop, *claim); !status.ok()) {
      return status;
    }
  }
  // While somebody leads the Lease is there; one that was deleted by hand costs the leader its
  // lead.
  const bool led =
      subject.observed.device.has_value() && subject.observed.device->leader.has_value();
  if (!led) {
    absl::Status status = applier_.EnsureExists(subject.stop, BuildLease(spec));
    if (!status.ok()) return status;
  }
  if (subject.replicas == 1) {
    absl::Status status =
        applier_.Remove(subject.stop, {kBudgets, spec.key.ns}, AccountName(spec), spec.uid);
    if (!status.ok()) return status;
  }
  for (const DesiredObject& desired : BuildObjects(spec, options_.defaults, subject.replicas)) {
    if (absl::Status status = applier_.Apply(subject.stop, desired); !status.ok()) return status;
  }
  return absl::OkStatus();
}

std::vector<PodState> DeviceClusterReconciler::PodsOf(const DeviceClusterSpec& spec) {
  std::string deleted;
  {
    const absl::MutexLock lock(&mutex_);
    const auto found = deleted_uid_.find(spec.FullName());
    if (found != deleted_uid_.end()) deleted = found->second;
  }
  std::vector<PodState> pods;
  for (const kube::ObjectPtr& pod : pods_->ByIndex(kPodsOfCluster, spec.FullName())) {
    PodState state = ReadPod(*pod);
    if (state.uid == deleted && !state.deleting) {
      state.deleting = true;
      state.ready = false;
    }
    pods.push_back(std::move(state));
  }
  // "a-10" after "a-9".
  std::sort(pods.begin(), pods.end(), [](const PodState& a, const PodState& b) {
    return std::pair(a.name.size(), a.name) < std::pair(b.name.size(), b.name);
  });
  return pods;
}

absl::Status DeviceClusterReconciler::ReleaseStuckPods(Subject* subject) {
  const WallTime now = options_.clock->WallNow();
  // What a volume holds may be written by a process that nobody can see; a person has to say that
  // it is dead.
  if (subject->spec.WritesWhatStays()) return absl::OkStatus();
  for (const PodState& pod : FindStuckPods(subject->observed.pods, now)) {
    Say(*subject->object, kube::EventType::kWarning, "ReplacingLostPod",
        absl::StrCat("pod ", pod.name,
                     " should have ended and has not, as when its node is away: it is let go of"));
    if (absl::Status status = DeletePod(*subject, pod.name, pod.uid, /*force=*/true);
        !status.ok()) {
      return status;
    }
  }
  for (const PodState& pod : subject->observed.pods) {
    if (!pod.deleting || pod.gone_by == WallTime()) continue;
    const Duration left = pod.gone_by + kStuckAfter - now;
    subject->LookAgain(std::max<Duration>(left, Duration::zero()) + std::chrono::seconds(1));
  }
  return absl::OkStatus();
}

std::string DeviceClusterReconciler::LeaderPod(const Subject& subject) const {
  const std::optional<DeviceState>& device = subject.observed.device;
  if (device.has_value() && device->leader.has_value()) {
    return subject.spec.PodName(*device->leader);
  }
  return kube::StringMember(kube::Member(subject.object->status(), "leader"), "pod");
}

absl::Status DeviceClusterReconciler::Roll(Subject* subject) {
  const DeviceClusterSpec& spec = subject->spec;
  const kube::Collection sets{kStatefulSets, spec.key.ns};
  const kube::ObjectPtr set = applier_.Find(sets, spec.key.name);
  Observed& observed = subject->observed;
  // The cache may be older than what was applied just now.
  observed.settled = set != nullptr &&
                     set->generation() >= applier_.AppliedGeneration(sets, spec.key.name) &&
                     kube::IntegerMember(set->status(), "observedGeneration") >= set->generation();
  if (!observed.settled) return absl::OkStatus();
  const std::string& revision = kube::StringMember(set->status(), "updateRevision");
  observed.rollout = PlanRollout(observed.pods, subject->replicas, revision, LeaderPod(*subject));
  const std::string name = spec.FullName();
  if (observed.rollout.outdated == 0) {
    const bool whole = std::all_of(observed.pods.begin(), observed.pods.end(),
                                   [](const PodState& pod) { return pod.ready; });
    if (whole && static_cast<int64_t>(observed.pods.size()) == subject->replicas) turn_.Yield(name);
    observed.ends_turn = turn_.holder() == name;
    if (observed.ends_turn) subject->LookAgain(kTurnPoll);
    return absl::OkStatus();
  }
  if (spec.manual) {
    turn_.Yield(name);
    return absl::OkStatus();
  }
  const std::string progress = absl::StrCat(revision, " ", observed.rollout.outdated);
  if (!turn_.Take(name, progress, options_.clock->Now())) {
    observed.waits_for_turn = true;
    observed.turn_of = turn_.holder();
    subject->LookAgain(kTurnPoll);
    return absl::OkStatus();
  }
  if (observed.rollout.action != Rollout::Action::kDelete) {
    subject->LookAgain(kTurnPoll);
    return absl::OkStatus();
  }
  Say(*subject->object, kube::EventType::kNormal, "ReplacingPod",
      absl::StrCat("pod ", observed.rollout.pod, " is of an earlier version or template",
                   observed.rollout.why.empty() ? "" : "; ", observed.rollout.why));
  return DeletePod(*subject, observed.rollout.pod, observed.rollout.uid, /*force=*/false);
}

absl::Status DeviceClusterReconciler::DeletePod(const Subject& subject, const std::string& name,
                                                const std::string& uid, bool force) {
  kube::DeleteOptions options;
  options.uid = uid;
  if (force) options.grace_period_seconds = 0;
  const absl::Status status =
      options_.client->Delete({subject.stop}, {kPods, subject.spec.key.ns}, name, options);
  // Gone, or another one of that name: the cache will say.
  if (!status.ok() && !kube::IsNotFound(status) && !kube::IsConflict(status)) {
    return kube::WithContext(status, absl::StrCat("deleting pod ", name));
  }
  const absl::MutexLock lock(&mutex_);
  deleted_uid_[subject.spec.FullName()] = uid;
  return absl::OkStatus();
}

absl::Status DeviceClusterReconciler::WriteStatus(const Subject& subject) {
  const kube::Json& before = subject.object->status();
  const kube::Json after = BuildDeviceClusterStatus(subject.spec, before, subject.refusal,
                                                    subject.observed, options_.clock->WallNow());
  if (options_.metrics != nullptr) {
    options_.metrics->OnCluster(subject.spec.FullName(), subject.spec.replicas, after);
  }
  kube::Json changed = kube::Json::object();
  for (const auto& [key, value] : after.items()) {
    if (kube::Member(before, key) != value) changed[key] = value;
  }
  if (changed.empty()) return absl::OkStatus();
  const absl::Status status =
      options_.client
          ->Patch({subject.stop}, {kDeviceClusters, subject.spec.key.ns}, subject.spec.key.name,
                  {{"status", std::move(changed)}}, {kFieldManager, "status"})
          .status();
  if (status.ok() || kube::IsNotFound(status)) return absl::OkStatus();
  return kube::WithContext(status, "writing the status");
}

void DeviceClusterReconciler::Say(const kube::Object& about, kube::EventType type,
                                  const char* reason, const std::string& message) {
  if (options_.events != nullptr) options_.events->Event(about, type, reason, message);
}

}  // namespace fractos
