// What the continuation asks of the daemon around it. It does nothing itself: it is stepped with an
// event and answers with a list of these, to be carried out in order.
#ifndef FRACTOS_DAEMON_CONTINUATION_ACTIONS_H_
#define FRACTOS_DAEMON_CONTINUATION_ACTIONS_H_

#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "lib/base/address.h"
#include "lib/plan/step.h"
#include "lib/plan/value.h"
#include "lib/protocol/identity.h"
#include "lib/protocol/message.h"

namespace fractos {

// The states of a step at a daemon, in order. kPassed is the last one anybody sees: what is passed
// and recorded is forgotten.
enum class StepState { kReceived, kAccepted, kExecuting, kStaged, kCommitted, kForwarded, kPassed };

absl::string_view StepStateName(StepState state);

// These clusters can be reached so: tell whoever dials. Precedes the Sends that need it.
struct LearnClusters {
  std::vector<ClusterView> clusters;
};

// Have the bytes of `value` here, as soon as its hand-over arrives; answer with Core::Fetched,
// unless Release(value.object) comes first. They stay until that.
struct Fetch {
  RunId run;
  Value value;
};

struct NamedValue {
  std::string input;
  Value value;
  bool passed = false;  // the bytes are not here
};

// Run the operation; answer with Core::Executed exactly once, unless Cancel comes first.
struct Execute {
  AttemptKey attempt;
  StepPtr step;
  std::vector<NamedValue> inputs;
  Duration timeout{};
  std::string traceparent;
};

// Nobody wants the answer any more. After this Core::Executed must not be called for the attempt.
struct Cancel {
  AttemptKey attempt;
};

// The staged object is now a value that others may read: one pointer swap.
struct Commit {
  ObjectId object;
};

// The object, staged, committed, fetched or still being fetched, is needed no longer.
struct Release {
  ObjectId object;
};

// A step got to a state. For traces and metrics; test builds die here on demand.
struct Reached {
  RunId run;
  StepPath step;
  StepState state = StepState::kReceived;
};

// A step of a run that somebody traces has its result. `predecessors` are those it was executed on.
struct Traced {
  StepPtr step;
  ResultPtr result;
  std::vector<ResultId> predecessors;
  ContinuationPtr continuation;  // for its traceparent
};

// A newer leader exists: give up leading.
struct StepDown {
  uint64_t seen = 0;
};

using Action = std::variant<Send, LearnClusters, Fetch, Execute, Cancel, Commit, Release, Reached,
                            Traced, StepDown>;
using Actions = std::vector<Action>;

}  // namespace fractos

#endif  // FRACTOS_DAEMON_CONTINUATION_ACTIONS_H_
