// What this process knows of the replicas that it drives.
#ifndef FRACTOS_CLI_REPLICA_REGISTRY_H_
#define FRACTOS_CLI_REPLICA_REGISTRY_H_

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "cli/progress_view.h"
#include "lib/base/address.h"
#include "lib/base/clock.h"
#include "lib/link/codec.h"
#include "lib/plan/operation.h"
#include "lib/plan/plan.h"

namespace fractos {

// What is known of one daemon.
struct ReplicaState {
  Address address;
  bool linked = false;
  uint64_t epoch = 0;  // not 0: leads
  bool described = false;
};

// Knows which replicas are linked, who leads, and what each device says of itself; fed by a
// Driver's callbacks. Thread-safe.
class ReplicaRegistry {
 public:
  void OnPeer(const PeerInfo& peer);
  // Whether there had been a Link at all: a daemon that is still starting is told of as lost, too.
  bool OnPeerLost(const Address& peer);
  // For whoever watches; TakeNews gives it, and who leads in the place of another, once.
  void Tell(ReplicaNews news);
  std::vector<ReplicaNews> TakeNews();
  // Ends AwaitLeaders with this error.
  void Fail(const absl::Status& why);

  // Until each of `clusters` has a leader that has described its device: what they say.
  // DeadlineExceeded names a cluster that has none; InvalidArgument one whose description cannot be
  // understood.
  absl::StatusOr<Descriptions> AwaitLeaders(const std::vector<std::string>& clusters,
                                            Duration timeout);
  // Until every one of `replicas` is linked and has described its device; false when some are not
  // in time.
  bool AwaitReplicas(const std::vector<Address>& replicas, Duration timeout);
  bool IsLinked(const Address& peer) const;
  // Whether a daemon of it has ever described its device.
  bool WasReady(const std::string& cluster) const;
  ReplicaState StateOf(const Address& peer) const;

 private:
  // The first of `clusters` that is not ready; empty: all are.
  std::string FirstUnready(const std::vector<std::string>& clusters) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable absl::Mutex mutex_;
  std::map<Address, PeerInfo> peers_ ABSL_GUARDED_BY(mutex_);
  std::set<std::string> were_ready_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, uint64_t> epochs_ ABSL_GUARDED_BY(mutex_);  // the highest, by cluster
  std::vector<ReplicaNews> news_ ABSL_GUARDED_BY(mutex_);
  absl::Status failed_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace fractos

#endif  // FRACTOS_CLI_REPLICA_REGISTRY_H_
