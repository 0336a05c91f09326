// Drives one run, as a pure state machine: hands over the first continuations, records what is
// reported, drives again what nobody holds any more, and says how it ended. Like the daemon's
// continuation it has no thread, clock or socket of its own; tests/sim runs the two together.
#ifndef FRACTOS_LIB_DRIVER_CORE_RUN_CORE_H_
#define FRACTOS_LIB_DRIVER_CORE_RUN_CORE_H_

#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "lib/base/clock.h"
#include "lib/driver/core/record.h"
#include "lib/plan/plan.h"
#include "lib/protocol/message.h"

namespace fractos {

// What the run asks of the driver around it, to be carried out in order: Send (lib/protocol), and
// these.

// Write the record by compare-and-swap; answer with RunCore::Written. One at a time.
struct WriteRecord {
  RunRecord record;
};
// Have the bytes of `value` in the driver's own Memory; answer with RunCore::Pulled, and with the
// bytes inline if they are at most kMaxInlineValueBytes: who asked for them would ask again.
// Centralized mode, refinements that did not travel inline, and outputs.
struct PullValue {
  StepPath step;
  Value value;
};
// The run is over and recorded so; nothing follows.
struct Finished {};

using DriverAction = std::variant<Send, WriteRecord, PullValue, Finished>;
using DriverActions = std::vector<DriverAction>;

// Not thread-safe: the caller serializes, and carries actions out in the order given. Every method
// appends what is to be done to `actions` and never blocks; `now` never goes back. After Finished,
// or after a Written that failed, it does nothing more.
class RunCore {
 public:
  struct Options {
    Incarnation self;                    // Address::Driver(...)
    Duration hold_window = kHoldWindow;  // for holders to send again, before they are asked
    // Adds to a Time to make the wall-clock microseconds of the record.
    int64_t wall_offset_us = 0;
    std::string traceparent;  // handed on with the run; empty: nobody traces it
    uint64_t seed = 1;        // for the jitter of what is sent again
  };

  // `record` is new (kPending), or what a driver before this one left: then the run is resumed.
  // `clusters` says where every cluster of the plan is.
  RunCore(Options options, Plan plan, RunRecord record, std::vector<ClusterView> clusters);
  ~RunCore();

  void Start(Time now, DriverActions* actions);
  void Receive(Time now, const Incarnation& from, Message message, DriverActions* actions);
  // How the WriteRecord ended; Aborted: somebody else drives this run now, and this core stops.
  void Written(Time now, const absl::Status& status, DriverActions* actions);
  // The driver's own copy of a value, or why there is none: ResourceExhausted fails the run,
  // anything else is taken for an owner that is gone.
  void Pulled(Time now, const StepPath& step, absl::StatusOr<Value> value, DriverActions* actions);
  void LinkUp(Time now, const Incarnation& peer, uint64_t epoch, DriverActions* actions);
  void LinkDown(Time now, const Address& peer, DriverActions* actions);
  // Where a cluster of the plan is by now; before a LinkUp of a replica that is new in it.
  void Learn(const ClusterView& view);
  // Stop: nothing new starts, the end is kCancelled.
  void Cancel(Time now, DriverActions* actions);

  std::optional<Time> NextTick() const;
  void Tick(Time now, DriverActions* actions);

  // What stands in the record, for progress displays; valid until the next call.
  const RunRecord& record() const;
  const Plan& plan() const;
  struct Output {
    std::string step;  // the TaskGraph's name for it
    ResultState state = ResultState::kSucceeded;
    Value value;  // with inline bytes when all outputs together are at most kMaxInlineOutputBytes
  };
  // The sinks' values, once Finished.
  std::vector<Output> outputs() const;
  Transfer transfer() const;
  // What `transfer().bytes` would have been with every result going through the driver.
  uint64_t centralized_bytes() const;
  std::vector<StepPath> executing() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace fractos

#endif  // FRACTOS_LIB_DRIVER_CORE_RUN_CORE_H_
