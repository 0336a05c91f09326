// Scenarios: what one seed stands for, and many of them run and summed up.
#ifndef FRACTOS_TESTS_SIM_SCENARIO_H_
#define FRACTOS_TESTS_SIM_SCENARIO_H_

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tests/sim/world.h"

namespace fractos::sim {

// The graph, the network and the faults of `seed`: at least three clusters of three replicas, five
// steps and one fault.
struct Scenario {
  WorldOptions options;
  Plan plan;
};
Scenario MakeScenario(uint64_t seed);
Outcome RunSeed(uint64_t seed);

struct Summary {
  uint64_t seeds = 0, with_join = 0, with_refinement = 0, events = 0, redrives = 0, failed_runs = 0;
  std::map<std::pair<StepState, Fault>, int> coverage;
  std::vector<std::pair<StepState, Fault>> uncovered;
  std::vector<std::pair<uint64_t, std::string>> violated;  // seed, what
  std::string ToString() const;
};
Summary RunSeeds(uint64_t first, uint64_t count);

}  // namespace fractos::sim

#endif  // FRACTOS_TESTS_SIM_SCENARIO_H_
