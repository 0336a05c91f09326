// From a file to the TaskGraph object that a cluster is asked to run.
#ifndef FRACTOS_CLI_CLUSTER_GRAPH_OBJECT_H_
#define FRACTOS_CLI_CLUSTER_GRAPH_OBJECT_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/inputs.h"
#include "lib/base/clock.h"
#include "lib/kube/object.h"
#include "lib/plan/plan.h"
#include "lib/plan/task_graph.h"

namespace fractos::cluster {

struct GraphRequest {
  std::vector<SourceFile> sources;
  ParameterValues parameters;
  std::string name;                  // of the object; empty: generated
  std::optional<Mode> mode;          // instead of the graph's
  std::optional<Duration> deadline;  // likewise
  std::string ns;                    // what the user named; empty: nothing
  std::string default_ns;            // where the file does not say either
  std::string traceparent;           // of who asks, for the operator to go on in; empty: none
};

struct GraphObject {
  TaskGraph graph;      // as read, with its namespace
  kube::Object object;  // what to create: the document as it was written, the request put in
  std::vector<DeviceCluster> clusters;  // those in the files: not created
};

// InvalidArgument, whose message are lines for stderr, when the files are no good, hold not exactly
// one TaskGraph, or name another namespace than the user. What devices say is not looked at.
//
// One object is one run, so a name becomes the beginning of a generated one.
absl::StatusOr<GraphObject> MakeGraphObject(const GraphRequest& request);

}  // namespace fractos::cluster

#endif  // FRACTOS_CLI_CLUSTER_GRAPH_OBJECT_H_
