// A run's graph as far as it is known: the plan's steps, grown by the refinements in the record.
#ifndef FRACTOS_LIB_DRIVER_CORE_RUN_GRAPH_H_
#define FRACTOS_LIB_DRIVER_CORE_RUN_GRAPH_H_

#include <map>
#include <vector>

#include "absl/status/status.h"
#include "lib/plan/plan.h"
#include "lib/protocol/message.h"

namespace fractos {

using RecordedSteps = std::map<StepPath, ResultPtr>;

// Answers what follows what, and which recorded result travels along an edge. Rebuilt when the
// record gains or loses a refinement; a regular value otherwise.
class RunGraph {
 public:
  RunGraph() = default;

  // `steps` and `context`, grown by those results of `recorded` that are refinements and carry
  // their bytes. `context` are steps that `steps` may name as predecessors but that are not to be
  // done (the main steps, for an error continuation). ResourceExhausted when with `later`, those
  // that the run may come to besides, they are more than kMaxSteps: so never more stand in the
  // record.
  static absl::StatusOr<RunGraph> Grow(const std::vector<StepPtr>& steps,
                                       const std::vector<StepPtr>& context,
                                       const std::vector<OperationSignature>& signatures,
                                       const RecordedSteps& recorded, size_t later = 0);

  const std::vector<StepPtr>& steps() const { return steps_; }
  // A step to be done or of the context; null if neither.
  StepPtr Find(const StepPath& path) const;
  // Whether it is one to be done.
  bool Contains(const Step& step) const;

  // What `recorded` says travels into `step` along the edge from `from`; null if nothing yet.
  ResultPtr ResultAlong(const Step& step, const StepPath& from,
                        const RecordedSteps& recorded) const;

  // The final result under the name `alias`: of that step, or of what stands for it.
  ResultPtr Terminal(const StepPath& alias, const RecordedSteps& recorded) const;

  // What of the context owes the result under the name `alias`: that step, or what stands for it
  // since it refined. Null when the result is there, or who owes it is not known yet.
  StepPtr Owing(const StepPath& alias, const RecordedSteps& recorded) const;

  // The steps that `step`'s result travels to: those it refined into, if it did.
  std::vector<StepPtr> SuccessorsOf(const Step& step, bool refined) const;

  // Whether `step` ends the steps to be done, or the context: its result, unless it is a
  // refinement, is an output.
  bool IsSink(const Step& step) const;

  // Recorded results that `step` will stand on, through all edges, predecessors first.
  std::vector<ResultPtr> Ancestors(const Step& step, const RecordedSteps& recorded) const;

 private:
  absl::Status GrowList(std::vector<StepPtr>* list,
                        const std::vector<OperationSignature>& signatures,
                        const RecordedSteps& recorded, size_t later);
  void Know(const StepPtr& step);
  std::vector<StepPtr> SuccessorsAmong(const std::vector<StepPtr>& steps, const Step& step,
                                       bool refined) const;
  void Collect(const Step& step, const RecordedSteps& recorded, std::vector<ResultPtr>* out) const;

  std::vector<StepPtr> steps_, context_;
  std::map<StepPath, StepPtr> by_path_;
  std::map<StepPath, StepPath> parent_;                // of refined steps
  std::map<StepPath, std::vector<StepPtr>> by_alias_;  // those that may stand for a path
};

}  // namespace fractos

#endif  // FRACTOS_LIB_DRIVER_CORE_RUN_GRAPH_H_
