// What makes two executions the same: attempt keys, edge keys, lineages and result ids, computed
// (docs/protocol.md).
#ifndef FRACTOS_LIB_PROTOCOL_IDENTITY_H_
#define FRACTOS_LIB_PROTOCOL_IDENTITY_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "lib/base/digest.h"
#include "lib/base/ids.h"
#include "lib/plan/step.h"

namespace fractos {

// Which execution of a step: its place in the run and the results it works on. Deduplication goes
// by this key, and adaptors get it as the idempotency key: deduplicating by the step alone would
// answer a re-driven step with a result made from predecessors that were since discarded.
struct AttemptKey {
  RunId run;
  StepPath step;
  Lineage lineage;

  friend bool operator==(const AttemptKey&, const AttemptKey&) = default;
  friend auto operator<=>(const AttemptKey&, const AttemptKey&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const AttemptKey& k) {
    return H::combine(std::move(h), k.run, k.step, k.lineage);
  }
  // Constant over retries and replicas; safe as a file name.
  std::string IdempotencyKey() const;
};

// One edge of one run, as a result travels along it: `from` is the predecessor's result (and names
// its step, for result ids cover that), none for what the driver hands to a root.
struct EdgeKey {
  RunId run;
  StepPath step;
  ResultId from;

  friend bool operator==(const EdgeKey&, const EdgeKey&) = default;
  friend auto operator<=>(const EdgeKey&, const EdgeKey&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const EdgeKey& k) {
    return H::combine(std::move(h), k.run, k.step, k.from);
  }
};

// Digest of the predecessors' result ids, in the order of Step::Predecessors.
Lineage ComputeLineage(const std::vector<ResultId>& predecessors);

// digest(run, path, lineage, state, output): two executions that agree are one. `state` is the
// result's (ResultStateName), `output` the digest of a value's bytes or of a failure's reason.
ResultId ComputeResultId(const AttemptKey& attempt, absl::string_view state, const Digest& output);

}  // namespace fractos

#endif  // FRACTOS_LIB_PROTOCOL_IDENTITY_H_
