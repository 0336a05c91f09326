#include "lib/protocol/continuation.h"

#include <algorithm>
#include <string>

#include "lib/protocol/expand.h"

namespace fractos {
namespace {

void AddName(const std::string& name, std::vector<std::string>* names) {
  if (std::find(names->begin(), names->end(), name) == names->end()) names->push_back(name);
}

}  // namespace

Continuation RestFrom(const StepPtr& first, const std::vector<StepPtr>& later,
                      const std::vector<OperationSignature>& signatures, const LeaderBook& book) {
  Continuation rest;
  rest.steps = StepsFrom(first, later);
  std::vector<std::string> clusters;
  bool refines = false;
  for (const StepPtr& step : rest.steps) {
    AddName(step->cluster, &clusters);
    refines = refines || !step->refines_to.empty();
  }
  if (refines) {
    rest.signatures = signatures;
    for (const OperationSignature& one : signatures) AddName(one.cluster, &clusters);
  }
  rest.clusters = book.Views(clusters);
  return rest;
}

bool Needs(const Continuation& continuation, const std::string& cluster) {
  const auto is_there = [&cluster](const StepPtr& step) { return step->cluster == cluster; };
  const auto may_be = [&cluster](const OperationSignature& one) { return one.cluster == cluster; };
  return std::any_of(continuation.steps.begin(), continuation.steps.end(), is_there) ||
         std::any_of(continuation.signatures.begin(), continuation.signatures.end(), may_be);
}

}  // namespace fractos
