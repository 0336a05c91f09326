// Failpoints: places where tests have a daemon die. Compiled into test builds alone.
#ifndef FRACTOS_DAEMON_FAILPOINT_H_
#define FRACTOS_DAEMON_FAILPOINT_H_

#include <memory>

#include "absl/status/statusor.h"
#include "daemon/continuation/actions.h"
#include "lib/base/address.h"

namespace fractos {

// Kills its own process (SIGKILL, so that nothing is tidied up) when a step reaches a state.
//
//   FRACTOS_FAILPOINT=STATE[:STEP[:N]]   the N-th time (1) that a step that STEP (a glob, "*")
//                                        matches reaches STATE, like "COMMITTED:mul*:3"
//   FRACTOS_FAILPOINT_DIR=FOLDER         when FOLDER holds a file named like the state, whose text,
//                                        if any, is a glob that matches the step. The file is taken
//                                        away first, by a rename to "STATE.taken.CLUSTER-REPLICA"
//                                        ('/' as '_'), so of all daemons that watch the folder one
//                                        dies, and the test sees which.
//
// Not thread-safe: Reach is called by whoever carries out the core's actions.
class Failpoint {
 public:
  virtual ~Failpoint() = default;
  virtual void Reach(const Reached& reached) = 0;

  // From the environment; null when nothing is asked for, or this is no test build. InvalidArgument
  // when what is asked for makes no sense.
  static absl::StatusOr<std::unique_ptr<Failpoint>> FromEnvironment(const Address& self);
};

}  // namespace fractos

#endif  // FRACTOS_DAEMON_FAILPOINT_H_
