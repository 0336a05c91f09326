// TaskGraphs out of the JSON that an API server keeps.
#ifndef FRACTOS_LIB_PLAN_TASK_GRAPH_JSON_H_
#define FRACTOS_LIB_PLAN_TASK_GRAPH_JSON_H_

#include <nlohmann/json.hpp>
#include <vector>

#include "lib/plan/plan.h"
#include "lib/plan/task_graph.h"

namespace fractos {

struct TaskGraphObject {
  TaskGraph graph;
  std::vector<Diagnostic> diagnostics;  // not empty: the graph must not be used
};

// Reads a TaskGraph as ParseDocuments does, with the same fields named in the same words; they have
// no places, for an object has no lines. Of the metadata only the names are looked at: what else an
// API server keeps there is its own, and the status is left to whoever runs the graph. Hostile
// input, within the same bounds.
TaskGraphObject ReadTaskGraphObject(const nlohmann::json& object);

}  // namespace fractos

#endif  // FRACTOS_LIB_PLAN_TASK_GRAPH_JSON_H_
