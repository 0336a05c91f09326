// `kubectl fractos run`, `watch` and `trace`.
#ifndef FRACTOS_CLI_CLUSTER_RUN_COMMANDS_H_
#define FRACTOS_CLI_CLUSTER_RUN_COMMANDS_H_

#include <string>

#include "cli/cluster/target.h"
#include "cli/exit_code.h"
#include "cli/run.h"

namespace fractos::cluster {

// Makes a TaskGraph object of the one in the files and shows it to its end. What can be known to be
// wrong beforehand, devices on the cluster included, makes none. The first Ctrl-C asks for the
// run's cancellation and waits for it, unless no operator has taken the run up; the second leaves
// it to the cluster.
ExitCode Run(const Target& target, const RunOptions& options);

// Shows a run to its end, or what it ended with. Ctrl-C leaves: the run goes on.
ExitCode Watch(const Target& target, const std::string& run, const ShowOptions& options);

// Writes what the run's status gives of a Chrome trace to `file` ("-": standard
// output), and says what is not in it.
ExitCode Trace(const Target& target, const std::string& run, const std::string& file);

}  // namespace fractos::cluster

#endif  // FRACTOS_CLI_CLUSTER_RUN_COMMANDS_H_
