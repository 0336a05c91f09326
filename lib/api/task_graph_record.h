// A run's record as the status of its TaskGraph, and back: pure code. The operator writes it and
// goes on from it, fractosctl shows it.
#ifndef FRACTOS_LIB_API_TASK_GRAPH_RECORD_H_
#define FRACTOS_LIB_API_TASK_GRAPH_RECORD_H_

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "lib/base/clock.h"
#include "lib/driver/core/record.h"
#include "lib/kube/object.h"

namespace fractos {

// The run of the object with that uid: a UUID is 128 bits; of anything else, a digest.
RunId RunIdOf(absl::string_view uid);

// What the status says and the record does not.
struct StatusContext {
  std::string ns;  // the TaskGraph's, which clusters of the same are named without
  int64_t generation = 0;
  size_t steps = 0;             // of the plan
  size_t on_failure_steps = 0;  // likewise
};

inline constexpr size_t kMaxStepStatusBytes = 256;

// The whole status. `before` is the one that there is, for its conditions' times.
//
// A step's entry is bounded: at most kMaxStepStatusBytes besides the names of the step and of the
// clusters in it, which a graph's author chooses; never bytes of values. Small outputs stand in
// `outputs`, as long as all together have at most kMaxInlineOutputBytes.
kube::Json StatusFromRecord(const RunRecord& record, const StatusContext& context,
                            const kube::Json& before, WallTime now);

// What of the object's status makes sense as a record; the rest is left out, and the first of it is
// named in `*fault`, which is OK when there was none. It never fails: to be shown to people.
//
// What a run takes to go on is all there. What only people want is not: when each step ran, the
// messages of steps that failed (save the first), and what each step moved; `transfer` and
// `centralized_bytes` have the sums.
RunRecord ReadRecord(const kube::Object& task_graph, absl::Status* fault);

// The record to go on from. NotFound when the run has not been started; InvalidArgument when the
// status is none that StatusFromRecord makes: somebody else wrote it, or another version of
// FractOS. What all steps moved is put on one of them, so that totals are right.
absl::StatusOr<RunRecord> RecordFromObject(const kube::Object& task_graph);

// Accepted, Succeeded and Finished for a run that is in `phase`, into `conditions`.
void SetRunConditions(kube::Json* conditions, RunPhase phase, const Failure& failure,
                      const std::string& failed_step, int64_t generation, WallTime now);

}  // namespace fractos

#endif  // FRACTOS_LIB_API_TASK_GRAPH_RECORD_H_
