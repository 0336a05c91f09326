// TaskGraphs and DeviceClusters out of YAML files.
#ifndef FRACTOS_LIB_PLAN_YAML_H_
#define FRACTOS_LIB_PLAN_YAML_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "lib/plan/device_cluster.h"
#include "lib/plan/plan.h"
#include "lib/plan/task_graph.h"

namespace fractos {

struct Documents {
  std::vector<TaskGraph> graphs;
  std::vector<DeviceCluster> clusters;
  std::vector<Diagnostic> diagnostics;  // not empty: the rest must not be used
};

// Reads every document of `text`. `file` only names it in diagnostics. Hostile input: text over
// kMaxSpecBytes, YAML that does not parse, aliases that explode, unknown kinds and fields, wrong
// types, duplicate names and keys each give a diagnostic with line, column, field and, for a name
// that is nearly right, the nearest known one. Checks each document by itself; Validate checks what
// takes knowledge of the devices.
Documents ParseDocuments(absl::string_view text, absl::string_view file);

}  // namespace fractos

#endif  // FRACTOS_LIB_PLAN_YAML_H_
