#include "operator/reconcilers/task_graph_record_store.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/api/names.h"
#include "lib/kube/backoff.h"
#include "lib/kube/errors.h"

namespace fractos {
namespace {

constexpr std::chrono::seconds kRequestTimeout{10};
constexpr kube::BackoffOptions kBackoff{.initial = std::chrono::milliseconds(50),
                                        .factor = 2,
                                        .jitter = 1,
                                        .cap = std::chrono::seconds(5),
                                        .reset_after = {}};
// How long a record, or all of a namespace, may be refused before its runs are let go of.
constexpr std::chrono::seconds kPatience{10};
// How long that is remembered: one that is refused again within it is let go of at once. More than
// the reconciler's kRefusedPoll, after which a run is taken up again.
constexpr std::chrono::minutes kRefusedUntil{1};
// How soon the server is asked again for a namespace that is refused for so long. Each time may
// hold a writer for kRequestTimeout, as when a webhook hangs.
constexpr std::chrono::seconds kProbeEvery{10};

// Whether what was answered will not change by itself.
bool IsFinal(const absl::Status& status) {
  const std::optional<kube::ApiStatus> answer = kube::GetApiStatus(status);
  const bool too_large = answer.has_value() && answer->code == 413;
  return too_large || kube::IsInvalid(status) || kube::IsBadRequest(status) ||
         absl::IsInvalidArgument(status);
}

// Whether the server is there and would not write this now. One that takes a request and says
// nothing waits for an admission webhook, as far as anybody can tell.
bool IsRefusal(const absl::Status& status) {
  return !IsFinal(status) &&
         (kube::GetApiStatus(status).has_value() || absl::IsDeadlineExceeded(status));
}

}  // namespace

uint64_t TaskGraphRecordStore::Track(const RunId& run, const kube::Object& task_graph,
                                     const StatusContext& context) {
  Entry entry;
  entry.object = task_graph;
  entry.context = context;
  entry.redrive = static_cast<uint64_t>(kube::IntegerMember(task_graph.status(), "redriveEpoch"));
  const absl::MutexLock lock(&mutex_);
  entries_[run] = std::move(entry);
  return 1;
}

void TaskGraphRecordStore::Forget(const RunId& run) {
  const absl::MutexLock lock(&mutex_);
  entries_.erase(run);
}

bool TaskGraphRecordStore::IsSettled(const RunId& run) const {
  const absl::MutexLock lock(&mutex_);
  const auto found = entries_.find(run);
  return found == entries_.end() || found->second.settled;
}

absl::StatusOr<RecordStore::Versioned> TaskGraphRecordStore::Load(const RunId& run) {
  const absl::MutexLock lock(&mutex_);
  const auto found = entries_.find(run);
  if (found == entries_.end()) return absl::NotFoundError("the run is not tracked");
  absl::StatusOr<RunRecord> record = RecordFromObject(found->second.object);
  if (!record.ok()) return record.status();
  return Versioned{*std::move(record), found->second.version};
}

absl::StatusOr<uint64_t> TaskGraphRecordStore::Write(const RunRecord& record, uint64_t version) {
  Entry entry;
  {
    const absl::MutexLock lock(&mutex_);
    const auto found = entries_.find(record.run);
    if (found == entries_.end()) return absl::NotFoundError("the run is not tracked");
    if (found->second.version != version) {
      return absl::AbortedError("the record has another version");
    }
    entry = found->second;
  }
  kube::Backoff backoff(kBackoff, options_.random);
  // The same for all tries: one that came through unheard is known by being equal.
  const WallTime said_at = options_.clock->WallNow();
  // Others of the namespace may be written meanwhile.
  std::optional<Time> refused_since;
  while (true) {
    if (options_.stop.stop_requested() || (options_.leads != nullptr && !options_.leads())) {
      return Settle(record.run, absl::CancelledError("this operator leads no more"));
    }
    if (const absl::Status known = MayAsk(entry.context.ns); !known.ok()) {
      if (options_.on_error != nullptr) options_.on_error(entry.object, known);
      return Settle(record.run, known);
    }
    const Time start = options_.clock->Now();
    const absl::Status status = TryWrite(record, said_at, &entry);
    const Time end = options_.clock->Now();
    const bool all_refused = NoteAnswer(entry.context.ns, start, status);
    if (options_.metrics != nullptr) {
      options_.metrics->OnRecordWrite(status.ok()               ? RecordWrite::kOk
                                      : absl::IsAborted(status) ? RecordWrite::kConflict
                                                                : RecordWrite::kError,
                                      end - start);
    }
    if (status.ok()) break;
    if (absl::IsAborted(status) || absl::IsNotFound(status)) return Settle(record.run, status);
    if (options_.on_error != nullptr) options_.on_error(entry.object, status);
    if (!IsRefusal(status)) {
      refused_since.reset();
    } else if (!refused_since.has_value()) {
      refused_since = end;
    }
    const bool refused = refused_since.has_value() && end - *refused_since >= kPatience;
    if (IsFinal(status) || refused || all_refused) return Settle(record.run, status);
    const Duration wait =
        std::max(backoff.Next(options_.clock->Now()), kube::SuggestsRetryAfter(status));
    kube::SleepFor(*options_.clock, wait, options_.stop);
  }
  if (options_.metrics != nullptr && entry.redrive != 0 && record.redrive > entry.redrive) {
    options_.metrics->OnRedrive(record.phase == RunPhase::kFailing);
  }
  entry.redrive = record.redrive;
  entry.settled = IsEnd(record.phase);
  const absl::MutexLock lock(&mutex_);
  const auto found = entries_.find(record.run);
  if (found == entries_.end()) return absl::NotFoundError("the run is not tracked");
  entry.version = found->second.version + 1;
  found->second = std::move(entry);
  return found->second.version;
}

absl::Status TaskGraphRecordStore::TryWrite(const RunRecord& record, WallTime said_at,
                                            Entry* entry) {
  // Twice: a conflict that is none is resolved and tried again at once.
  absl::Status last;
  for (int tries = 0; tries < 2; ++tries) {
    kube::Object attempted = entry->object;
    // Of what is observed a change of spec.cancel is part, too: `kubectl wait` takes a condition of
    // an older generation for none.
    entry->context.generation = attempted.generation();
    attempted.json()["status"] =
        StatusFromRecord(record, entry->context, entry->object.status(), said_at);
    const kube::Context context{options_.stop, options_.clock->Now() + kRequestTimeout};
    absl::StatusOr<kube::Object> written = options_.client->UpdateStatus(
        context, {kTaskGraphs, attempted.ns()}, attempted, {kFieldManager});
    if (written.ok()) {
      entry->object = *std::move(written);
      return absl::OkStatus();
    }
    last = written.status();
    if (kube::IsNotFound(last)) return absl::NotFoundError("the TaskGraph was deleted");
    if (!kube::IsConflict(last)) return last;
    const absl::StatusOr<bool> came_through = Resolve(attempted, entry);
    if (!came_through.ok()) return came_through.status();
    if (*came_through) return absl::OkStatus();
  }
  // Somebody changes the object all the time.
  return absl::UnavailableError(last.message());
}

// After a conflict: whether the write had come through although nobody heard of it. If not, it can
// be tried again on the object as it is now.
absl::StatusOr<bool> TaskGraphRecordStore::Resolve(const kube::Object& attempted, Entry* entry) {
  const kube::Context context{options_.stop, options_.clock->Now() + kRequestTimeout};
  absl::StatusOr<kube::Object> now =
      options_.client->Get(context, {kTaskGraphs, attempted.ns()}, attempted.name());
  if (kube::IsNotFound(now.status()) || (now.ok() && now->uid() != attempted.uid())) {
    return absl::NotFoundError("the TaskGraph was deleted");
  }
  if (!now.ok()) return now.status();
  // As texts: what is no UTF-8 in a failure's message the server has as U+FFFD.
  const bool ours = kube::ToJsonText(now->status()) == kube::ToJsonText(attempted.status());
  // Before a run has begun its status is nobody's record: it says what is waited for.
  const bool begun = entry->redrive > 0 || kube::IntegerMember(now->status(), "redriveEpoch") > 0;
  if (!ours && begun && now->status() != entry->object.status()) {
    return absl::AbortedError("somebody else has written the run's record");
  }
  entry->object = *std::move(now);
  return ours;
}

bool TaskGraphRecordStore::Refused::ForLong() const { return last - since >= kPatience; }

absl::Status TaskGraphRecordStore::MayAsk(const std::string& ns) {
  const absl::MutexLock lock(&mutex_);
  const auto found = refused_.find(ns);
  if (found == refused_.end() || !found->second.ForLong()) return absl::OkStatus();
  Refused& refused = found->second;
  if (refused.probing || options_.clock->Now() - refused.last < kProbeEvery) return refused.status;
  refused.probing = true;
  return absl::OkStatus();
}

bool TaskGraphRecordStore::NoteAnswer(const std::string& ns, Time start,
                                      const absl::Status& status) {
  const Time now = options_.clock->Now();
  const absl::MutexLock lock(&mutex_);
  std::erase_if(refused_,
                [now](const auto& entry) { return now - entry.second.last > kRefusedUntil; });
  if (status.ok()) refused_.erase(ns);
  const auto found = refused_.find(ns);
  if (found != refused_.end()) found->second.probing = false;
  if (!IsRefusal(status)) return false;
  Refused& refused = refused_.try_emplace(ns, Refused{now, now, status}).first->second;
  // An error that passed is not where a later one begins.
  if (!refused.ForLong() && start - refused.last > kPatience) refused.since = now;
  refused.last = now;
  refused.status = status;
  return refused.ForLong();
}

absl::Status TaskGraphRecordStore::Settle(const RunId& run, absl::Status why) {
  const absl::MutexLock lock(&mutex_);
  const auto found = entries_.find(run);
  if (found != entries_.end()) found->second.settled = true;
  return why;
}

}  // namespace fractos
