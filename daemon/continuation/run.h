// What a daemon knows of one run: plain data that the Core works on.
#ifndef FRACTOS_DAEMON_CONTINUATION_RUN_H_
#define FRACTOS_DAEMON_CONTINUATION_RUN_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "daemon/continuation/core.h"
#include "lib/protocol/message.h"

namespace fractos {

// One result offered along one incoming edge of a step.
struct Candidate {
  EdgeKey key;
  StepPath edge;     // the predecessor as the step names it; empty for a root
  ResultPtr result;  // null for a root
  std::vector<ResultPtr> ancestors;
  StepPtr step;
  ContinuationPtr continuation;
  uint64_t redrive = 0;          // settled under; below the run's: asleep until a Query settles it
  std::vector<Address> senders;  // to be told Passed
  uint32_t received = 0;         // hand-overs that brought it, repeated ones included
  int64_t received_us = 0;
};

// One execution of a step on one choice of predecessors' results.
struct Attempt {
  enum class State {
    kQueued,     // accepted, waiting for its turn
    kFetching,   // its turn; inputs are on their way
    kExecuting,  // the adaptor has it
    kStarved,    // nobody has the bytes of an input, or nowhere is room for them; it gave up its
                 // turn until that may have changed
    kBackoff,    // failed, to be tried again
    kStaged,     // answered, but its redrive epoch is not settled
    kFenced,     // an effect whose daemon stopped leading before it committed
    kCommitted,
  };

  AttemptKey key;
  StepPtr step;
  ContinuationPtr continuation;
  State state = State::kQueued;
  uint64_t redrive = 0;
  uint64_t epoch = 0;                // of this daemon's leadership when it was accepted
  std::vector<EdgeKey> edges;        // the candidates it was made of
  std::vector<ResultPtr> inputs;     // in the order of Step::Predecessors
  std::vector<ResultPtr> ancestors;  // of the result to be: `inputs` and theirs, predecessors first
  uint32_t tries = 0;
  Time due;  // while kStarved or kBackoff: to be tried again then
  Timing timing;
  std::optional<Outcome> staged;
  // The last edge along which bytes were said to have moved since the adaptor got the inputs: where
  // they all are is taken over once it has answered.
  std::optional<EdgeKey> renewed;

  // From here on: once committed.
  ResultPtr result;
  std::vector<StepPtr> next;         // steps still to do after it
  std::map<EdgeKey, bool> outgoing;  // hand-overs sent; true: safe in another process
  bool needs_record = false;         // a sink, or the driver hands over to a successor
  bool reportable = false;
  bool recorded = false;
  bool refused = false;  // the driver will never record it
  bool passed = false;

  bool Occupies() const { return state == State::kFetching || state == State::kExecuting; }
  // The adaptor does not have it, and is still to be given it.
  bool IsToExecute() const {
    return state != State::kExecuting && state != State::kStaged && state != State::kCommitted;
  }
};

struct Run {
  using AttemptId = std::pair<StepPath, Lineage>;

  RunId id;
  Address driver;
  Mode mode = Mode::kDistributed;
  Time deadline;
  // The highest redrive epoch seen. What is here under a lower one is asleep: it neither executes
  // nor commits nor is sent until a Query says what stands under the new one.
  uint64_t redrive = 0;
  bool expired = false;  // past its deadline: only values are left

  std::map<StepPath, std::map<ResultId, Candidate>> candidates;
  std::map<AttemptId, std::unique_ptr<Attempt>> attempts;

  // Values being fetched or here, and everything this daemon made: all to be released in the end,
  // and what was fetched as soon as it has been read.
  struct FetchState {
    Value value;
    enum { kPending, kHere, kLost } state = kPending;
  };
  std::map<ObjectId, FetchState> fetches;
  std::set<ObjectId> objects;

  std::set<ResultId> recorded;  // known to stand in the record
  std::set<StepPath> pinned;    // and the steps they are of
  std::set<ObjectId> lost;      // to be reported
  Time report_due = Time::max();
  Time keepalive_due = Time::max();
  Time fetch_redrive_due = Time::max();  // something is asleep: ask the driver (again) then
};

}  // namespace fractos

#endif  // FRACTOS_DAEMON_CONTINUATION_RUN_H_
