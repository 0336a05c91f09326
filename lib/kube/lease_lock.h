// A Lease (coordination.k8s.io/v1) as what several stand for election with. Semantics: client-go
// tools/leaderelection/resourcelock/leaselock.go.
#ifndef FRACTOS_LIB_KUBE_LEASE_LOCK_H_
#define FRACTOS_LIB_KUBE_LEASE_LOCK_H_

#include <map>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "lib/base/clock.h"
#include "lib/kube/client.h"
#include "lib/kube/object.h"

namespace fractos::kube {

inline const GroupVersionResource kLeases{"coordination.k8s.io", "v1", "leases"};

// What a Lease says. The times are for people and for telling one record from the next: no two
// machines agree on the time, so nobody may compare them with a clock.
struct LeaderElectionRecord {
  std::string holder_identity;  // empty: free
  int64_t lease_duration_seconds = 0;
  std::string acquire_time;  // MicroTime
  std::string renew_time;
  int64_t lease_transitions = 0;  // how often it changed hands while this Lease object lives

  bool operator==(const LeaderElectionRecord&) const = default;
};

// A Lease as the server had it.
struct ObservedLease {
  LeaderElectionRecord record;
  std::string uid;
  // Differs whenever the Lease was renewed, taken, given back, or deleted and made again, and only
  // then: its uid and spec. (resourceVersion would change with a label, too. client-go compares
  // times in whole seconds, and so misses a renewal within the second of the last.)
  std::string raw;
};

// Reads and writes one Lease, keeping what it does not know: other fields of the spec, such as
// those of coordinated leader election, labels, annotations. Needs the rights to get and update it
// by name, and to create Leases unless it is there.
//
// Not thread-safe: owned by one elector's thread. Errors are those of the client.
class LeaseLock {
 public:
  struct Options {
    std::string ns;
    std::string name;
    // Of this process alone, ever: a pod's name is taken again by its successor, which would take
    // over its Lease unnoticed.
    std::string identity;
    // Set on the Lease when it is written.
    std::map<std::string, std::string> labels;
    // An ownerReference, set likewise: the Lease goes when that object does, also when it was made
    // after that. Null: none.
    Json owner;
  };
  // `client` outlives the lock.
  LeaseLock(Client* client, Options options);

  absl::StatusOr<ObservedLease> Get(const Context& context);
  // AlreadyExists when somebody else was faster.
  absl::StatusOr<ObservedLease> Create(const Context& context, const LeaderElectionRecord& record);
  // Replaces what was last got, created or updated here: Conflict when there is something newer.
  absl::StatusOr<ObservedLease> Update(const Context& context, const LeaderElectionRecord& record);

  const std::string& identity() const { return options_.identity; }
  // "namespace/name".
  std::string Describe() const;
  Collection collection() const { return {kLeases, options_.ns}; }
  const std::string& name() const { return options_.name; }
  // The Lease as it was last got, created or updated here.
  const std::optional<Object>& lease() const { return lease_; }

 private:
  void Write(const LeaderElectionRecord& record, Object* lease) const;
  absl::StatusOr<ObservedLease> Keep(absl::StatusOr<Object> lease);

  Client* const client_;
  const Options options_;
  std::optional<Object> lease_;
};

ObservedLease ReadLease(const Object& lease);

}  // namespace fractos::kube

#endif  // FRACTOS_LIB_KUBE_LEASE_LOCK_H_
