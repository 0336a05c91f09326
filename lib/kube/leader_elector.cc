#include "lib/kube/leader_elector.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "lib/kube/backoff.h"
#include "lib/kube/errors.h"
#include "lib/kube/event_recorder.h"
#include "lib/kube/lease_watch.h"
#include "lib/kube/time.h"

namespace fractos::kube {
namespace {

using std::chrono::seconds;

std::string Text(Duration duration) { return absl::FormatDuration(absl::FromChrono(duration)); }

}  // namespace

absl::StatusOr<std::unique_ptr<LeaderElector>> LeaderElector::Create(
    Client* client, WaitableClock* clock, Random* random, LeaderElectionOptions options) {
  if (const absl::Status valid = Validate(options); !valid.ok()) return valid;
  return std::unique_ptr<LeaderElector>(
      new LeaderElector(client, clock, random, std::move(options)));
}

LeaderElector::LeaderElector(Client* client, WaitableClock* clock, Random* random,
                             LeaderElectionOptions options)
    : client_(client),
      clock_(clock),
      random_(random),
      options_(std::move(options)),
      alarm_(clock->NewAlarm()),
      lock_(client, options_.lock) {
  if (options_.metrics != nullptr) options_.metrics->OnLeading(false);
}

absl::Status LeaderElector::Run(const std::stop_token& stop) {
  const std::stop_callback wake(stop, [this] { alarm_->Ring(); });
  LeaseWatch watch(client_, clock_, random_->Next(), lock_.collection(), lock_.name(),
                   {[this](const Object* lease) { OnWatched(lease); },
                    [this](bool watching) { OnWatching(watching); },
                    [this](const absl::Status& error) {
                      if (options_.on_error) options_.on_error(kube::WithContext(error, "watch"));
                    }});
  watch_ = &watch;
  if (!Acquire(stop)) return absl::OkStatus();

  const ObservedLease won = ReadLease(*lock_.lease());
  if (options_.metrics != nullptr) options_.metrics->OnLeading(true);
  RecordEvent("became leader");
  std::stop_source ended;
  std::thread leader([this, &ended, leadership = Leadership{won.record.lease_transitions}] {
    options_.callbacks.on_started_leading(ended.get_token(), leadership);
  });
  const absl::Status lost = Renew(stop);
  StopLeading();
  ended.request_stop();
  options_.callbacks.on_stopped_leading();
  leader.join();
  if (options_.metrics != nullptr) options_.metrics->OnLeading(false);
  RecordEvent("stopped leading");
  // After a renewal that failed there is nothing to give back, or no way to.
  if (lost.ok() && options_.release_on_cancel) Release();
  return lost;
}

bool LeaderElector::Acquire(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    Attempt last;
    last.began = clock_->Now();
    {
      absl::MutexLock lock(&mutex_);
      read_ = observed_ ? observed_->raw : "";
    }
    const bool won = TryAcquireOrRenew(stop, Time::max());
    ReportTransition();
    if (won) return true;
    last.retry = clock_->Now() + Jitter(options_.retry_period, kElectionJitter, random_);
    // Not what is known by now: the Lease may have been given back since.
    last.raw = read_;
    while (!stop.stop_requested()) {
      const Time next = NextTry(last);
      if (clock_->Now() >= next || !alarm_->WaitUntil(next)) break;
      ReportTransition();
    }
  }
  return false;
}

Time LeaderElector::NextTry(const Attempt& last) const {
  absl::MutexLock lock(&mutex_);
  if (!observed_) return last.retry;
  if (!HeldByAnotherLocked()) return observed_->raw == last.raw ? last.retry : Time::min();
  const Time expiry = ExpiryLocked();
  // Tried already since it ran out: somebody else was faster, or the server is away.
  if (expiry <= last.began) return last.retry;
  return watching_ ? expiry : std::min(expiry, last.retry);
}

