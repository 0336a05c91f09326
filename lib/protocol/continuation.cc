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

std::vector<std::string_view> ClustersOf(const Continuation& continuation) {
  std::vector<std::string_view> clusters;
  clusters.reserve(continuation.steps.size() + continuation.signatures.size());
  for (const StepPtr& step : continuation.steps) clusters.push_back(step->cluster);
  for (const OperationSignature& one : continuation.signatures) clusters.push_back(one.cluster);
  std::sort(clusters.begin(), clusters.end());
  clusters.erase(std::unique(clusters.begin(), clusters.end()), clusters.end());
  return clusters;
}

}  // namespace fractos
