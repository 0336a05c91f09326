// How a LeaderElector stands for election, and whom it tells.
#ifndef FRACTOS_LIB_KUBE_LEADER_ELECTION_OPTIONS_H_
#define FRACTOS_LIB_KUBE_LEADER_ELECTION_OPTIONS_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "lib/base/clock.h"
#include "lib/base/random.h"
#include "lib/kube/lease_lock.h"

namespace fractos::kube {

class EventRecorder;

// What was won: of one Lease object, each turn of leadership has a higher number than those before.
struct Leadership {
  int64_t lease_transitions = 0;
};

// None may be empty but OnNewLeader.
struct LeaderCallbacks {
  // This process leads. On a thread of its own; `stop` is requested when it leads no more, and it
  // has to return soon then: Run waits for it.
  std::function<void(const std::stop_token& stop, const Leadership& leadership)> on_started_leading;
  // It leads no more. On Run's thread, at once when that is known: what must not happen without
  // leadership is to be stopped here.
  std::function<void()> on_stopped_leading;
  // Another (or this) process is seen to lead; empty: none does. On Run's thread, must be quick.
  std::function<void(const std::string& identity)> on_new_leader;
};

// For leader_election_master_status{name} and leader_election_slowpath_total{name}. Called on Run's
// thread.
class LeaderElectionMetrics {
 public:
  virtual ~LeaderElectionMetrics() = default;
  virtual void OnLeading(bool leading) = 0;
  // A renewal that needed to read the Lease first.
  virtual void OnSlowPath() = 0;
};

struct LeaderElectionOptions {
  LeaseLock::Options lock;
  // How long standbys wait after the last change they saw. Whole seconds.
  Duration lease_duration = std::chrono::seconds(15);
  // How long a leader goes on trying to renew.
  Duration renew_deadline = std::chrono::seconds(10);
  Duration retry_period = std::chrono::seconds(2);
  // Whether the Lease is given back when Run is stopped, so that another leads at once.
  bool release_on_cancel = false;
  // Whether a Lease that is not there is made. Else somebody else makes it: it is waited for, and
  // that it is missing is an error told of.
  bool create_lease = true;
  LeaderCallbacks callbacks;
  // May be null; outlives the elector.
  LeaderElectionMetrics* metrics = nullptr;
  // May be null, else told on the Lease who became leader and who stopped; outlives the elector.
  EventRecorder* events = nullptr;
  // Told what goes wrong, on Run's thread or the watch's; may be empty. It goes on trying.
  std::function<void(const absl::Status&)> on_error;
};

// Beyond renew_deadline + retry_period, when a leader gives up at the latest, this much must be
// left of the lease for its callback to take effect.
inline constexpr Duration kLeaseMargin = std::chrono::milliseconds(500);

// A standby without a watch waits retry_period and by chance up to this many times more.
inline constexpr double kElectionJitter = 1.2;

// InvalidArgument, naming the field, unless
// lease_duration >= renew_deadline + retry_period + kLeaseMargin and
// renew_deadline > kElectionJitter * retry_period, all are positive, lease_duration is in whole
// seconds, the lock has a name, a namespace and an identity, and no callback is missing.
absl::Status Validate(const LeaderElectionOptions& options);

// An identity for LeaseLock::Options: "hostname_" and 128 bits of chance.
std::string UniqueIdentity(absl::string_view hostname, Random& random);

}  // namespace fractos::kube

#endif  // FRACTOS_LIB_KUBE_LEADER_ELECTION_OPTIONS_H_
