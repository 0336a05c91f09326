// Brings values that other processes own to this daemon's store before a step needs them.
#ifndef FRACTOS_DAEMON_FETCHER_H_
#define FRACTOS_DAEMON_FETCHER_H_

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "lib/base/address.h"
#include "lib/base/ids.h"
#include "lib/base/recent_map.h"
#include "lib/link/link_table.h"
#include "lib/memory/memory_store.h"
#include "lib/memory/transfer.h"
#include "lib/plan/step.h"
#include "lib/plan/value.h"

namespace fractos {

// Where the Memory of a daemon whose Links are at `endpoint` is read: at "unix:/path" the socket
// "/path.mem", at "host:port" the port after it. Empty for what is neither.
std::string MemoryEndpointOf(absl::string_view endpoint);

// Fetches values, and knows where their owners serve them: from what an owner says of itself on a
// Link, else from where its cluster's endpoints are, for bytes come from owners that no message
// ever came from. Thread-safe.
class Fetcher {
 public:
  // What was learnt first is forgotten beyond so many; whoever needs it says it again.
  static constexpr size_t kMostClusters = 4096;

  // Told of each Fetch exactly once, unless it was released before: OK when the bytes are in the
  // store; NotFound or Unavailable when their owner does not have them any more; ResourceExhausted
  // when there is no room for them now; OutOfRange when they are more than the store may ever hold;
  // another error when they cannot be kept here. Called on any thread, also inside Fetch, with no
  // lock held.
  using Fetched = std::function<void(const RunId&, const Value&, const absl::Status&)>;

  // `store` outlives the fetcher.
  Fetcher(Incarnation self, MemoryStore* store, Fetched fetched);
  // Waits for what is under way.
  ~Fetcher();

  void Learn(const ClusterView& cluster);
  void Learn(const PeerInfo& peer);
  void Forget(const Address& peer);

  void Fetch(const RunId& run, const Value& value);
  // Nobody here needs the value any more: it leaves the store, also if it has yet to come.
  void Release(const ObjectId& object);

  struct Stats {
    uint64_t fetched = 0, failed = 0, bytes = 0;
  };
  Stats stats() const;

 private:
  absl::StatusOr<std::string> WhereIs(const Incarnation& owner) ABSL_LOCKS_EXCLUDED(mutex_);
  void Keep(uint64_t id, const RunId& run, const Value& value, absl::StatusOr<UniqueFd> file);
  bool Take(uint64_t id, const ObjectId& object) ABSL_LOCKS_EXCLUDED(mutex_);

  const Incarnation self_;
  MemoryStore* const store_;
  const Fetched fetched_;

  mutable absl::Mutex mutex_;
  absl::flat_hash_map<Address, std::pair<BootId, std::string>> peers_ ABSL_GUARDED_BY(mutex_);
  RecentMap<std::string, ClusterView> clusters_ ABSL_GUARDED_BY(mutex_){kMostClusters};
  // What is under way, by the number of the Fetch: a late answer to one that was released must not
  // be taken for that of the next.
  absl::flat_hash_map<ObjectId, uint64_t> pending_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<ObjectId, uint64_t> pulls_ ABSL_GUARDED_BY(mutex_);  // what Cancel takes
  uint64_t last_id_ ABSL_GUARDED_BY(mutex_) = 0;
  Stats stats_ ABSL_GUARDED_BY(mutex_);

  std::unique_ptr<MemoryClient> client_;  // last: its threads use the rest
};

}  // namespace fractos

#endif  // FRACTOS_DAEMON_FETCHER_H_
