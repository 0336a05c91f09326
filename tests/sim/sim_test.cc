// The pure cores under faults, seed by seed. A seed that fails here replays with
// `fractos-sim --seed N`, and FRACTOS_SIM_TRACE=1 prints every event of it.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/sim/scenario.h"

namespace fractos::sim {
namespace {

constexpr uint64_t kSeeds = 4000;

const Summary& Seeds() {
  static const Summary& summary = *new Summary(RunSeeds(1, kSeeds));
  return summary;
}

// promise: H-01, H-02, H-31, H-21, H-30, H-32, H-40, H-37, R-02, R-05
TEST(SimTest, NoSeedViolatesAPromise) {
  const Summary& summary = Seeds();
  EXPECT_EQ(summary.seeds, kSeeds);
  EXPECT_TRUE(summary.violated.empty()) << summary.ToString();
}

// A green run that exercised nothing would prove nothing.
TEST(SimTest, SeedsCoverJoinsRefinementsAndRedrives) {
  const Summary& summary = Seeds();
  EXPECT_GT(summary.with_join, kSeeds / 10);
  EXPECT_GT(summary.with_refinement, kSeeds / 10);
  EXPECT_GT(summary.redrives, kSeeds / 20);
  EXPECT_LT(summary.failed_runs, kSeeds / 2) << "most runs get through their faults";
}

// promise: H-38
TEST(SimTest, EveryFaultStruckInEveryState) {
  const Summary& summary = Seeds();
  for (const auto& [state, fault] : summary.uncovered) {
    ADD_FAILURE() << FaultName(fault) << " never struck while a step was in "
                  << std::string(StepStateName(state));
  }
}

// promise: H-41
TEST(SimTest, ASeedReplaysBitForBit) {
  for (const uint64_t seed : {1u, 7u, 42u, 451u, 1499u}) {
    const Outcome once = RunSeed(seed);
    const Outcome again = RunSeed(seed);
    EXPECT_EQ(once.history, again.history) << seed;
    EXPECT_EQ(once.events, again.events) << seed;
    EXPECT_GT(once.events, 0u) << seed;
  }
}

TEST(SimTest, AnotherSeedIsAnotherHistory) { EXPECT_NE(RunSeed(1).history, RunSeed(2).history); }

}  // namespace
}  // namespace fractos::sim
