// Steps and results as tests of the protocol want them: named by a word, the rest of no account.
#ifndef FRACTOS_TESTS_UNIT_LIB_PROTOCOL_BUILDERS_H_
#define FRACTOS_TESTS_UNIT_LIB_PROTOCOL_BUILDERS_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "lib/protocol/message.h"

namespace fractos {

// Any id, the same for the same word.
template <typename Id>
Id NamedId(absl::string_view word) {
  return Id::FromBytesOrDie(Digest::Of(word).bytes());
}

inline Incarnation Replica(std::string cluster, uint32_t replica = 0,
                           absl::string_view boot = "first") {
  return {{std::move(cluster), replica}, NamedId<BootId>(boot)};
}

// A step with one input from each of `from`, of the same name. Change what matters and use it as a
// StepPtr.
inline std::shared_ptr<Step> NewStep(StepPath path, const std::vector<StepPath>& from = {},
                                     std::string cluster = "default/a") {
  auto step = std::make_shared<Step>();
  step->path = std::move(path);
  step->cluster = std::move(cluster);
  step->operation = "work";
  step->timeout = std::chrono::seconds(10);
  step->deterministic_so_far = true;
  for (const StepPath& one : from) step->inputs.push_back({one, one, false});
  return step;
}

inline Value InlineValue(std::string bytes, Incarnation owner = {}) {
  Value value;
  value.digest = Digest::Of(bytes);
  value.size = bytes.size();
  value.owner = std::move(owner);
  value.object = NamedId<ObjectId>("object of " + bytes);
  value.inline_bytes = std::make_shared<const std::string>(std::move(bytes));
  return value;
}

// The same value for those who must pull it.
inline Value LargeValue(std::string bytes, Incarnation owner) {
  Value value = InlineValue(std::move(bytes), std::move(owner));
  value.inline_bytes = nullptr;
  return value;
}

// What `executor` would commit for `step` of `run` on `inputs` (in the order of Predecessors).
inline ResultPtr NewResult(const RunId& run, const Step& step, const std::vector<ResultPtr>& inputs,
                           Value value, ResultState state = ResultState::kSucceeded) {
  std::vector<ResultId> ids;
  for (const ResultPtr& input : inputs) ids.push_back(input->id);
  auto result = std::make_shared<StepResult>();
  result->path = step.path;
  result->state = state;
  result->lineage = ComputeLineage(ids);
  result->id =
      ComputeResultId({run, step.path, result->lineage}, ResultStateName(state), value.digest);
  result->executor = value.owner;
  result->value = std::move(value);
  return result;
}

// What the steps of tests refine to.
inline OperationSignature MultiplyOf(std::string cluster = "default/a") {
  OperationSignature multiply;
  multiply.cluster = std::move(cluster);
  multiply.operation = "multiply";
  return multiply;
}

// A step of such a refinement, at the refining device's own cluster.
inline RefinedStep NewMultiply(std::vector<RefinedStep::Input> inputs = {}) {
  RefinedStep step;
  step.cluster = ".";
  step.operation = "multiply";
  step.inputs = std::move(inputs);
  return step;
}

// So many of them, each after the one before.
inline Refinement MultiplyChain(size_t steps) {
  Refinement chain(steps, NewMultiply());
  for (size_t i = 1; i < steps; ++i) chain[i].after = {static_cast<int>(i) - 1};
  return chain;
}

}  // namespace fractos

#endif  // FRACTOS_TESTS_UNIT_LIB_PROTOCOL_BUILDERS_H_
