// One device's daemon, wired together: the continuation's core, and everything around it that has
// threads, sockets and clocks.
#ifndef FRACTOS_DAEMON_CONTROLLER_H_
#define FRACTOS_DAEMON_CONTROLLER_H_

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "daemon/continuation/core.h"
#include "daemon/device/device.h"
#include "daemon/election/election.h"
#include "daemon/failpoint.h"
#include "daemon/fetcher.h"
#include "daemon/meter.h"
#include "lib/base/address.h"
#include "lib/base/clock.h"
#include "lib/base/random.h"
#include "lib/link/hop_tracer.h"
#include "lib/link/link_table.h"
#include "lib/memory/memory_store.h"
#include "lib/memory/tcp_transfer.h"
#include "lib/memory/transfer.h"
#include "lib/runtime/event_loop.h"
#include "lib/runtime/span.h"

namespace fractos {

// Told of what a person should know. Called on any thread, without locks.
class ControllerObserver {
 public:
  virtual ~ControllerObserver() = default;
  virtual void OnReached(const Reached& reached) = 0;
  // How long the adaptor took for an execution, staging included.
  virtual void OnExecution(const std::string& operation, Duration took) = 0;
  // From a hand-over's first sending to its Accepted.
  virtual void OnHop(Duration took) = 0;
  // From RECEIVED to COMMITTED.
  virtual void OnStep(const std::string& operation, Duration took) = 0;
  virtual void OnDescribed(const DeviceDescription& description) = 0;
  virtual void OnAdaptorDown(const absl::Status& why) = 0;
  virtual void OnLeading(uint64_t epoch) = 0;
  virtual void OnDeposed() = 0;
  // `epoch` 0: not known.
  virtual void OnFollowing(const Address& leader, uint64_t epoch) = 0;
  virtual void OnElectionError(const absl::Status& why) = 0;
};

// FractOS's Controller, named so because *controller* alone is a reconcile loop.
//
// Whoever has an event (the loop's thread a frame, a reader an answer, a timer) steps the core
// under one lock and queues what it asks for. One thread at a time carries out what is queued,
// without the lock: a thread that finds another one at it leaves its actions to that one. So
// actions are carried out in the order in which the core gave them; no lock is held while they are,
// and an action whose answer comes at once steps the core again without a deadlock. A lone chain
// never changes threads. The alternative, a second lock held while actions are carried out, would
// have threads queue up behind one that writes to a socket, and an inline answer deadlock.
//
// What is sent of all that was queued leaves in one frame per peer. Only then is the adaptor waited
// for.
//
// Threads: construct, Start, BeginDrain and destroy from one thread; destroy after the loop's Run
// has returned.
class DeviceController final : public LinkObserver, public DeviceObserver, public ElectionObserver {
 public:
  struct Options {
    Incarnation self;
    std::string endpoint;    // where to listen: "unix:/path" or "host:port"
    std::string advertised;  // where others reach it, if that is elsewhere
    uint64_t memory_quota_bytes = kDefaultMemoryQuotaBytes;
    size_t max_in_flight = kDefaultMaxInFlight;
    size_t max_runs = kDefaultMaxRuns;
    uint64_t seed = 1;  // for the jitter of retries
    Device::Options device;
    SpanSink* spans = nullptr;  // outlives the controller; null: nobody traces
  };

  // All outlive the controller; `random` is unpredictable and thread-safe. `failpoint` may be null.
  DeviceController(Options options, EventLoop* loop, AdaptorLauncher* launcher, const Clock* clock,
                   Random* random, std::unique_ptr<Failpoint> failpoint,
                   ControllerObserver* observer);
  ~DeviceController() override;
  DeviceController(const DeviceController&) = delete;
  DeviceController& operator=(const DeviceController&) = delete;

  // Listens; then starts the adaptor, and stands for election once that has described itself.
  // Fails when a socket cannot be served; it has not stood for election then. Before the loop runs.
  absl::Status Start(std::unique_ptr<Election> election);

  // No new runs, leadership given up. `idle` is called once, on the loop's thread, when nothing
  // would be lost any more if this process stopped.
  void BeginDrain(std::function<void()> idle);
  // Writes what is queued, for at most `grace`; then calls `done` on the loop's thread.
  void Shutdown(Duration grace, std::function<void()> done);

