#include "lib/plan/task_graph.h"

#include "absl/strings/strip.h"

namespace fractos {

std::string TaskGraph::DisplayName() const {
  return name.empty() ? std::string(absl::StripSuffix(generate_name, "-")) : name;
}

}  // namespace fractos
