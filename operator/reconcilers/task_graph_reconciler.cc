#include "operator/reconcilers/task_graph_reconciler.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/api/names.h"
#include "lib/api/task_graph_record.h"
#include "lib/kube/errors.h"
#include "lib/plan/json_text.h"
#include "lib/plan/reasons.h"
#include "lib/plan/yaml.h"
#include "operator/reconcilers/device_cluster_spec.h"

namespace fractos {
namespace {

constexpr char kUnreadable[] = "the run's record cannot be read";
constexpr char kByRun[] = "run";
// A watch that does not keep up is noticed sooner, and what it follows listed anew.
constexpr std::chrono::minutes kOrphanPatience{1};
// How soon a run is taken up again that was let go of since this operator seemed to lead no more.
constexpr std::chrono::seconds kDoubtPoll{1};
// And how soon one whose record the API server refused. Less than the record store's kRefusedUntil.
constexpr std::chrono::seconds kRefusedPoll{30};
constexpr size_t kMaxOrphans = 10'000;

bool IsFinished(const kube::Object& object) { return IsTrue(object.status(), "Finished"); }

// Its own writes are no news to it, save the last.
bool MattersToRun(const kube::Object& before, const kube::Object& after) {
  return ctrl::GenerationChanged(before, after) || IsFinished(before) != IsFinished(after);
}

std::string Summary(const RunRecord& record) {
  if (record.phase != RunPhase::kSucceeded) {
    return record.failed_step.empty()
               ? record.failure.message
               : absl::StrCat(record.failed_step, ": ", record.failure.message);
  }
  return absl::StrCat(record.steps.size(), " steps in ", (record.end_us - record.start_us) / 1000,
                      " ms, ", record.transfer.hops, " hops, ", record.transfer.bytes, " bytes");
}

}  // namespace

TaskGraphReconciler::TaskGraphReconciler(Options options, ctrl::Manager* manager)
    : options_(options),
      graphs_(manager->GetCache(kTaskGraphs)),
      clusters_(manager->GetCache(kDeviceClusters)) {
  graphs_->AddIndex(kByRun, [](const kube::Object& graph) {
    return std::vector<std::string>{RunIdOf(graph.uid()).ToHex()};
  });
}

void TaskGraphReconciler::Watch(kube::WorkQueue* queue) {
  queue_ = queue;
  handler_ =
      std::make_unique<ctrl::EnqueueHandler>(queue, ctrl::EnqueueRequestForObject(), MattersToRun);
  graphs_->AddHandler(handler_.get());
  // A DeviceCluster that was accepted, or is there at all, may be what somebody waits for.
  device_handler_ = std::make_unique<ctrl::EnqueueHandler>(
      queue,
      [this](const kube::Object& cluster) {
        const absl::MutexLock lock(&mutex_);
        const auto found = waiting_.find(cluster.key().ToString());
        if (found == waiting_.end()) return std::vector<kube::ObjectKey>();
        return std::vector<kube::ObjectKey>(found->second.begin(), found->second.end());
      },
      ctrl::ResourceVersionChanged);
  clusters_->AddHandler(device_handler_.get());
}

void TaskGraphReconciler::OnDeviceChanged(const std::string& cluster) {
  std::set<kube::ObjectKey> keys;
  {
    const absl::MutexLock lock(&mutex_);
    const auto found = waiting_.find(cluster);
    if (found != waiting_.end()) keys = found->second;
  }
  if (queue_ == nullptr) return;
  for (const kube::ObjectKey& key : keys) queue_->Add(key.ToString());
}

bool TaskGraphReconciler::IsOver(const RunId& run) {
  const std::vector<kube::ObjectPtr> graphs = graphs_->ByIndex(kByRun, run.ToHex());
  const WallTime now = options_.clock->WallNow();
  const absl::MutexLock lock(&mutex_);
  if (!graphs.empty()) {
    orphans_.erase(run);
    return IsFinished(*graphs.front());
  }
  if (orphans_.size() >= kMaxOrphans) orphans_.clear();
  const WallTime since = orphans_.try_emplace(run, now).first->second;
  if (now - since < kOrphanPatience) return false;
  orphans_.erase(run);
  return true;
}

absl::StatusOr<ctrl::Result> TaskGraphReconciler::Reconcile(const ctrl::Request& request,
                                                            const std::stop_token& stop) {
  const kube::ObjectPtr object = graphs_->Get(request.key);
  std::optional<Run> run = FindRun(request.key);
  const bool gone = object == nullptr || object->deleting();
  if (run.has_value() && (gone || object->uid() != run->uid)) {
    Drop(request.key, *run);
    run.reset();
  }
  if (gone) {
    StopWaiting(request.key);
    return ctrl::Result();
  }
  if (run.has_value()) return Follow(*object, *std::move(run));
  if (IsFinished(*object)) return Expire(*object, stop);
  return Begin(*object, stop);
}

std::optional<TaskGraphReconciler::Run> TaskGraphReconciler::FindRun(
    const kube::ObjectKey& key) const {
  const absl::MutexLock lock(&mutex_);
  const auto found = runs_.find(key);
  if (found == runs_.end()) return std::nullopt;
  return found->second;
}

void TaskGraphReconciler::Drop(const kube::ObjectKey& key, const Run& run) {
  if (!run.ended) {
    options_.driver->Abandon(run.id);
    if (options_.metrics != nullptr) options_.metrics->OnRunReleased(run.mode);
  }
  options_.store->Forget(run.id);
  const absl::MutexLock lock(&mutex_);
  runs_.erase(key);
}

absl::StatusOr<ctrl::Result> TaskGraphReconciler::Follow(const kube::Object& object, Run run) {
  if (run.ended) {
    // The cache lags behind what was written; the update that brings it on comes here again.
    if (!IsFinished(object)) return ctrl::Result();
    const absl::MutexLock lock(&mutex_);
    runs_.erase(object.key());
    queue_->Add(object.key().ToString());
    return ctrl::Result();
  }
  const absl::StatusOr<RunSnapshot> snapshot = options_.driver->Snapshot(run.id);
  if (!snapshot.ok()) return snapshot.status();
  if (!snapshot->lost.ok()) return OnLost(object, run, snapshot->lost);
  if (!snapshot->finished) {
    if (kube::BoolMember(object.spec(), "cancel")) options_.driver->Cancel(run.id);
    return ctrl::Result();
  }
  options_.driver->Forget(run.id);
  options_.store->Forget(run.id);
  RunRecord record = snapshot->record;
  record.transfer = snapshot->transfer;
  record.centralized_bytes = snapshot->centralized_bytes;
  if (options_.metrics != nullptr) {
    options_.metrics->OnRunEnded(run.mode, record);
    options_.metrics->OnRunReleased(run.mode);
  }
  Say(object,
      record.phase == RunPhase::kSucceeded ? kube::EventType::kNormal : kube::EventType::kWarning,
      std::string(RunPhaseName(record.phase)), Summary(record));
  run.ended = true;
  const absl::MutexLock lock(&mutex_);
  runs_[object.key()] = std::move(run);
  // The cache may have been quicker.
  queue_->Add(object.key().ToString());
  return ctrl::Result();
}

absl::StatusOr<ctrl::Result> TaskGraphReconciler::OnLost(const kube::Object& object, const Run& run,
                                                         const absl::Status& why) {
  if (absl::IsNotFound(why)) {
    Drop(object.key(), run);
    return ctrl::Result();
  }
  options_.driver->Forget(run.id);
  options_.store->Forget(run.id);
  if (options_.metrics != nullptr) options_.metrics->OnRunReleased(run.mode);
  {
    const absl::MutexLock lock(&mutex_);
    runs_.erase(object.key());
  }
  // It seemed that another operator leads. Should it be none, the run is this one's to go on with.
  if (absl::IsCancelled(why)) return ctrl::Result{kDoubtPoll};
  // Another operator drives it, or this one's cache was behind.
  if (absl::IsAborted(why)) return kube::WithContext(why, "the run was let go of");
  Say(object, kube::EventType::kWarning, "RecordLost",
      absl::StrCat("the run's record could not be written: ", why.message()));
  // From what stands there then. Not as an error: taking it up again would be a success, so that
  // the waits never grew.
  return ctrl::Result{kRefusedPoll};
}

absl::StatusOr<ctrl::Result> TaskGraphReconciler::Begin(const kube::Object& object,
                                                        const std::stop_token& stop) {
  const absl::StatusOr<RunRecord> record = RecordFromObject(object);
  const bool started = !absl::IsNotFound(record.status());
  if (started && !record.ok()) {
    return EndUndriven(
        object, RunPhase::kFailed,
        {reason::kRecordDamaged, absl::StrCat(kUnreadable, ": ", record.status().message())}, {},
        stop);
  }
  if (!started && kube::BoolMember(object.spec(), "cancel")) {
    StopWaiting(object.key());
    return EndUndriven(
        object, RunPhase::kCancelled, {reason::kCancelled, "cancelled before it began"},
        {"Accepted", "Unknown", reason::kCancelled, "cancelled before it was looked at"}, stop);
  }
  Admission admission = Admit(
      object, [this, &object](const std::string& cluster) { return LookUp(cluster, object.ns()); },
      VisibleFrom(object.ns()));
  if (!admission.faults.empty()) {
    StopWaiting(object.key());
    const std::string faults = DescribeFaults(admission.faults);
    // A device that says something else than when the run began is not the graph's fault.
    const char* why = started ? reason::kDeviceChanged : reason::kInvalidGraph;
    return EndUndriven(object, RunPhase::kFailed, {why, faults}, {"Accepted", "False", why, faults},
                       stop);
  }
  if (!admission.plan.has_value()) return AwaitDevices(object, admission, stop);
  StopWaiting(object.key());
  if (absl::Status status = Start(object, *std::move(admission.plan), stop); !status.ok()) {
    return status;
  }
  return ctrl::Result();
}

absl::Status TaskGraphReconciler::Start(const kube::Object& object, Plan plan,
                                        const std::stop_token& stop) {
  kube::Object current = object;
  absl::StatusOr<RunRecord> record = RecordFromObject(object);
  const bool started = record.ok();
  if (started) {
    // Whoever drove it before may have written what the cache does not know yet.
    absl::StatusOr<kube::Object> live =
        options_.client->Get({stop}, {kTaskGraphs, object.ns()}, object.name());
    if (!live.ok()) return live.status();
    if (live->uid() != object.uid() || IsFinished(*live)) {
      return absl::UnavailableError(
          absl::StrCat("what is cached of TaskGraph ", object.key().ToString(),
                       " is older than what the API server has: it is looked at again"));
    }
    current = *std::move(live);
    record = RecordFromObject(current);
    if (!record.ok()) return record.status();
  } else {
    record = RunRecord();
    record->run = RunIdOf(object.uid());
    record->name = object.name();
  }
  const RunId id = record->run;
  plan.traceparent = object.annotation(kTraceparentAnnotation);
  const Run run{id, object.uid(), plan.mode, /*ended=*/false};
  const kube::ObjectKey key = object.key();
  {
    const absl::MutexLock lock(&mutex_);
    runs_[key] = run;
  }
  const uint64_t version = options_.store->Track(
      id, current, {object.ns(), object.generation(), plan.steps.size(), plan.on_failure.size()});
  const absl::Status status =
      options_.driver->Start(std::move(plan), *std::move(record), version, [this, id, key] {
        if (options_.store->IsSettled(id)) queue_->Add(key.ToString());
      });
  if (!status.ok()) {
    options_.store->Forget(id);
    const absl::MutexLock lock(&mutex_);
    runs_.erase(key);
    return status;
  }
  if (options_.metrics != nullptr) {
    if (started) {
      options_.metrics->OnRunResumed(run.mode);
    } else {
      options_.metrics->OnRunStarted(run.mode);
    }
  }
  // Cancelled while nobody drove it.
  if (kube::BoolMember(current.spec(), "cancel")) options_.driver->Cancel(id);
  return absl::OkStatus();
}

void TaskGraphReconciler::Say(const kube::Object& about, kube::EventType type,
                              const std::string& reason, const std::string& message) {
  if (options_.events != nullptr) options_.events->Event(about, type, reason, message);
}

}  // namespace fractos
