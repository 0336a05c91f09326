// What follows what in a graph that travels, and what a refinement turns into. Daemons and the
// driver must come to the same steps, so both ask here.
#ifndef FRACTOS_LIB_PROTOCOL_EXPAND_H_
#define FRACTOS_LIB_PROTOCOL_EXPAND_H_

#include <vector>

#include "absl/status/statusor.h"
#include "lib/plan/step.h"
#include "lib/protocol/message.h"

namespace fractos {

// The steps of `steps` that have an edge from `alias` (Step::alias of the predecessor).
std::vector<StepPtr> SuccessorsOf(const StepPath& alias, const std::vector<StepPtr>& steps);

// `target` and every step of `steps` that can be reached from it, in their order; `target` first.
std::vector<StepPtr> StepsFrom(const StepPtr& target, const std::vector<StepPtr>& steps);

// The values that `step` works on: those of `results`, which its predecessors gave in the order of
// Step::Predecessors, that its inputs name, then what is bound to it. An input whose result is
// null, for it is not known yet, is left out.
std::vector<BoundInput> OwnInputs(const Step& step, const std::vector<ResultPtr>& results);

// The steps that `parent` refined into with result `result`, ready to travel. Those that need no
// other refined step follow `parent` itself; the last one stands for it. `own_inputs` are
// OwnInputs of `parent`. The refinement is an adaptor's word, so InvalidArgument, in words for the
// graph's author, when it is empty or too long, names an operation that `parent` may not refine to
// or an input that `parent` has not, or when a step other than the last leads nowhere.
absl::StatusOr<std::vector<StepPtr>> ExpandRefinement(
    const Step& parent, const ResultId& result, const Refinement& refinement,
    const std::vector<BoundInput>& own_inputs, const std::vector<OperationSignature>& signatures);

}  // namespace fractos

#endif  // FRACTOS_LIB_PROTOCOL_EXPAND_H_