absl::Status LeaderElector::Renew(const std::stop_token& stop) {
  while (true) {
    const Time next = clock_->Now() + options_.retry_period;
    while (!stop.stop_requested() && !TakeSuspicion() && clock_->Now() < next) {
      alarm_->WaitUntil(next);
    }
    const Time deadline = std::min(clock_->Now() + options_.renew_deadline, ValidUntil());
    last_error_ = absl::OkStatus();
    while (true) {
      if (stop.stop_requested()) return absl::OkStatus();
      const Time again = clock_->Now() + options_.retry_period;
      const bool renewed = TryAcquireOrRenew(stop, deadline);
      if (stop.stop_requested()) return absl::OkStatus();
      ReportTransition();
      if (renewed) break;
      if (!taken_by_.empty()) {
        return absl::AbortedError(
            absl::StrCat("the Lease ", lock_.Describe(), " is now that of ", taken_by_));
      }
      while (!stop.stop_requested() && clock_->Now() < std::min(again, deadline)) {
        alarm_->WaitUntil(std::min(again, deadline));
      }
      if (clock_->Now() >= deadline) {
        return absl::DeadlineExceededError(
            absl::StrCat("the Lease ", lock_.Describe(), " could not be renewed in time",
                         last_error_.ok() ? "" : ": ", last_error_.message()));
      }
    }
  }
}

bool LeaderElector::TryAcquireOrRenew(const std::stop_token& stop, Time deadline) {
  LeaderElectionRecord record;
  record.holder_identity = lock_.identity();
  record.lease_duration_seconds =
      std::chrono::duration_cast<seconds>(options_.lease_duration).count();
  record.renew_time = FormatMicroTime(clock_->WallNow());
  record.acquire_time = record.renew_time;
  bool leading;
  {
    absl::MutexLock lock(&mutex_);
    leading = leading_;
  }

  if (leading) {
    const LeaderElectionRecord mine = ReadLease(*lock_.lease()).record;
    record.acquire_time = mine.acquire_time;
    record.lease_transitions = mine.lease_transitions;
    if (TryWrite(MakeContext(stop, deadline), record, false)) return true;
    if (options_.metrics != nullptr) options_.metrics->OnSlowPath();
  }

  bool expired;
  std::string seen;
  {
    absl::MutexLock lock(&mutex_);
    expired = observed_ && HeldByAnotherLocked() && ExpiryLocked() <= clock_->Now();
    if (observed_) seen = observed_->raw;
  }
  const absl::StatusOr<ObservedLease> lease = lock_.Get(MakeContext(stop, deadline));
  if (!lease.ok()) {
    if (!kube::IsNotFound(lease.status()) || !options_.create_lease) {
      Report(lease.status(), "reading");
      return false;
    }
    {
      absl::MutexLock lock(&mutex_);
      if (!leading && HeldByAnotherLocked() && ExpiryLocked() > clock_->Now()) return false;
    }
    record.acquire_time = record.renew_time;
    record.lease_transitions = 0;
    return TryWrite(MakeContext(stop, deadline), record, true);
  }
  read_ = lease->raw;
  const LeaderElectionRecord& there = lease->record;
  const bool mine = there.holder_identity == lock_.identity();
  if (leading) {
    if (!mine) {
      taken_by_ = there.holder_identity.empty() ? "nobody" : there.holder_identity;
      absl::MutexLock lock(&mutex_);
      ObserveLocked(*lease);
      return false;
    }
    record.acquire_time = there.acquire_time;
    record.lease_transitions = there.lease_transitions;
    return TryWrite(MakeContext(stop, deadline), record, false);
  }
  {
    absl::MutexLock lock(&mutex_);
    ObserveLocked(*lease);
    // What ran out by what was heard, and was renewed nevertheless: the watch hears nothing.
    if (expired && lease->raw != seen && watch_ != nullptr) watch_->Restart();
    if (HeldByAnotherLocked() && ExpiryLocked() > clock_->Now()) return false;
  }
  record.lease_transitions = there.lease_transitions + 1;
  return TryWrite(MakeContext(stop, deadline), record, false);
}

bool LeaderElector::TryWrite(const Context& context, const LeaderElectionRecord& record,
                             bool create) {
  const Time sent = clock_->Now();
  const absl::StatusOr<ObservedLease> written =
      create ? lock_.Create(context, record) : lock_.Update(context, record);
  if (!written.ok()) {
    Report(written.status(), create ? "creating" : "writing");
    return false;
  }
  absl::MutexLock lock(&mutex_);
  ObserveLocked(*written);
  // This process, or the answer, took so long that others may have taken the Lease by now.
  if (clock_->Now() >= sent + options_.lease_duration) return false;
  leading_ = true;
  valid_until_ = sent + options_.lease_duration;
  return true;
}

void LeaderElector::StopLeading() {
  absl::MutexLock lock(&mutex_);
  leading_ = false;
  suspicious_ = false;
  valid_until_ = Time::min();
  taken_by_.clear();
}

