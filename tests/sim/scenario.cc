#include "tests/sim/scenario.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace fractos::sim {
namespace {

constexpr StepState kStates[] = {StepState::kReceived, StepState::kAccepted,  StepState::kExecuting,
                                 StepState::kStaged,   StepState::kCommitted, StepState::kForwarded,
                                 StepState::kPassed};

// The deadline, the grace for values, and some.
constexpr Duration kLimit = std::chrono::seconds(300);

}  // namespace

Scenario MakeScenario(uint64_t seed) {
  SeededRandom random(seed * 7919 + 17);
  Scenario scenario;
  WorldOptions& options = scenario.options;
  options.seed = seed;
  options.clusters = 3 + static_cast<int>(random.Below(2));
  options.replicas = 3;
  if (random.Below(3) == 0) options.loss = 0.01 * static_cast<double>(1 + random.Below(20));
  if (random.Below(3) == 0) options.repetition = 0.01 * static_cast<double>(1 + random.Below(20));
  const int faults = 1 + static_cast<int>(random.Below(3));
  for (int i = 0; i < faults; ++i) {
    PlannedFault fault;
    fault.fault = static_cast<Fault>(random.Below(kFaults));
    fault.at = std::chrono::milliseconds(random.Below(600));
    fault.state = kStates[random.Below(std::size(kStates))];
    fault.nth = 1 + static_cast<int>(random.Below(12));
    options.faults.push_back(fault);
  }
  scenario.plan = RandomPlan(random, options.clusters);
  return scenario;
}

Outcome RunSeed(uint64_t seed) {
  const Scenario scenario = MakeScenario(seed);
  return Simulate(scenario.options, scenario.plan, kLimit);
}

Summary RunSeeds(uint64_t first, uint64_t count) {
  Summary summary;
  for (uint64_t seed = first; seed < first + count; ++seed) {
    const Scenario scenario = MakeScenario(seed);
    const Outcome outcome = Simulate(scenario.options, scenario.plan, kLimit);
    ++summary.seeds;
    const auto& steps = scenario.plan.steps;
    summary.with_join += std::any_of(steps.begin(), steps.end(), [](const StepPtr& step) {
      return step->Predecessors().size() > 1;
    });
    summary.with_refinement += std::any_of(
        steps.begin(), steps.end(), [](const StepPtr& step) { return step->operation == "grow"; });
    summary.events += outcome.events;
    summary.redrives += outcome.redrives;
    summary.failed_runs += outcome.finished && outcome.record.phase == RunPhase::kFailed;
    for (const auto& [pair, times] : outcome.coverage) summary.coverage[pair] += times;
    for (const std::string& violation : outcome.violations) {
      summary.violated.push_back({seed, violation});
    }
  }
  for (StepState state : kStates) {
    for (int fault = 0; fault < kFaults; ++fault) {
      const std::pair<StepState, Fault> pair{state, static_cast<Fault>(fault)};
      if (summary.coverage[pair] == 0) summary.uncovered.push_back(pair);
    }
  }
  return summary;
}

std::string Summary::ToString() const {
  std::string text = absl::StrFormat(
      "%d seeds: %d with a join, %d with a refinement, %d events, %d re-drives, %d runs failed\n",
      seeds, with_join, with_refinement, events, redrives, failed_runs);
  absl::StrAppendFormat(&text, "%-16s", "struck while in");
  for (StepState state : kStates) absl::StrAppendFormat(&text, "%11s", StepStateName(state));
  text += "\n";
  for (int fault = 0; fault < kFaults; ++fault) {
    absl::StrAppendFormat(&text, "%-16s", FaultName(static_cast<Fault>(fault)));
    for (StepState state : kStates) {
      const auto times = coverage.find({state, static_cast<Fault>(fault)});
      absl::StrAppendFormat(&text, "%11d", times == coverage.end() ? 0 : times->second);
    }
    text += "\n";
  }
  for (const auto& [seed, what] : violated) absl::StrAppend(&text, "seed ", seed, ": ", what, "\n");
  absl::StrAppend(&text, violated.size(), " violations\n");
  return text;
}

}  // namespace fractos::sim
