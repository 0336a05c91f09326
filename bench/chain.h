// A chain of steps over eight DeviceClusters of one real daemon and one real adaptor each, driven
// from this process as fractosctl drives it, save that the record is in memory: what is measured
// is the way of a run and not a disk.
#ifndef FRACTOS_BENCH_CHAIN_H_
#define FRACTOS_BENCH_CHAIN_H_

#include <sys/types.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cli/session.h"
#include "lib/base/random.h"
#include "lib/driver/memory_record_store.h"
#include "lib/plan/plan.h"

namespace fractos {

// Used by one thread.
class Chain {
 public:
  static absl::StatusOr<std::unique_ptr<Chain>> Start();

  // Eight steps that each answer with the 64 bytes they are given.
  absl::StatusOr<Plan> CopyPlan() const;
  // A step that makes a value of `size` bytes, and then eight that pass it on.
  absl::StatusOr<Plan> PassPlan(uint64_t size) const;

  // Runs `plan` to its end and returns its record. `microseconds`, if not null, is from its start
  // until its end is recorded.
  absl::StatusOr<RunRecord> Run(const Plan& plan, double* microseconds);

  // Keeps `in_flight` runs of `plan` going; returns how many ended within `window`.
  absl::StatusOr<int64_t> Flood(const Plan& plan, int in_flight, std::chrono::nanoseconds window);

 private:
  Chain() = default;
  absl::StatusOr<Plan> CompilePlan(const std::string& yaml) const;
  // `told` is called once, when the run is over.
  absl::StatusOr<RunId> StartRun(const Plan& plan, std::function<void()> told);

  SystemRandom random_;
  MemoryRecordStore store_;
  Descriptions descriptions_;
  std::unique_ptr<Session> session_;
};

// How long four DeviceClusters (storage, math, cnn, echo; one replica each) take from nothing until
// each has a leader that has described its device.
absl::StatusOr<double> MeasureReadyMilliseconds();

// Memory of our child processes that are daemons, in MB of 10^6 bytes.
struct DaemonMemory {
  double max_rss = 0, max_pss = 0;
  int daemons = 0;
};
DaemonMemory MeasureDaemonMemory();

}  // namespace fractos

#endif  // FRACTOS_BENCH_CHAIN_H_
