// A Chrome trace of what a TaskGraph's status tells.
#ifndef FRACTOS_CLI_CLUSTER_STATUS_TRACE_H_
#define FRACTOS_CLI_CLUSTER_STATUS_TRACE_H_

#include <string>

#include "absl/status/status.h"
#include "lib/kube/object.h"

namespace fractos::cluster {

// JSON in the Trace Event Format: a span for the run, a mark for every condition where it last
// changed, and for every recorded step a mark at the run's end, on the process that executed it: a
// status keeps no times of steps, and otherData says so.
std::string StatusTrace(const kube::Object& task_graph);

// Writes it to `file` ("-": standard output), and says on stderr what is not in it.
absl::Status WriteStatusTrace(const kube::Object& task_graph, const std::string& file);

}  // namespace fractos::cluster

#endif  // FRACTOS_CLI_CLUSTER_STATUS_TRACE_H_
