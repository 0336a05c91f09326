#include "daemon/continuation/join.h"

#include <set>
#include <utility>

namespace fractos {
namespace {

using Past = std::map<StepPath, ResultId>;

// Adds what `candidate` stands on to `past`; false, with `past` unusable, if they disagree.
bool Join(const Candidate& candidate, Past* past) {
  const auto agrees = [past](const StepResult& result) {
    return past->try_emplace(result.path, result.id).first->second == result.id;
  };
  for (const ResultPtr& ancestor : candidate.ancestors) {
    if (!agrees(*ancestor)) return false;
  }
  return candidate.result == nullptr || agrees(*candidate.result);
}

// How many candidates one search looks at, those of combinations that come to nothing included.
constexpr size_t kMaxLooks = 16 * 1024;

struct Search {
  const std::vector<std::vector<const Candidate*>>& options;  // by edge
  std::vector<const Candidate*> chosen;
  std::vector<std::vector<const Candidate*>> found;
  size_t looks = 0;

  void Extend(const Past& past) {
    if (chosen.size() == options.size()) {
      found.push_back(chosen);
      return;
    }
    for (const Candidate* candidate : options[chosen.size()]) {
      if (found.size() >= kMaxCombinations || ++looks > kMaxLooks) return;
      Past joined = past;
      if (!Join(*candidate, &joined)) continue;
      chosen.push_back(candidate);
      Extend(joined);
      chosen.pop_back();
    }
  }
};

}  // namespace

std::vector<std::vector<const Candidate*>> AgreeingCombinations(
    const std::vector<StepPath>& edges, const std::map<ResultId, Candidate>& candidates,
    const Candidate& must, uint64_t redrive) {
  if (must.redrive != redrive) return {};
  // By far the most steps have one predecessor, or none.
  if (edges.size() <= 1) return {{&must}};
  std::vector<std::vector<const Candidate*>> options;
  for (const StepPath& edge : edges) {
    std::vector<const Candidate*>& along = options.emplace_back();
    for (const auto& [from, candidate] : candidates) {
      if (candidate.edge != edge || candidate.redrive != redrive) continue;
      if (edge == must.edge && candidate.key != must.key) continue;
      along.push_back(&candidate);
    }
    if (along.empty()) return {};  // no need to try out the others
  }
  Search search{options, {}, {}};
  search.Extend({});
  return std::move(search.found);
}

std::vector<ResultPtr> MergedAncestors(const std::vector<const Candidate*>& chosen) {
  std::vector<ResultPtr> merged;
  std::set<StepPath> seen;
  const auto add = [&merged, &seen](const ResultPtr& result) {
    if (seen.insert(result->path).second) merged.push_back(WithoutInlineBytes(result));
  };
  for (const Candidate* candidate : chosen) {
    for (const ResultPtr& ancestor : candidate->ancestors) add(ancestor);
    if (candidate->result != nullptr) add(candidate->result);
  }
  return merged;
}

ResultPtr WithoutInlineBytes(const ResultPtr& result) {
  if (!result->value.IsInline() || result->state == ResultState::kRefined) return result;
  auto copy = std::make_shared<StepResult>(*result);
  copy->value.inline_bytes = nullptr;
  return copy;
}

}  // namespace fractos