void LeaderElector::Release() {
  const Time deadline = clock_->Now() + options_.renew_deadline;
  // A renewal that was under way when this process was stopped may have come through: Conflict.
  while (clock_->Now() < deadline) {
    const Context context{{}, deadline};
    const absl::StatusOr<ObservedLease> lease = lock_.Get(context);
    if (!lease.ok()) {
      if (!kube::IsNotFound(lease.status())) Report(lease.status(), "giving back");
      return;
    }
    if (lease->record.holder_identity != lock_.identity()) return;
    LeaderElectionRecord free;
    free.lease_duration_seconds = 1;  // the API server allows no 0
    free.lease_transitions = lease->record.lease_transitions;
    free.acquire_time = free.renew_time = FormatMicroTime(clock_->WallNow());
    const absl::Status released = lock_.Update(context, free).status();
    if (released.ok()) return;
    Report(released, "giving back");
    if (!kube::IsConflict(released)) return;
  }
}

void LeaderElector::ReportTransition() {
  std::string leader = GetLeader();
  if (leader == reported_leader_) return;
  reported_leader_ = std::move(leader);
  if (options_.callbacks.on_new_leader) options_.callbacks.on_new_leader(reported_leader_);
}

void LeaderElector::Report(const absl::Status& error, absl::string_view doing) {
  last_error_ = error;
  // That somebody else was faster is how elections go.
  if (kube::IsConflict(error) || kube::IsAlreadyExists(error) || absl::IsCancelled(error)) return;
  if (!options_.on_error) return;
  options_.on_error(kube::WithContext(error, absl::StrCat(doing, " the Lease ", lock_.Describe())));
}

void LeaderElector::RecordEvent(absl::string_view what) {
  if (options_.events == nullptr || !lock_.lease()) return;
  options_.events->Event(*lock_.lease(), EventType::kNormal, "LeaderElection",
                         absl::StrCat(lock_.identity(), " ", what));
}

Context LeaderElector::MakeContext(const std::stop_token& stop, Time deadline) const {
  return {stop, std::min(deadline, Later(clock_->Now(), options_.renew_deadline / 2))};
}

// --- what a standby sees

void LeaderElector::ObserveLocked(const ObservedLease& lease) {
  if (observed_ && observed_->raw == lease.raw) return;
  observed_ = lease;
  observed_at_ = clock_->Now();
}

Time LeaderElector::ExpiryLocked() const {
  // The record's, not ours: that is what its leader counts on. Bounded, since it is hearsay.
  const int64_t length = std::clamp<int64_t>(observed_->record.lease_duration_seconds, 0,
                                             std::numeric_limits<int32_t>::max());
  return Later(observed_at_, seconds(length));
}

bool LeaderElector::HeldByAnotherLocked() const {
  return observed_ && !observed_->record.holder_identity.empty() &&
         observed_->record.holder_identity != lock_.identity();
}

void LeaderElector::OnWatched(const Object* lease) {
  {
    absl::MutexLock lock(&mutex_);
    if (leading_) {
      // Perhaps old news, for what is watched comes behind what is written. The next renewal, which
      // names the version that it replaces, finds out.
      if (lease != nullptr && ReadLease(*lease).record.holder_identity == lock_.identity()) return;
      suspicious_ = true;
    } else if (lease != nullptr) {
      ObserveLocked(ReadLease(*lease));
    }
  }
  alarm_->Ring();
}

void LeaderElector::OnWatching(bool watching) {
  {
    absl::MutexLock lock(&mutex_);
    watching_ = watching;
  }
  alarm_->Ring();
}

bool LeaderElector::TakeSuspicion() {
  absl::MutexLock lock(&mutex_);
  return std::exchange(suspicious_, false);
}

// --- what others ask

bool LeaderElector::IsLeader() const {
  absl::MutexLock lock(&mutex_);
  return leading_ && clock_->Now() < valid_until_;
}

Time LeaderElector::ValidUntil() const {
  absl::MutexLock lock(&mutex_);
  return leading_ ? valid_until_ : Time::min();
}

std::string LeaderElector::GetLeader() const {
  absl::MutexLock lock(&mutex_);
  return observed_ ? observed_->record.holder_identity : "";
}

absl::Status LeaderElector::Check(Duration tolerance) const {
  absl::MutexLock lock(&mutex_);
  if (!leading_ || clock_->Now() <= valid_until_ + tolerance) return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat("leads by the Lease ", lock_.Describe(), ", but has not renewed it for ",
                   Text(clock_->Now() - valid_until_), " more than it lasts"));
}

}  // namespace fractos::kube
