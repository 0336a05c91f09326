// Which TaskGraph a user means.
#ifndef FRACTOS_CLI_CLUSTER_FIND_RUN_H_
#define FRACTOS_CLI_CLUSTER_FIND_RUN_H_

#include <string>

#include "absl/status/statusor.h"
#include "cli/cluster/target.h"
#include "lib/kube/object.h"

namespace fractos::cluster {

// `run` is an object's name, also as kubectl prints it ("taskgraph.fractos.dev/NAME"), or the
// beginning of a run's id, at least four digits of it. InvalidArgument when there is no such run in
// the target's namespace, or several begin so; else an error of the API server's.
absl::StatusOr<kube::Object> FindRun(const Target& target, const std::string& run);

}  // namespace fractos::cluster

#endif  // FRACTOS_CLI_CLUSTER_FIND_RUN_H_
