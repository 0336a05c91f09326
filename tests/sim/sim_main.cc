// fractos-sim: runs seeds and prints what they covered. One seed replays bit for bit:
//   fractos-sim --seed 4711          (FRACTOS_SIM_TRACE=1 prints every event)
//   fractos-sim --first 1 --seeds 10000
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "tests/sim/scenario.h"

int main(int argc, char** argv) {
  uint64_t first = 1, count = 200;
  for (int i = 1; i + 1 < argc; i += 2) {
    const uint64_t number = std::strtoull(argv[i + 1], nullptr, 10);
    if (std::strcmp(argv[i], "--seed") == 0) first = number, count = 1;
    if (std::strcmp(argv[i], "--first") == 0) first = number;
    if (std::strcmp(argv[i], "--seeds") == 0) count = number;
  }
  const fractos::sim::Summary summary = fractos::sim::RunSeeds(first, count);
  std::fputs(summary.ToString().c_str(), stdout);
  return summary.violated.empty() && (count < 1000 || summary.uncovered.empty()) ? 0 : 1;
}
