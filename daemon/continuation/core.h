// The continuation: what one daemon knows of every run that passes through it, as a pure state
// machine. It has no thread, clock, socket or chance of its own; the daemon steps it in production
// and tests/sim steps several of them together, so what is proven there is what runs.
//
//   RECEIVED -> ACCEPTED -> EXECUTING -> STAGED -> COMMITTED -> FORWARDED -> PASSED -> forgotten
//
// A hand-over is a candidate for one incoming edge of a step. Candidates whose ancestors agree make
// an attempt, which executes once, commits one result, and hands it along every outgoing edge. Each
// hand-over sent is a hold, sent again until the receiver's own successors are safe (Passed) or the
// step stands in the driver's record.
#ifndef FRACTOS_DAEMON_CONTINUATION_CORE_H_
#define FRACTOS_DAEMON_CONTINUATION_CORE_H_

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "daemon/continuation/actions.h"
#include "lib/base/address.h"
#include "lib/base/clock.h"
#include "lib/base/limits.h"
#include "lib/protocol/message.h"

namespace fractos {

// How an execution ended, as the device side saw it.
struct Outcome {
  // A staged value: `value.object` names it; `value.owner` is this daemon.
  struct Produced {
    Value value;
  };
  // The answer is the input of this name, unread.
  struct PassedInput {
    std::string input;
  };
  struct Refined {
    Refinement steps;
    Value value;  // EncodeRefinement's bytes, staged like any value
  };
  struct Failed {
    Failure failure;
    bool retryable = false;  // another attempt may go better
  };
  struct Skipped {
    std::string message;  // `when` did not hold
  };
  std::variant<Produced, PassedInput, Refined, Failed, Skipped> what;
};

class Core {
 public:
  struct Options {
    Incarnation self;
    // Adds to a Time to make the wall-clock microseconds of traces.
    int64_t wall_offset_us = 0;
    size_t max_in_flight = kDefaultMaxInFlight;
    size_t max_runs = kDefaultMaxRuns;  // admitted at once; more are refused as overloaded
    Duration report_delay = std::chrono::milliseconds(50);  // of results that are not sinks
    uint64_t seed = 1;                                      // for the jitter of retries
  };

  explicit Core(Options options);
  ~Core();
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  // Every method appends what is to be done to `actions` and never blocks. Not thread-safe: the
  // caller serializes, and carries actions out in the order given. `now` never goes back.

  void Receive(Time now, const Incarnation& from, Message message, Actions* actions);

  // The value of a Fetch is here, or cannot be had: NotFound and Unavailable mean its owner does
  // not have it any more, ResourceExhausted that there is no room for it now; both are tried again.
  // Anything else fails the steps that need it.
  void Fetched(Time now, const RunId& run, const Value& value, const absl::Status& status,
               Actions* actions);

  void Executed(Time now, const AttemptKey& attempt, Outcome outcome, Actions* actions);

  // Links come and go. A peer that comes back with another boot id has forgotten everything.
  // `epoch` is the peer's word: not 0 when it leads its cluster. Call again when it changes.
  void LinkUp(Time now, const Incarnation& peer, uint64_t epoch, Actions* actions);
  void LinkDown(Time now, const Address& peer, Actions* actions);

  // This daemon leads its cluster under `epoch`, durably recorded; or another one does.
  void Lead(Time now, uint64_t epoch, Actions* actions);
  void Follow(Time now, const Address& leader, uint64_t epoch, Actions* actions);

  // No new runs from now on: the daemon is about to stop.
  void Drain();
  // Whether nothing would be lost, or need another's help, if the daemon stopped now.
  bool Idle() const;

  // Call Tick at this time, or whenever: it does what is due.
  std::optional<Time> NextTick() const;
  void Tick(Time now, Actions* actions);

  struct Stats {
    size_t runs = 0, attempts = 0, executing = 0, queued = 0, holds = 0, candidates = 0;
    uint64_t duplicates = 0, stale_redrives = 0, stale_epochs = 0, resends = 0;
  };
  Stats stats() const;
  bool leads() const;
  uint64_t epoch() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace fractos

#endif  // FRACTOS_DAEMON_CONTINUATION_CORE_H_
