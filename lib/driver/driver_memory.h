// The driver's own Memory, and how the values that its runs ask for come there.
#ifndef FRACTOS_LIB_DRIVER_DRIVER_MEMORY_H_
#define FRACTOS_LIB_DRIVER_DRIVER_MEMORY_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "lib/base/address.h"
#include "lib/base/ids.h"
#include "lib/base/random.h"
#include "lib/base/unique_fd.h"
#include "lib/driver/core/run_core.h"
#include "lib/link/codec.h"
#include "lib/memory/memory_store.h"
#include "lib/memory/transfer.h"
#include "lib/plan/value.h"

namespace fractos {

// Keeps values for runs: those that travel inline at once, others when they have been pulled from
// their owners. Thread-safe, except that what it says of one run is the caller's: whoever guards
// the run guards its OfRun, too.
class DriverMemory {
 public:
  // Pulls under way: what the client cancels, by a number of our own.
  using Pulls = std::map<uint64_t, uint64_t>;
  // Of one run. The pulls go to Cancel when the run needs them no more, and all of it to Release at
  // its end; nothing does so by itself.
  struct OfRun {
    Pulls pulls;
    std::vector<ObjectId> objects;  // kept for it
  };
  // A pull that has ended: the value, not yet kept for the run, or why it did not come.
  struct Pulled {
    uint64_t number = 0;
    StepPath step;
    absl::StatusOr<Value> value;
  };
  using OnPulled = std::function<void(const RunId&, Pulled)>;

  // `quota_bytes` bounds what is kept and what is on its way, together. `on_pulled` is called once
  // for each pull, cancelled or not, without a lock: on a thread of the client's, within Cancel, or
  // within the destructor, never within Bring. It hands what it gets to Keep, and to Drop if that
  // says so or the run has gone. `random` outlives this, and must be unpredictable and thread-safe.
  DriverMemory(Incarnation self, uint64_t quota_bytes, Random* random, OnPulled on_pulled);
  // Cancels all pulls, and waits until `on_pulled` was told of each.
  ~DriverMemory() = default;
  DriverMemory(const DriverMemory&) = delete;
  DriverMemory& operator=(const DriverMemory&) = delete;

  // Gives what is kept to daemons at `endpoint`, as MemoryServer. Fails when nobody can listen
  // there. Call once, before anything else.
  absl::Status Serve(const std::string& endpoint);

  // The value as RunCore::Pulled wants it, or why there is none; nothing when it is pulled now, as
  // `on_pulled` will say. Whoever calls may hold the lock that `on_pulled` takes, and must where it
  // guards `of_run`. `owner` is the linked process that has the value, null when there is none.
  // NotFound without an owner or when this Memory made it and has it no more, ResourceExhausted
  // without room, DataLoss when it has another size here than `pull` says.
  std::optional<absl::StatusOr<Value>> Bring(const RunId& run, const PullValue& pull,
                                             const PeerInfo* owner, OfRun* of_run);
  // Keeps what has come, for daemons to read until Release; an error in it stays one. False when
  // the run needs it no more: it is for Drop.
  bool Keep(Pulled* pulled, OfRun* of_run);
  void Drop(const Pulled& pulled);

  // Ends pulls that nobody needs. Each is told as it ends, some at once: not to be called with a
  // lock that `on_pulled` takes.
  void Cancel(const Pulls& pulls);
  void Release(const OfRun& of_run);

 private:
  absl::StatusOr<Value> WithBytes(Value own) const;
  absl::StatusOr<Value> Stage(UniqueFd file, uint64_t size);
  absl::StatusOr<Value> Own(absl::StatusOr<Value> staged, OfRun* of_run);

  const Incarnation self_;
  const OnPulled on_pulled_;
  absl::Mutex mutex_;
  uint64_t pulling_bytes_ ABSL_GUARDED_BY(mutex_) = 0;  // of values on their way here
  uint64_t last_pull_ ABSL_GUARDED_BY(mutex_) = 0;
  MemoryStore store_;
  std::unique_ptr<MemoryServer> server_;
  MemoryClient client_;  // last: its threads use the rest
};

}  // namespace fractos

#endif  // FRACTOS_LIB_DRIVER_DRIVER_MEMORY_H_
