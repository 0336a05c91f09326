// `kubectl fractos runs`, `status` and `devices`.
#ifndef FRACTOS_CLI_CLUSTER_LISTINGS_H_
#define FRACTOS_CLI_CLUSTER_LISTINGS_H_

#include <string>

#include "cli/cluster/target.h"
#include "cli/exit_code.h"

namespace fractos::cluster {

// Each of the target's namespace, or of all; `format` is "text" or "json".

// TaskGraphs, the latest first.
ExitCode ListRuns(const Target& target, const std::string& format);
// DeviceClusters: who is ready, who leads, what is wrong.
ExitCode ShowStatus(const Target& target, const std::string& format);
// What each DeviceCluster offers.
ExitCode ShowDevices(const Target& target, const std::string& format);

}  // namespace fractos::cluster

#endif  // FRACTOS_CLI_CLUSTER_LISTINGS_H_
