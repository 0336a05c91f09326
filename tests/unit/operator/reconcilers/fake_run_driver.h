// A driver that does what a test tells it to.
#ifndef FRACTOS_TESTS_UNIT_OPERATOR_RECONCILERS_FAKE_RUN_DRIVER_H_
#define FRACTOS_TESTS_UNIT_OPERATOR_RECONCILERS_FAKE_RUN_DRIVER_H_

#include <map>
#include <set>
#include <string>
#include <utility>

#include "operator/reconcilers/run_driver.h"

namespace fractos {

// Writes the first record as RunCore does; the rest is the test's. Not thread-safe.
class FakeRunDriver final : public RunDriver {
 public:
  struct Run {
    Plan plan;
    RunRecord record;
    uint64_t version = 0;
    std::function<void()> on_change;
    bool finished = false;
    absl::Status lost;
  };

  explicit FakeRunDriver(RecordStore* store) : store_(store) {}

  absl::Status Start(Plan plan, RunRecord record, uint64_t version,
                     std::function<void()> on_change) override {
    const RunId id = record.run;
    Run& run = runs[id];
    run = {std::move(plan), std::move(record), version, std::move(on_change), false, {}};
    started.push_back(id);
    if (run.record.redrive == 0) {
      run.record.redrive = 1;
      run.record.phase = RunPhase::kRunning;
      Write(id);
    }
    return absl::OkStatus();
  }
  absl::StatusOr<RunSnapshot> Snapshot(const RunId& id) const override {
    const auto found = runs.find(id);
    if (found == runs.end()) return absl::NotFoundError("not here");
    RunSnapshot snapshot;
    snapshot.record = found->second.record;
    snapshot.finished = found->second.finished;
    snapshot.lost = found->second.lost;
    return snapshot;
  }
  void Cancel(const RunId& run) override { cancelled.insert(run); }
  void Forget(const RunId& run) override { runs.erase(run); }
  void Abandon(const RunId& run) override {
    runs.erase(run);
    abandoned.insert(run);
  }

  // As RunCore and Driver do it.
  void Write(const RunId& id) {
    Run& run = runs.at(id);
    const absl::StatusOr<uint64_t> written = store_->Write(run.record, run.version);
    if (written.ok()) run.version = *written;
    if (!written.ok()) run.lost = written.status();
    run.finished = written.ok() && IsEnd(run.record.phase);
    run.on_change();
  }
  void End(const RunId& id, RunPhase phase, Failure failure = {}) {
    runs.at(id).record.phase = phase;
    runs.at(id).record.failure = std::move(failure);
    Write(id);
  }

  std::map<RunId, Run> runs;
  std::vector<RunId> started;
  std::set<RunId> cancelled;
  std::set<RunId> abandoned;

 private:
  RecordStore* const store_;
};

}  // namespace fractos

#endif  // FRACTOS_TESTS_UNIT_OPERATOR_RECONCILERS_FAKE_RUN_DRIVER_H_
