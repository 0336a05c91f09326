// What the TaskGraph reconciler asks of a driver, and the driver that there is.
#ifndef FRACTOS_OPERATOR_RECONCILERS_RUN_DRIVER_H_
#define FRACTOS_OPERATOR_RECONCILERS_RUN_DRIVER_H_

#include <functional>
#include <string>
#include <utility>

#include "lib/driver/driver.h"
#include "operator/reconcilers/device_directory.h"

namespace fractos {

// As Driver's methods of these names. Thread-safe.
class RunDriver {
 public:
  virtual ~RunDriver() = default;
  virtual absl::Status Start(Plan plan, RunRecord record, uint64_t version,
                             std::function<void()> on_change) = 0;
  virtual absl::StatusOr<RunSnapshot> Snapshot(const RunId& run) const = 0;
  virtual void Cancel(const RunId& run) = 0;
  virtual void Forget(const RunId& run) = 0;
  virtual void Abandon(const RunId& run) = 0;
};

// One Driver as both of what the reconcilers need of it.
class LinkedDriver final : public RunDriver, public ClusterLinks {
 public:
  // `driver` outlives it.
  explicit LinkedDriver(Driver* driver) : driver_(driver) {}

  absl::Status Start(Plan plan, RunRecord record, uint64_t version,
                     std::function<void()> on_change) override {
    return driver_->Start(std::move(plan), std::move(record), version, std::move(on_change));
  }
  absl::StatusOr<RunSnapshot> Snapshot(const RunId& run) const override {
    return driver_->Snapshot(run);
  }
  void Cancel(const RunId& run) override { driver_->Cancel(run); }
  void Forget(const RunId& run) override { driver_->Forget(run); }
  void Abandon(const RunId& run) override { driver_->Abandon(run); }

  void Learn(const ClusterView& cluster) override { driver_->Learn({cluster}); }
  void Unlearn(const std::string& cluster) override { driver_->Unlearn(cluster); }

 private:
  Driver* const driver_;
};

}  // namespace fractos

#endif  // FRACTOS_OPERATOR_RECONCILERS_RUN_DRIVER_H_
