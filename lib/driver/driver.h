// The shell around RunCore: Links to the daemons, the driver's own Memory, the record store,
// timers.
#ifndef FRACTOS_LIB_DRIVER_DRIVER_H_
#define FRACTOS_LIB_DRIVER_DRIVER_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "lib/base/clock.h"
#include "lib/base/random.h"
#include "lib/driver/core/record.h"
#include "lib/driver/core/run_core.h"
#include "lib/link/link_table.h"
#include "lib/memory/memory_store.h"
#include "lib/plan/plan.h"
#include "lib/runtime/event_loop.h"
#include "lib/runtime/span.h"

namespace fractos {

// What can be seen of a run. A copy, but the results in it are shared, so taking one is cheap.
struct RunSnapshot {
  RunRecord record;
  std::vector<StepPath> executing;
  bool finished = false;  // over, and recorded so
  // Not OK: this driver had to let go of the run. Aborted: another driver has it; anything else:
  // its record cannot be written.
  absl::Status lost;
  std::vector<RunCore::Output> outputs;  // once finished
  Transfer transfer;
  uint64_t centralized_bytes = 0;
};

// Drives any number of runs over one set of Links. Thread-safe. Each run is a RunCore, stepped by
// whichever thread has an event for it, under one lock; what it asks for is carried out in its
// order. Records are written by threads of the driver's own, for fsync must not hold up the event
// loop. The driver keeps a Link to every replica of every cluster it has learned of: a
// replica that comes to lead says so by itself.
class Driver {
 public:
  struct Options {
    // Who the daemons report to. A driver that takes over the runs of a dead one has its name.
    std::string name;
    // Where the driver's own Memory is read: a Unix socket's path or "host:port". Empty: runs
    // cannot be Centralized, except with values small enough to travel inline.
    std::string memory_endpoint;
    std::string memory_advertised;  // where daemons reach it; empty: at `memory_endpoint`
    // Of the values kept here and of those on their way, together. A run whose value finds no room
    // fails as MemoryExhausted.
    uint64_t memory_quota_bytes = uint64_t{4} << 30;
    // Records written at a time, each of another run. With more than one the store is called from
    // several threads.
    size_t record_writers = 1;
    Duration hold_window = kHoldWindow;
    // Not 0: asks every replica for a sign of life this often, for SilentFor.
    Duration ping_interval{};
    // Whether a run that is not driven here is over for good: asked, on the event loop's thread,
    // when a daemon speaks of one. Only then is the daemon told to forget it; else it gets no
    // answer, and speaks of it again. A driver that takes over a dead one's runs hears of them
    // before it has begun with them. Not set: what is not driven here is over.
    std::function<bool(const RunId&)> is_over;
    // Gets a span of each run that ends, and of each hand-over from here; outlives the driver.
    // Null: nobody traces, and runs go on in the trace that they were asked for in, if there is
    // one.
    SpanSink* spans = nullptr;
    // Called when a replica says something of itself, or is lost: on the event loop's thread, or
    // within Learn and Unlearn.
    std::function<void(const PeerInfo&)> on_peer;
    std::function<void(const Address&)> on_peer_lost;
  };

  // Everything given here outlives the driver; `random` must be unpredictable and thread-safe. The
  // store is called for one record of a run at a time. Fails when its Memory cannot be
  // served.
  static absl::StatusOr<std::unique_ptr<Driver>> Create(EventLoop* loop, Options options,
                                                        RecordStore* store, const Clock* clock,
                                                        Random* random);
  // The loop must have stopped. Runs that have not ended are left as they are: their records stand,
  // and another driver of that name may resume them.
  ~Driver();
  Driver(const Driver&) = delete;
  Driver& operator=(const Driver&) = delete;

  // Connects to every replica of these clusters, and keeps doing so. Lets go of replicas that a
  // cluster had when it was learned before and has no longer.
  void Learn(const std::vector<ClusterView>& clusters);
  // The cluster is gone for good. Runs that need it end at their deadline.
  void Unlearn(const std::string& cluster);
  // What was learned, with the leaders as they said last.
  std::vector<ClusterView> clusters() const;
  std::vector<PeerInfo> peers() const;

  // Drives a run. `record` is a new one with `version` 0, or a stored one with its version: then
  // the run is resumed. Every cluster of the plan must have been learned. `on_change` is called
  // from any thread, without locks, whenever something may have changed; it must not block.
  // AlreadyExists when the run is here; NotFound naming a cluster that was not learned.
  absl::Status Start(Plan plan, RunRecord record, uint64_t version,
                     std::function<void()> on_change);

  // NotFound when the run is not here.
  absl::StatusOr<RunSnapshot> Snapshot(const RunId& run) const;
  // Nothing new starts and the run ends as Cancelled.
  void Cancel(const RunId& run);
  // Lets go of a run, and of the values kept for it or on their way. One that has not ended stays
  // resumable.
  void Forget(const RunId& run);
  // Nobody wants the run any more, and there is no record to say so in: tells every daemon that may
  // hold part of it, and forgets it.
  void Abandon(const RunId& run);

  // How long a linked replica has given no sign of life; none when it is not linked, or nobody asks
  // it for one.
  std::optional<Duration> SilentFor(const Address& replica) const;

  // Stops driving, and waits until what is queued has been sent, for at most `grace`. Call while
  // the loop runs, from another thread.
  void Shutdown(Duration grace);

 private:
  class Impl;
  explicit Driver(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace fractos

#endif  // FRACTOS_LIB_DRIVER_DRIVER_H_
