// The messages of the hand-over protocol, as plain values. lib/link carries them between
// processes, tests/sim within one; only the continuation and the driver give them meaning.
#ifndef FRACTOS_LIB_PROTOCOL_MESSAGE_H_
#define FRACTOS_LIB_PROTOCOL_MESSAGE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "lib/base/address.h"
#include "lib/base/clock.h"
#include "lib/base/ids.h"
#include "lib/plan/step.h"
#include "lib/plan/value.h"
#include "lib/protocol/identity.h"

namespace fractos {

enum class ResultState {
  kSucceeded,
  kFailed,
  kSkipped,  // an input Failed or was Skipped, or `when` did not hold
  kRefined,  // the value is a refinement: the steps to do instead
};

// Why a step failed. `reason` is one CamelCase word that programs can use.
struct Failure {
  std::string reason;
  std::string message;
  friend bool operator==(const Failure&, const Failure&) = default;
};

// Wall-clock microseconds since the epoch; 0: did not happen. For traces only.
struct Timing {
  int64_t received = 0;   // the last hand-over it needed
  int64_t executing = 0;  // its inputs were there
  int64_t staged = 0;     // the adaptor had answered
  int64_t committed = 0;
  friend bool operator==(const Timing&, const Timing&) = default;
};

// `time` in these microseconds, which are `wall_offset_us` ahead of it.
int64_t WallMicros(Time time, int64_t wall_offset_us);

// What a step cost between processes.
struct Transfer {
  uint64_t hops = 0;      // hand-overs that reached it from another process
  uint64_t messages = 0;  // hand-overs received for it, repeated ones included
  uint64_t bytes = 0;     // of values that crossed from another process to it
  friend bool operator==(const Transfer&, const Transfer&) = default;
};

// A committed result of one step. Immutable; shared by everything that speaks of it.
struct StepResult {
  StepPath path;
  ResultState state = ResultState::kSucceeded;
  ResultId id;
  Lineage lineage;
  Value value;      // for kSucceeded and kRefined
  Failure failure;  // for kFailed; for kSkipped the reason is why
  Incarnation executor;
  uint32_t attempts = 1;
  Timing timing;
  Transfer transfer;
  friend bool operator==(const StepResult&, const StepResult&) = default;
};
using ResultPtr = std::shared_ptr<const StepResult>;

// The rest of a graph, as it travels: the steps still to do and what doing them takes.
struct Continuation {
  RunId run;
  Address driver;
  Mode mode = Mode::kDistributed;
  std::string traceparent;     // W3C trace context, empty when nobody traces
  std::vector<StepPtr> steps;  // predecessors before successors; the first is the step handed over
  std::vector<OperationSignature> signatures;  // of what the steps may refine to
  std::vector<ClusterView> clusters;           // every one that the steps may need
};
using ContinuationPtr = std::shared_ptr<const Continuation>;

// "Do continuation->steps[0], then pass on": one result along one edge.
struct HandOver {
  uint64_t redrive = 0;  // R
  Duration remaining{};  // until the run's deadline
  Incarnation sender;
  uint64_t sender_epoch = 0;  // the leader epoch of the sender's cluster it acts under; 0: driver
  // The predecessor as the step names it, and what it gave. They differ after a refinement, whose
  // last step stands for the one that refined. Empty and null for a root.
  StepPath edge;
  ResultPtr result;
  // The results that `result` stands on, transitively, predecessors first; without inline bytes.
  std::vector<ResultPtr> ancestors;
  ContinuationPtr continuation;

