#include "lib/plan/task_graph.h"

#include "absl/strings/strip.h"

namespace fractos {

std::string ModeName(Mode mode) {
  return mode == Mode::kCentralized ? "Centralized" : "Distributed";
}

std::optional<Mode> ParseMode(absl::string_view name) {
  for (const Mode mode : {Mode::kDistributed, Mode::kCentralized}) {
    if (ModeName(mode) == name) return mode;
  }
  return std::nullopt;
}

std::string TaskGraph::DisplayName() const {
  return name.empty() ? std::string(absl::StripSuffix(generate_name, "-")) : name;
}

}  // namespace fractos
