#include "lib/plan/step.h"

#include <algorithm>

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
  // Most steps have one or two, for which a set costs more than it saves.
  for (const InputEdge& edge : inputs) {
    const auto same = [&edge](const StepPath& one) { return one == edge.from; };
    if (std::none_of(predecessors.begin(), predecessors.end(), same)) {
      predecessors.push_back(edge.from);
    }
  }
  absl::flat_hash_set<absl::string_view> seen;
  if (!after.empty()) seen.insert(predecessors.begin(), predecessors.end());
  for (const StepPath& predecessor : after) {
    if (seen.insert(predecessor).second) predecessors.push_back(predecessor);
  }
  return predecessors;
}

}  // namespace fractos
