// The graph as it grows, and the error continuation once a step has failed for good.
#include <memory>
#include <utility>
#include <vector>

#include "lib/driver/core/run_core_impl.h"
#include "lib/plan/reasons.h"

namespace fractos {
namespace {

std::vector<StepPtr> FilledIn(const std::vector<StepPtr>& steps, const RunRecord& record) {
  std::vector<StepPtr> filled;
  for (const StepPtr& step : steps) {
    auto copy = std::make_shared<Step>(*step);
    copy->arguments = SubstituteFailure(step->arguments, record.failed_step, record.failure.reason,
                                        record.failure.message);
    filled.push_back(std::move(copy));
  }
  return filled;
}

}  // namespace

void RunCore::Impl::Fail(Event& event, Failure failure) {
  // The failure of a step, which may have failed while others went on, stays the reason.
  if (record_.failed_step.empty()) record_.failure = std::move(failure);
  if (record_.phase == RunPhase::kRunning && !plan_.on_failure.empty()) {
    StartErrorContinuation(event);
  } else {
    Finish(event, RunPhase::kFailed);
  }
}

// Failing and the raised redrive epoch are one write, so that nothing of the main steps is believed
// once the error continuation may have started.
void RunCore::Impl::StartErrorContinuation(Event& event) {
  record_.phase = RunPhase::kFailing;
  ++record_.redrive;
  recovery_ = Recovery::kNone;
  recovery_due_ = Time::max();
  resuming_ = false;  // what the last driver left is stopped, whatever it was
  executing_.clear();
  holds_.EraseIf(record_.run, [](const Hold&) { return true; });
  if (!BuildGraph(event)) return;
  Write(event);
}

bool RunCore::Impl::BuildGraph(Event& event, const StepPath& refined) {
  const bool failing = record_.phase == RunPhase::kFailing;
  const std::vector<StepPtr> failure_steps =
      failing ? FilledIn(plan_.on_failure, record_) : std::vector<StepPtr>();
  absl::StatusOr<RunGraph> graph =
      failing ? RunGraph::Grow(failure_steps, plan_.steps, plan_.signatures, record_.steps)
              : RunGraph::Grow(plan_.steps, {}, plan_.signatures, record_.steps,
                               plan_.on_failure.size());
  if (graph.ok()) {
    graph_ = *std::move(graph);
    if (failing) SkipWhatIsNotDone(event);
    return true;
  }
  Failure failure{absl::IsResourceExhausted(graph.status()) ? reason::kTooManySteps
                                                            : reason::kInvalidRefinement,
                  std::string(graph.status().message())};
  if (failing) {
    // The error continuation itself went wrong; what failed first stays the reason.
    Finish(event, RunPhase::kFailed);
  } else {
    // It would stand in the error continuation's way as well; so it goes in the write that raises
    // R, and is a step that was not done.
    if (!plan_.on_failure.empty()) Unrecord({refined});
    Fail(event, std::move(failure));
  }
  return false;
}

// Nothing more of the main steps is done, or believed. Of those whose results the error
// continuation takes, who owes one is Skipped, so that its steps are handed over to, and are
// Skipped in turn, rather than wait for it until the deadline. Always under the same id: whoever
// drives the run next comes to the same.
void RunCore::Impl::SkipWhatIsNotDone(Event& event) {
  for (const StepPtr& step : plan_.on_failure) {
    for (const StepPath& from : step->Predecessors()) {
      const StepPtr owing = graph_.Owing(from, record_.steps);
      if (owing == nullptr) continue;
      auto skipped = std::make_shared<StepResult>();
      skipped->path = owing->path;
      skipped->state = ResultState::kSkipped;
      skipped->failure = {reason::kNotFinished, "it had not ended when the run failed"};
      skipped->id =
          ComputeResultId({record_.run, skipped->path, skipped->lineage},
                          ResultStateName(skipped->state), Digest::Of(skipped->failure.reason));
      skipped->executor = options_.self;
      record_.steps[skipped->path] = std::move(skipped);
      WriteBy(event.now);
    }
  }
}

}  // namespace fractos