  // Where Links are served, with the port that was chosen. After Start.
  std::string endpoint() const { return links_.endpoint(); }

  struct Status {
    bool described = false;
    bool election_works = false;  // it leads, or knows who does
    bool leads = false;
    uint64_t epoch = 0;
    Core::Stats core;
    Device::Stats device;
    LinkTable::Stats links;
    Fetcher::Stats fetches;
    Meter::Counts meter;
    uint64_t memory_used_bytes = 0;
    uint64_t memory_quota_bytes = 0;
    uint64_t memory_served_bytes = 0;  // over the network
    bool ready() const { return described && election_works; }
  };
  Status status() const;

 private:
  absl::Status ServeMemory();

  struct Item {
    Action action;
    Ticket ticket = 0;  // of an Execute or a Cancel; 0: nothing to cancel any more
  };
  struct Execution {
    Ticket ticket = 0;
    Time start;
    std::string operation;
  };

  // LinkObserver
  void OnPeer(const PeerInfo& peer) override;
  void OnPeerLost(const Address& peer) override;
  void OnMessages(const Incarnation& from, std::vector<Message> messages) override;
  // DeviceObserver
  void OnExecuted(std::vector<Executed> executed) override;
  void OnDescribed(const DeviceDescription& description) override;
  void OnDown(const absl::Status& why) override;
  // ElectionObserver
  void OnElected(uint64_t epoch) override;
  void OnDeposed() override;
  void OnLeader(const LeaderInfo& leader) override;
  void OnElectionError(const absl::Status& why) override;

  // Steps the core by `event(core, now, &actions)`, and has what it asks for carried out.
  template <typename Event>
  void Step(Event event);
  void QueueLocked(Actions actions, Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool QuietLocked() const ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return active_ == 0; }
  void ArmTimerLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void CarryOutQueued() ABSL_LOCKS_EXCLUDED(mutex_);
  void CarryOut(Item item);
  void Announce(const std::function<void(PeerInfo*)>& change);

  const Options options_;
  EventLoop* const loop_;
  const Clock* const clock_;
  ControllerObserver* const observer_;
  const std::unique_ptr<Failpoint> failpoint_;
  Meter meter_;
  const std::unique_ptr<HopTracer> hops_;  // null: nobody traces

  mutable absl::Mutex mutex_;
  Core core_ ABSL_GUARDED_BY(mutex_);
  std::deque<Item> queue_ ABSL_GUARDED_BY(mutex_);
  bool carrying_out_ ABSL_GUARDED_BY(mutex_) = false;
  // Steps under way, waiting inline included, which the destructor waits for; no more once
  // stopping.
  int active_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  absl::flat_hash_map<AttemptKey, Execution> executions_ ABSL_GUARDED_BY(mutex_);
  Ticket last_ticket_ ABSL_GUARDED_BY(mutex_) = 0;
  EventLoop::TimerId timer_ ABSL_GUARDED_BY(mutex_) = 0;
  Time timer_at_ ABSL_GUARDED_BY(mutex_);
  std::function<void()> on_idle_ ABSL_GUARDED_BY(mutex_);
  bool resigned_ ABSL_GUARDED_BY(mutex_) = false;
  bool described_ ABSL_GUARDED_BY(mutex_) = false;
  bool election_works_ ABSL_GUARDED_BY(mutex_) = false;

  // Held while a change of `info_` is announced, so that peers hear of changes in their order.
  absl::Mutex info_mutex_ ABSL_ACQUIRED_BEFORE(mutex_);
  PeerInfo info_ ABSL_GUARDED_BY(info_mutex_);

  MemoryStore store_;
  LinkTable links_;
  std::unique_ptr<MemoryServer> memory_server_;
  // These have threads that call back, so they go before what they call.
  std::unique_ptr<Fetcher> fetcher_;
  std::unique_ptr<Device> device_;
  std::unique_ptr<Election> election_;
};

}  // namespace fractos

#endif  // FRACTOS_DAEMON_CONTROLLER_H_
