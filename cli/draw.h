// Pictures of a TaskGraph.
#ifndef FRACTOS_CLI_DRAW_H_
#define FRACTOS_CLI_DRAW_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "lib/plan/task_graph.h"

namespace fractos {

// A flowchart for Mermaid, as Markdown pages on GitHub show it.
std::string DrawMermaid(const TaskGraph& graph);

// A digraph for Graphviz.
std::string DrawDot(const TaskGraph& graph);

// `dot` as SVG by the program of that name. Unavailable, with the way out, when it is not
// installed.
absl::StatusOr<std::string> RenderSvg(absl::string_view dot);

}  // namespace fractos

#endif  // FRACTOS_CLI_DRAW_H_
