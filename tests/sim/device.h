// The simulated device: operations whose result says what it was made of, so that a checker can
// tell whether a recorded value is the value of its recorded predecessors.
#ifndef FRACTOS_TESTS_SIM_DEVICE_H_
#define FRACTOS_TESTS_SIM_DEVICE_H_

#include <map>
#include <string>
#include <vector>

#include "daemon/continuation/core.h"
#include "lib/base/random.h"
#include "lib/plan/plan.h"

namespace fractos::sim {

// What every simulated cluster offers:
//   mix     deterministic: digest of arguments and inputs; small
//   big     the same, too large to travel inline
//   chance  not deterministic: another result at every execution
//   pass    answers with its input, unread
//   grow    refines into a chain of mix, big and chance steps; `nest` levels deep
//   write   idempotent effect
//   fail    fails for good
//   flaky   fails in a way that a retry may mend, then mixes
Descriptions DescribeClusters(int clusters);
std::string ClusterName(int index);

// What the device makes of an execution. `bytes` is empty for pass, failures and refinements.
struct Made {
  enum { kBytes, kPass, kRefinement, kFailure } kind = kBytes;
  std::string bytes;
  bool big = false;
  Refinement refinement;
  bool retryable = false;
};
Made Execute(const Step& step, const std::vector<NamedValue>& inputs, uint32_t attempt,
             Random& random);

// The inputs as `mix` digests them: what a checker compares with.
std::string MixOf(const Step& step, const std::vector<std::pair<std::string, Digest>>& inputs);

// A random graph: joins, passed values, refinements, effects, retries.
Plan RandomPlan(Random& random, int clusters);

}  // namespace fractos::sim

#endif  // FRACTOS_TESTS_SIM_DEVICE_H_
