// Who of several processes leads, by a Lease. Semantics: client-go
// tools/leaderelection/leaderelection.go; where it differs, for a reason given below.
//
// A Lease says who is believed to be alive. It fences nothing: a process that was paused may act
// for a moment as if it still led. Whoever acts as leader has to carry a number that those it acts
// on compare (an epoch), made from Leadership or better.
//
// The actors: a *leader* renews the Lease every retry_period. A *standby* watches the Lease and
// counts, on its own monotonic clock, from when it saw the last change; when leaseDurationSeconds
// of the record have passed without another, it takes the Lease. No two clocks are ever compared.
//
//   leader:    |renew    |renew    |renew x dies
//   standby:    :seen     :seen     :seen ------- lease duration ------- takes over
//
// What differs from client-go:
//   * A standby does not poll while its watch of the Lease works: it counts from what the watch
//     says, and reads the Lease before it takes it. Without the watch it polls as client-go does.
//   * A leader holds the Lease until lease_duration after it *sent* the last renewal that came
//     through, not after the answer came; each request ends before that.
//   * A leader that sees another's name in the Lease stops at once, not at its deadline.
//   * A Lease that is deleted by hand is not free for standbys before the last record they saw has
//     run out: its leader, which does not know yet, makes it again first.
//   * leaseTransitions grows with each process that takes the Lease, also when its name is in it.
//   * OnStoppedLeading is called only after OnStartedLeading, and before the Lease is given back,
//     not after: the next leader may start once it is given back.
#ifndef FRACTOS_LIB_KUBE_LEADER_ELECTOR_H_
#define FRACTOS_LIB_KUBE_LEADER_ELECTOR_H_

#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "lib/base/random.h"
#include "lib/kube/client.h"
#include "lib/kube/leader_election_options.h"
#include "lib/kube/lease_lock.h"
#include "lib/kube/waitable_clock.h"

namespace fractos::kube {

class LeaseWatch;

// Run blocks its thread and has one more for the watch, while it runs. The rest is thread-safe.
class LeaderElector {
 public:
  // InvalidArgument as Validate says. All pointers outlive the elector; `random` is used on Run's
  // thread alone.
  static absl::StatusOr<std::unique_ptr<LeaderElector>> Create(Client* client, WaitableClock* clock,
                                                               Random* random,
                                                               LeaderElectionOptions options);

  // Stands for election, leads, and returns when it leads no more or `stop` is requested. May be
  // called again after that. OK when stopped, else why leadership was lost.
  absl::Status Run(const std::stop_token& stop);

  // Whether this process leads: has the Lease, and it has not run out.
  bool IsLeader() const;
  // Until when, unless renewed; Time::min() when it does not lead.
  Time ValidUntil() const;
  // The holder that was last seen; empty when none was.
  std::string GetLeader() const;
  // An error when this process leads but has not renewed for the lease's duration and `tolerance`
  // more: it hangs, and should be ended from outside.
  absl::Status Check(Duration tolerance) const;

 private:
  LeaderElector(Client* client, WaitableClock* clock, Random* random,
                LeaderElectionOptions options);

  // What was known when this process tried last to become leader.
  struct Attempt {
    Time began;
    Time retry;       // when to try again if nothing else is known
    std::string raw;  // the record that it went by
  };

  // Until this process leads; false when stopped.
  bool Acquire(const std::stop_token& stop);
  // When a standby tries next, as far as is known now.
  Time NextTry(const Attempt& last) const;
  // While it leads. Why no more; OK when stopped.
  absl::Status Renew(const std::stop_token& stop);
  // Whether the Lease is this process's after it. Requests end at `deadline`.
  bool TryAcquireOrRenew(const std::stop_token& stop, Time deadline);
  // Writes the record over what lock_ has, or creates it, and takes note when that is done.
  bool TryWrite(const Context& context, const LeaderElectionRecord& record, bool create);
  void Release();
  void StopLeading();
  void ReportTransition();
  void Report(const absl::Status& error, absl::string_view doing);
  void RecordEvent(absl::string_view what);
  // Bounds one request: half of renew_deadline, so that there is time for another.
  Context MakeContext(const std::stop_token& stop, Time deadline) const;

  void ObserveLocked(const ObservedLease& lease) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Time ExpiryLocked() const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  bool HeldByAnotherLocked() const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  // Of the watch's thread. `lease` null: it was deleted.
  void OnWatched(const Object* lease);
  void OnWatching(bool watching);
  bool TakeSuspicion();

  Client* const client_;
  WaitableClock* const clock_;
  Random* const random_;
  const LeaderElectionOptions options_;
  const std::unique_ptr<Alarm> alarm_;  // rings when something changed that Run's thread waits for

  // Of Run's thread.
  LeaseLock lock_;
  LeaseWatch* watch_ = nullptr;
  std::string reported_leader_;
  std::string read_;         // the record that the last attempt went by
  std::string taken_by_;     // not empty: another's name is in the Lease that was ours
  absl::Status last_error_;  // of a renewal

  mutable absl::Mutex mutex_;
  // As a standby sees it.
  std::optional<ObservedLease> observed_ ABSL_GUARDED_BY(mutex_);
  Time observed_at_ ABSL_GUARDED_BY(mutex_);  // when it changed last
  bool watching_ ABSL_GUARDED_BY(mutex_) = false;
  // As a leader.
  bool leading_ ABSL_GUARDED_BY(mutex_) = false;
  Time valid_until_ ABSL_GUARDED_BY(mutex_) = Time::min();
  bool suspicious_ ABSL_GUARDED_BY(mutex_) = false;  // the watch says it is no more
};

}  // namespace fractos::kube

#endif  // FRACTOS_LIB_KUBE_LEADER_ELECTOR_H_
