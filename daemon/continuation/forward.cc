// Handing on what was committed, and telling predecessors when they may forget.
#include <algorithm>
#include <memory>
#include <utility>

#include "daemon/continuation/core_impl.h"
#include "lib/protocol/continuation.h"
#include "lib/protocol/expand.h"

namespace fractos {

void Core::Impl::Forward(Event& event, Run& run, Attempt& attempt) {
  const StepResult& result = *attempt.result;
  const Step& step = *attempt.step;
  attempt.next.assign(attempt.continuation->steps.begin() + 1, attempt.continuation->steps.end());
  StepPath edge = step.alias();
  std::vector<StepPtr> successors;
  if (result.state == ResultState::kRefined) {
    // Checked when it was committed. Should anything be wrong with it all the same, then nothing is
    // handed on, and the driver finds that out.
    if (!result.value.IsInline()) return;
    const absl::StatusOr<Refinement> refinement = DecodeRefinement(*result.value.inline_bytes);
    if (!refinement.ok()) return;
    const absl::StatusOr<std::vector<StepPtr>> refined =
        ExpandRefinement(step, result.id, *refinement, OwnInputs(step, attempt.inputs),
                         attempt.continuation->signatures);
    if (!refined.ok()) return;
    // What follows the step itself now follows the last refined one, under the same name.
    edge = step.path;
    successors = SuccessorsOf(edge, *refined);
    attempt.next.insert(attempt.next.begin(), refined->begin(), refined->end());
  } else {
    successors = SuccessorsOf(edge, attempt.next);
  }
  attempt.needs_record = successors.empty();
  for (const StepPtr& successor : successors) {
    if (DriverHandsOver(run, *successor)) {
      attempt.needs_record = true;
      continue;
    }
    if (run.pinned.contains(successor->path)) continue;  // it stands in the record already
    HandOver message = MakeHandOver(run, attempt, successor);
    message.edge = edge;
    attempt.outgoing.try_emplace(message.key(), false);
    holds_.Add(event.now, std::move(message), run.deadline, &sends_);
  }
  // The sends are to be on their way before anybody learns that they are.
  SendOut(event);
  Reach(event, run, step.path, StepState::kForwarded);
  if (attempt.needs_record) {
    attempt.reportable = true;
    ScheduleReport(run, event.now);
  }
  CheckPassed(event, run, attempt);
}

HandOver Core::Impl::MakeHandOver(Run& run, const Attempt& attempt, const StepPtr& successor) {
  auto continuation = std::make_shared<Continuation>(
      RestFrom(successor, attempt.next, attempt.continuation->signatures, book_));
  continuation->run = run.id;
  continuation->driver = run.driver;
  continuation->mode = run.mode;
  continuation->traceparent = attempt.continuation->traceparent;

  HandOver message;
  message.redrive = attempt.redrive;
  message.sender = options_.self;
  message.sender_epoch = attempt.epoch;
  message.result = attempt.result;
  message.ancestors = attempt.ancestors;
  message.continuation = std::move(continuation);
  return message;
}

bool Core::Impl::DriverHandsOver(const Run& run, const Step& successor) const {
  return successor.waits_for_record || run.mode == Mode::kCentralized;
}

// The hand-over along `edge` is safe in another process, whatever happens to this one.
void Core::Impl::MarkSafe(Event& event, Run& run, const EdgeKey& edge) {
  Attempt* producer = ProducerOf(run, edge.from);
  if (producer == nullptr) return;
  const auto outgoing = producer->outgoing.find(edge);
  if (outgoing == producer->outgoing.end() || outgoing->second) return;
  outgoing->second = true;
  CheckPassed(event, run, *producer);
}

void Core::Impl::CheckPassed(Event& event, Run& run, Attempt& attempt) {
  if (!attempt.reportable && !attempt.outgoing.empty() &&
      std::all_of(attempt.outgoing.begin(), attempt.outgoing.end(), [this](const auto& entry) {
        const Hold* hold = holds_.Find(entry.first);
        return entry.second || hold == nullptr || hold->accepted;
      })) {
    attempt.reportable = true;
    ScheduleReport(run, event.now + options_.report_delay);
  }
  if (attempt.passed || (attempt.needs_record && !attempt.recorded)) return;
  for (const auto& [edge, safe] : attempt.outgoing) {
    if (!safe) return;
  }
  attempt.passed = true;
  Reach(event, run, attempt.key.step, StepState::kPassed);
  for (const EdgeKey& edge : attempt.edges) {
    const auto step = run.candidates.find(edge.step);
    if (step == run.candidates.end()) continue;
    const auto candidate = step->second.find(edge.from);
    if (candidate != step->second.end()) TellPassed(event, run, candidate->second);
  }
}

void Core::Impl::TellPassed(Event& event, Run& run, const Candidate& candidate) {
  for (const Address& sender : candidate.senders) {
    if (IsSelf(sender)) {
      holds_.Erase(candidate.key);
      MarkSafe(event, run, candidate.key);
    } else {
      event.Emit(Send{sender, Passed{candidate.key, candidate.redrive}});
    }
  }
}

Attempt* Core::Impl::ProducerOf(Run& run, const ResultId& result) {
  for (auto& [id, attempt] : run.attempts) {
    if (attempt->result != nullptr && attempt->result->id == result) return attempt.get();
  }
  return nullptr;
}

}  // namespace fractos
