// Shows a run on a cluster as runs on this machine are shown.
#ifndef FRACTOS_CLI_CLUSTER_SHOW_H_
#define FRACTOS_CLI_CLUSTER_SHOW_H_

#include <functional>

#include "cli/cluster/target.h"
#include "cli/exit_code.h"
#include "cli/run.h"
#include "lib/kube/object.h"

namespace fractos::cluster {

// What the first Ctrl-C leads to; the second ends the process.
enum class OnInterrupt { kLeave, kWait };

// Live progress until the run is over, then its report, its trace if one is wanted, and the exit
// code that says how it ended; kExitFailed when the object is deleted before. API servers that
// cannot be reached are waited for, but not an operator that does not take the run up: that is said
// after a while and, by the target's clock, kExitDeadline soon after the run's deadline.
// `on_interrupt` is called once, with the newest state.
ExitCode ShowToItsEnd(const Target& target, kube::Object task_graph, const ShowOptions& options,
                      const std::function<OnInterrupt(const kube::Object&)>& on_interrupt);

// For whoever leaves an object behind that nobody looks after.
std::string WhatIsLeft(const kube::Object& task_graph);

}  // namespace fractos::cluster

#endif  // FRACTOS_CLI_CLUSTER_SHOW_H_
