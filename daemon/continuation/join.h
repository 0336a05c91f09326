// Joins: which candidates belong together.
#ifndef FRACTOS_DAEMON_CONTINUATION_JOIN_H_
#define FRACTOS_DAEMON_CONTINUATION_JOIN_H_

#include <cstddef>
#include <map>
#include <vector>

#include "daemon/continuation/run.h"

namespace fractos {

// Bounds on one step at one daemon. An edge normally brings one result, and a few that differ after
// daemons died; combinations grow exponentially. What exceeds the bounds waits until the driver has
// said which results stand and the rest is dropped: a candidate is not accepted, so it is sent
// again, and a combination is not executed.
inline constexpr size_t kMaxCandidates = 32;  // along one edge
inline constexpr size_t kMaxCombinations = 64;

// The combinations, one candidate for each of `edges` in that order, that contain `must` and whose
// ancestors agree: no step stands in two of them with different results. A join that counted inputs
// instead would execute on results of different pasts, and then never find the right ones. Only
// candidates settled under `redrive` take part. At most kMaxCombinations, and fewer when most of
// what is tried does not agree.
std::vector<std::vector<const Candidate*>> AgreeingCombinations(
    const std::vector<StepPath>& edges, const std::map<ResultId, Candidate>& candidates,
    const Candidate& must, uint64_t redrive);

// The results that an execution on `chosen` stands on, predecessors before successors, each step
// once, without inline bytes. Refinements keep theirs: they are what later steps are made of.
std::vector<ResultPtr> MergedAncestors(const std::vector<const Candidate*>& chosen);

// `result` as ancestors travel: a value keeps its place but not its bytes, save a refinement's.
ResultPtr WithoutInlineBytes(const ResultPtr& result);

}  // namespace fractos

#endif  // FRACTOS_DAEMON_CONTINUATION_JOIN_H_
