// The device as the daemon sees it: an adaptor process that is described, fed with executions, held
// to its deadlines and replaced when it breaks.
#ifndef FRACTOS_DAEMON_DEVICE_DEVICE_H_
#define FRACTOS_DAEMON_DEVICE_DEVICE_H_

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "daemon/continuation/actions.h"
#include "daemon/continuation/core.h"
#include "daemon/device/adaptor_launcher.h"
#include "daemon/device/in_flight.h"
#include "daemon/device/request.h"
#include "lib/base/clock.h"
#include "lib/memory/memory_store.h"
#include "lib/plan/operation.h"

namespace fractos {

// Told what the device does. Called on any thread, also on the caller's inside Execute and Settle,
// never with a lock of the device held.
class DeviceObserver {
 public:
  virtual ~DeviceObserver() = default;
  // Executions ended; all that one read brought, so that the daemon can answer them as one.
  virtual void OnExecuted(std::vector<Executed> executed) = 0;
  // The adaptor, or its replacement, is ready.
  virtual void OnDescribed(const DeviceDescription& description) = 0;
  // The adaptor is gone or could not be started; it is tried again. NotFound, PermissionDenied and
  // FailedPrecondition (it refused its options) mean that somebody has to mend the configuration.
  virtual void OnDown(const absl::Status& why) = 0;
};

// One adaptor. What it answers is hostile input: whatever it does, executions fail with a reason
// and the daemon lives. An answer that is wrong by itself fails its execution (AdaptorGarbage,
// ReplyTooLarge, Unsealable, MemoryExhausted); a stream that cannot be followed any more (a frame
// that does not parse or is over 4 MiB, an unknown id, stray descriptors) or that ended fails all
// executions in flight, and the adaptor's process group is killed and started again, after 50 ms
// doubling to 2 s. Executions handed over meanwhile wait for the new one, within their timeouts.
//
// An execution that is not answered within its timeout fails with Timeout, and the adaptor is told
// Cancel. An adaptor answers each Execute exactly once, cancelled ones too (the answer is dropped);
// one that is silent for `cancel_grace` after the deadline hangs, and is killed.
//
// Threads: a supervisor starts the adaptor and reads its answers. For the single execution of a
// chain that wake-up would be most of the cost, so the thread that executes waits for the answer
// itself for at most `inline_wait` (Settle) before it leaves it to the supervisor. All methods are
// thread-safe.
class Device {
 public:
  struct Options {
    std::string options_json = "{}";
    Duration configure_timeout = std::chrono::seconds(10);
    Duration cancel_grace = std::chrono::seconds(1);
    Duration inline_wait = std::chrono::microseconds(100);
    Duration first_backoff = std::chrono::milliseconds(50);
    Duration max_backoff = std::chrono::seconds(2);
  };

  // All outlive the device.
  Device(Options options, AdaptorLauncher* launcher, MemoryStore* store, const Clock* clock,
         DeviceObserver* observer);
  // Kills the adaptor. The observer is not called any more once this returns; executions in flight
  // are dropped.
  ~Device();
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  // Starts the adaptor in the background. Once.
  void Start();

  // Runs an execution whose inputs are in the store, or passed, or inline. Writes the frame itself
  // and does not wait. A `when` that does not hold ends it here. After a series of calls comes
  // Settle: only then is anybody sure to read the answers.
  void Execute(Ticket ticket, fractos::Execute execution);

  // Waits inline if exactly one execution is in flight and nobody else reads, and again if what the
  // answer set off executes the next one, for up to 1 ms; else sees to it that the supervisor
  // reads.
  void Settle();

  // The answer is not wanted any more: OnExecuted is not called for it, unless it is under way.
  void Cancel(Ticket ticket);

  struct Stats {
    uint64_t executions = 0, answered_inline = 0, restarts = 0, timeouts = 0;
    size_t in_flight = 0;
    bool ready = false;
  };
  Stats stats() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace fractos

#endif  // FRACTOS_DAEMON_DEVICE_DEVICE_H_
