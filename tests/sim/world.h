// A world of daemons, one driver and a record store in one thread and one seed: the same pure cores
// that run in production, under a network that loses, repeats, reorders and cuts, with processes
// that crash at any instant or at a chosen state, pause, and come back with nothing.
#ifndef FRACTOS_TESTS_SIM_WORLD_H_
#define FRACTOS_TESTS_SIM_WORLD_H_

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "daemon/continuation/core.h"
#include "lib/base/random.h"
#include "lib/driver/core/run_core.h"
#include "lib/plan/plan.h"
#include "tests/sim/device.h"

namespace fractos::sim {

enum class Fault {
  kCrash,         // a daemon dies at a random instant
  kCrashAtState,  // a daemon dies the moment a step reaches a state
  kPause,         // a daemon stands still, keeps what it believes, and wakes
  kElection,      // another replica is elected while the old leader still acts
  kCutAll,        // nobody reaches anybody for a moment
  kCut,           // two processes cannot reach each other for a while
  kDriver,        // the driver dies and another one resumes the run
  kCrashAll,      // every replica of a cluster dies at once
};
inline constexpr int kFaults = 8;
const char* FaultName(Fault fault);

struct PlannedFault {
  Fault fault = Fault::kCrash;
  Duration at{};                           // random instants
  StepState state = StepState::kReceived;  // kCrashAtState
  int nth = 1;                             // and which time anybody reaches it
};

struct WorldOptions {
  uint64_t seed = 1;
  int clusters = 3;
  int replicas = 3;
  double loss = 0;  // of each message
  double repetition = 0;
  std::vector<PlannedFault> faults;
};

// What happened, for coverage and for the proof that a seed replays bit for bit.
struct Outcome {
  bool finished = false;
  RunRecord record;
  std::vector<RunCore::Output> outputs;
  std::vector<std::string> violations;
  // How often each fault struck while some step was in each state.
  std::map<std::pair<StepState, Fault>, int> coverage;
  uint64_t history = 0;  // digest of every event in order
  uint64_t events = 0;
  uint64_t redrives = 0;
};

// Runs one plan to its end, or until `limit` of simulated time.
Outcome Simulate(const WorldOptions& options, const Plan& plan, Duration limit);

}  // namespace fractos::sim

#endif  // FRACTOS_TESTS_SIM_WORLD_H_