  const Step& step() const { return *continuation->steps.front(); }
  EdgeKey key() const {
    return {continuation->run, step().path, result == nullptr ? ResultId() : result->id};
  }
};

// The receiver has the hand-over in memory. The sender keeps its hold.
struct Accepted {
  EdgeKey edge;
  uint64_t redrive = 0;
};

// The successors of the handed-over step are safe elsewhere: the sender may forget its hold.
struct Passed {
  EdgeKey edge;
  uint64_t redrive = 0;
};

enum class Refusal {
  kStaleRedrive,  // `seen` is the redrive epoch known here
  kNotLeader,     // `leader` is who leads instead, if known
  kInvalid,
  kOverloaded,  // again after `retry_after`
  kEnded,       // the run is over here: forget it
};
inline constexpr Refusal kLastRefusal = Refusal::kEnded;
inline constexpr size_t kRefusals = static_cast<size_t>(kLastRefusal) + 1;

// A hand-over was not accepted.
struct Nack {
  EdgeKey edge;
  uint64_t redrive = 0;  // of the refused hand-over
  Refusal reason = Refusal::kInvalid;
  uint64_t seen = 0;
  Address leader;  // none: not known
  Duration retry_after{};
  std::string message;
};

// A message came from a leader that has been replaced: whoever leads `cluster` under an epoch below
// `seen` must step down.
struct StaleEpoch {
  std::string cluster;
  uint64_t seen = 0;
};

// One attempt that a daemon has, for Holding.
struct HeldAttempt {
  StepPath step;
  Lineage lineage;
  bool executing = false;  // an attempt that has not committed yet
};

// Daemon to driver: results to record, ancestors before the results that stand on them. Kept by the
// daemon until Recorded answers it.
struct Report {
  RunId run;
  uint64_t redrive = 0;
  std::vector<ResultPtr> results;
  std::vector<ObjectId> lost;       // values whose bytes could not be had: their owner is gone
  std::vector<StepPath> executing;  // still at work: not silent
};

struct PinnedResult {
  StepPath step;
  ResultId id;
  friend bool operator==(const PinnedResult&, const PinnedResult&) = default;
};

// Driver to daemon: these stand in the record (so holds for them may go), these never will
// (`refused`), and nobody needs these objects any longer (`release`).
struct Recorded {
  RunId run;
  uint64_t redrive = 0;
  std::vector<PinnedResult> steps;
  std::vector<ResultId> refused;
  std::vector<ObjectId> release;
};

// Driver to daemon: the run goes on under `redrive`, on these recorded results. What agrees with
// them continues, the rest is dropped; answered by Holding. `driver` is who to report to from now
// on.
struct Query {
  RunId run;
  uint64_t redrive = 0;
  Address driver;
  Duration remaining{};
  std::vector<PinnedResult> pinned;
};

// Daemon to driver: tell me the redrive epoch of this run (answered by Query, or End).
struct FetchRedrive {
  RunId run;
};

// Daemon to driver: what continues here under `redrive`.
struct Holding {
  RunId run;
  uint64_t redrive = 0;
  std::vector<HeldAttempt> attempts;  // accepted, executing or committed
  std::vector<EdgeKey> holds;         // being sent on from here
  std::vector<EdgeKey> candidates;    // waiting here for the other inputs of a join
  std::vector<ObjectId> values;       // held here and readable
};

// Stop work below `redrive`; keep values until End.
struct Abort {
  RunId run;
  uint64_t redrive = 0;
};

// The run is over: forget everything of it.
struct End {
  RunId run;
};

using Message = std::variant<HandOver, Accepted, Passed, Nack, StaleEpoch, Report, Recorded, Query,
                             FetchRedrive, Holding, Abort, End>;

// What a pure core asks of the process around it: deliver `message`, which may get lost.
struct Send {
  Address to;
  Message message;
};

// A refinement, as an adaptor answers it.
struct RefinedStep {
  std::string cluster;  // "." is the refining device's own
  std::string operation;
  std::string arguments = "{}";
  struct Input {
    std::string input;
    int step = -1;          // index of an earlier refined step, or
    std::string own_input;  // the name of an input of the refining step
  };
  std::vector<Input> inputs;
  std::vector<int> after;
};
using Refinement = std::vector<RefinedStep>;

// The bytes a refinement has as a value, the same for the same refinement.
std::string EncodeRefinement(const Refinement& refinement);
// InvalidArgument on anything EncodeRefinement does not make.
absl::StatusOr<Refinement> DecodeRefinement(absl::string_view bytes);

// For logs and tests.
std::string DebugString(const Message& message);
absl::string_view ResultStateName(ResultState state);
absl::string_view RefusalName(Refusal refusal);

}  // namespace fractos

#endif  // FRACTOS_LIB_PROTOCOL_MESSAGE_H_
