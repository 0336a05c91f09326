// Election by a Lease of Kubernetes, for replicas in pods.
#ifndef FRACTOS_DAEMON_ELECTION_LEASE_ELECTION_H_
#define FRACTOS_DAEMON_ELECTION_LEASE_ELECTION_H_

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "daemon/election/election.h"
#include "lib/base/address.h"
#include "lib/base/clock.h"
#include "lib/base/limits.h"
#include "lib/base/random.h"
#include "lib/kube/client.h"
#include "lib/kube/waitable_clock.h"

namespace fractos {

// A Lease says who is believed to be alive; it fences nothing. So the winner raises the
// DeviceCluster's epoch before it says OnElected:
//
//   win the Lease ── read the DeviceCluster ── PUT its status:  leaderEpoch := max(itself,
//        ▲                                      leaseTransitions, epochs told of) + 1
//        │              conflict: is the Lease ours still? then once more
//        └── lost meanwhile: nobody was told anything
//
// and is told OnElected once the API server has acknowledged that write, if it has the Lease still.
// It leads no more (OnDeposed) when it cannot renew within the renew deadline, when another's name
// is in the Lease, on StepDown and on Resign, which also give the Lease back, so that the next
// replica leads within a round trip or two instead of the lease's duration.
//
// Followers watch the Lease. Who leads they read from its label; under which epoch, its Link says,
// so OnLeader's epoch is 0 here: not known.
//
// The right it needs are get, watch and update of its Lease, and get of its DeviceCluster and
// update of its status, each by name. The Lease is made by the operator: while there is none, this
// waits, and says so.
//
// Threads: one runs the election, one finds out who leads; lib/kube adds one for the watch, and one
// while it leads, on which the epoch is raised. Nothing is called on the caller's.
class LeaseElection final : public Election {
 public:
  struct Options {
    Incarnation self;     // its boot id is the nonce of the identity "podUID/nonce"
    std::string ns;       // of Lease, DeviceCluster and pod
    std::string cluster;  // the DeviceCluster's name
    std::string lease;
    std::string pod;
    std::string pod_uid;
    std::string endpoint;  // where others reach this replica's Links: "host:port"
    Duration lease_duration = kDefaultLeaseDuration;
    Duration renew_deadline = kDefaultRenewDeadline;
    Duration retry_period = kDefaultRetryPeriod;
  };

  // InvalidArgument when a text is missing or the times do not fit together
  // (kube::LeaderElectionOptions). All pointers outlive the election; `random` is thread-safe.
  static absl::StatusOr<std::unique_ptr<LeaseElection>> Create(Options options,
                                                               kube::Client* client,
                                                               kube::WaitableClock* clock,
                                                               Random* random,
                                                               ElectionObserver* observer);
  // Waits for what is under way: giving back the Lease takes a round trip, or the renew deadline
  // when the API server is away.
  ~LeaseElection() override;

  void Start() override;
  void StepDown(uint64_t seen) override;
  void Resign() override;

  // An error when this replica leads by a Lease that it has not renewed for `tolerance` longer than
  // it lasts: the process hangs.
  absl::Status Check(Duration tolerance) const;

 private:
  class Impl;
  explicit LeaseElection(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// The number at the end of a StatefulSet's pod's name: 2 of "storage-2". None when there is no such
// number, or it is over 9999.
std::optional<uint32_t> PodOrdinal(absl::string_view pod);

}  // namespace fractos

#endif  // FRACTOS_DAEMON_ELECTION_LEASE_ELECTION_H_
