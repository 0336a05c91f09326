#include "lib/plan/step.h"

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"

namespace fractos {

StepPath RefinedPath(const StepPath& parent, size_t index, const ResultId& parent_result) {
  return absl::StrCat(RootStepName(parent), "/", index, "@", parent_result.ToHex());
}

absl::string_view RootStepName(absl::string_view path) { return path.substr(0, path.find('/')); }

std::vector<StepPath> Step::Predecessors() const {
  std::vector<StepPath> predecessors;
  predecessors.reserve(inputs.size() + after.size());
  absl::flat_hash_set<absl::string_view> seen;
  const auto add = [&](const StepPath& predecessor) {
    if (seen.insert(predecessor).second) predecessors.push_back(predecessor);
  };
  for (const InputEdge& edge : inputs) add(edge.from);
  for (const StepPath& predecessor : after) add(predecessor);
  return predecessors;
}

}  // namespace fractos
