// `kubectl fractos cp`: files into a storage on a cluster and out of it.
#ifndef FRACTOS_CLI_CLUSTER_COPY_H_
#define FRACTOS_CLI_CLUSTER_COPY_H_

#include "cli/cluster/target.h"
#include "cli/copy.h"
#include "cli/exit_code.h"

namespace fractos::cluster {

// By the storage adaptor's own commands in its container in the leader's pod, which `kubectl exec`
// starts: kubectl of PATH, or the program that the environment variable KUBECTL names. A connection
// that breaks in the middle neither stores nor leaves a part of a file: the sender says how long
// the file is, and what comes back is compared with its digest.
ExitCode Copy(const Target& target, const CopyOptions& options);

}  // namespace fractos::cluster

#endif  // FRACTOS_CLI_CLUSTER_COPY_H_
