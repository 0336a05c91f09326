// A run on a cluster as the rest of fractosctl knows runs: the one conversion from a TaskGraph
// object to what displays and reports are made of.
#ifndef FRACTOS_CLI_CLUSTER_OBSERVED_RUN_H_
#define FRACTOS_CLI_CLUSTER_OBSERVED_RUN_H_

#include <string>

#include "cli/exit_code.h"
#include "lib/driver/driver.h"
#include "lib/kube/object.h"
#include "lib/plan/plan.h"

namespace fractos::cluster {

struct ObservedRun {
  // Steps with their devices, operations and predecessors; nothing that only a driver needs.
  Plan plan;
  // What the status keeps of the run. It keeps no times of steps, and what moved for all steps
  // together only; which ones execute is inferred from what is recorded.
  RunSnapshot snapshot;

  enum class Accepted { kUnknown, kYes, kNo };
  Accepted accepted = Accepted::kUnknown;
  // Why the run is not accepted, or does not get on: "waits for DeviceCluster default/cnn". Empty:
  // there is nothing to say.
  std::string note;

  // Once it has finished: as embedded runs end; kExitBadInput for one that was not accepted, unless
  // that is for a device that did not come before the deadline.
  ExitCode code() const;
};

// Never fails: what ReadRecord leaves out of the status is not shown.
ObservedRun ObserveRun(const kube::Object& task_graph);

}  // namespace fractos::cluster

#endif  // FRACTOS_CLI_CLUSTER_OBSERVED_RUN_H_
