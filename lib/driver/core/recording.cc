// Reports become the record: what fits what stands there is added, several results in one write;
// what does not is refused; what lacks something waits.
#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "lib/base/limits.h"
#include "lib/driver/core/run_core_impl.h"
#include "lib/plan/reasons.h"

namespace fractos {
namespace {

// Progress that nothing waits for is written this often at most.
constexpr Duration kWriteInterval = std::chrono::seconds(1);

}  // namespace

void RunCore::Impl::On(Event& event, const Incarnation& from, const Report& message) {
  if (ending_) return;
  for (const StepPath& path : message.executing) {
    if (record_.steps.contains(path)) continue;
    executing_.insert(path);
    Heard(event);
  }
  for (const ResultPtr& result : message.results) {
    // Said by somebody who does not know yet that the bytes are gone.
    if (!result->value.IsInline() && dead_objects_.contains(result->value.object)) continue;
    reporters_[result->id].insert(from.address);
    const auto known =
        std::find_if(pending_.begin(), pending_.end(),
                     [&result](const ResultPtr& other) { return other->id == result->id; });
    if (known == pending_.end()) {
      pending_.push_back(result);
    } else if (!(*known)->value.IsInline()) {
      *known = result;
    }
  }
  RecordPending(event);
  bool news = false;
  for (const ObjectId& object : message.lost) {
    // What was released is missed only by work that the record has overtaken.
    news |= !released_objects_.contains(object) && lost_objects_.insert(object).second;
  }
  if (news && !ending_) {
    force_ = true;
    if (recovery_ == Recovery::kNone || recovery_ == Recovery::kWaiting) {
      Probe(event);
    } else {
      suspected_ = true;
    }
  }
}

void RunCore::Impl::RecordPending(Event& event) {
  std::map<Address, Recorded> answers;
  bool urgent = false;
  bool added = true;
  while (added && !ending_) {
    added = false;
    for (size_t i = 0; i < pending_.size() && !ending_;) {
      const ResultPtr result = pending_[i];
      const Verdict verdict = Judge(event, *result);
      if (verdict == Verdict::kWait) {
        ++i;
        continue;
      }
      pending_.erase(pending_.begin() + static_cast<ptrdiff_t>(i));
      if (verdict == Verdict::kRecord) {
        Add(event, result);
        added = true;
        urgent = urgent || IsUrgent(*result);
        continue;
      }
      const bool refused = verdict == Verdict::kRefuse;
      if (!refused && !durable_.contains(result->id)) continue;  // answered once it is durable
      for (const Address& reporter : reporters_[result->id]) {
        Recorded& answer = answers[reporter];
        if (refused) {
          answer.refused.push_back(result->id);
        } else {
          answer.steps.push_back({result->path, result->id});
        }
      }
      reporters_.erase(result->id);
    }
  }
  for (auto& [reporter, answer] : answers) {
    answer.run = record_.run;
    answer.redrive = record_.redrive;
    event.Emit(Send{reporter, std::move(answer)});
  }
  if (ending_) return;
  CheckEnd(event);
  if (ending_) return;
  if (urgent) Write(event);
  Drive(event);
}

RunCore::Impl::Verdict RunCore::Impl::Judge(Event& event, const StepResult& result) {
  const auto known = record_.steps.find(result.path);
  if (known != record_.steps.end()) {
    return known->second->id == result.id ? Verdict::kKnown : Verdict::kRefuse;
  }
  const StepPtr step = graph_.Find(result.path);
  const bool grown = absl::StrContains(result.path, '@');
  if (step == nullptr) {
    // Grown from a refinement that is not recorded yet, or from one that never will be.
    const bool may_come = grown && graph_.Find(std::string(RootStepName(result.path))) != nullptr;
    return may_come ? Verdict::kWait : Verdict::kRefuse;
  }
  if (!graph_.Contains(*step)) return Verdict::kRefuse;
  std::vector<ResultId> ids;
  for (const StepPath& from : step->Predecessors()) {
    const ResultPtr predecessor = graph_.ResultAlong(*step, from, record_.steps);
    if (predecessor == nullptr) return Verdict::kWait;
    ids.push_back(predecessor->id);
  }
  if (ComputeLineage(ids) != result.lineage) return Verdict::kRefuse;
  if (result.state == ResultState::kRefined && !result.value.IsInline()) {
    if (pulling_.insert(result.path).second) event.Emit(PullValue{result.path, result.value});
    return Verdict::kWait;
  }
  return Verdict::kRecord;
}

void RunCore::Impl::Add(Event& event, const ResultPtr& result) {
  record_.steps[result->path] = result;
  news_.insert(result->id);
  executing_.erase(result->path);
  holds_.EraseIf(record_.run, [&result](const Hold& hold) {
    return hold.hand_over.step().path == result->path;
  });
  WriteBy(event.now + kWriteInterval);
  Heard(event);
  if (result->state == ResultState::kRefined && !BuildGraph(event, result->path)) return;
  if (result->state == ResultState::kFailed && record_.failed_step.empty()) {
    record_.failed_step = result->path;
    record_.failure = result->failure;
    if (!plan_.on_failure.empty() && record_.phase == RunPhase::kRunning) {
      StartErrorContinuation(event);
    }
  }
}

// Whether somebody waits for this result to be durable.
bool RunCore::Impl::IsUrgent(const StepResult& result) const {
  const StepPtr step = graph_.Find(result.path);
  if (step == nullptr) return false;
  const std::vector<StepPtr> successors =
      graph_.SuccessorsOf(*step, result.state == ResultState::kRefined);
  return std::any_of(successors.begin(), successors.end(),
                     [](const StepPtr& next) { return next->waits_for_record; });
}

// Tells whom it concerns what stands in the record now: who reported it, who executed it, and who
// executed what it stands on and may still hold the hand-over.
void RunCore::Impl::Acknowledge(Event& event) {
  std::map<Address, Recorded> answers;
  for (const auto& [path, result] : written_.steps) {
    const auto current = record_.steps.find(path);
    if (current == record_.steps.end() || current->second->id != result->id) continue;
    if (!durable_.insert(result->id).second) continue;
    std::set<Address> concerned = std::move(reporters_[result->id]);
    reporters_.erase(result->id);
    concerned.insert(result->executor.address);
    if (const StepPtr step = graph_.Find(path); step != nullptr) {
      for (const StepPath& from : step->Predecessors()) {
        const ResultPtr predecessor = graph_.ResultAlong(*step, from, record_.steps);
        if (predecessor != nullptr) concerned.insert(predecessor->executor.address);
      }
    }
    for (const Address& address : concerned) {
      answers[address].steps.push_back({path, result->id});
    }
  }
  for (const StepPtr& step : graph_.steps()) {
    const auto result = record_.steps.find(step->path);
    if (result == record_.steps.end() || !IsReleasable(step, *result->second)) continue;
    released_.insert(result->second->id);
    released_objects_.insert(result->second->value.object);
    answers[result->second->value.owner.address].release.push_back(result->second->value.object);
  }
  for (auto& [address, answer] : answers) {
    if (address == options_.self.address) continue;
    answer.run = record_.run;
    answer.redrive = record_.redrive;
    event.Emit(Send{address, std::move(answer)});
  }
}

// A value is needed no longer when everything that may read it stands in the record, and nothing
// there is the same bytes under another name.
bool RunCore::Impl::IsReleasable(const StepPtr& step, const StepResult& result) const {
  if (result.state != ResultState::kSucceeded || !plan_.on_failure.empty()) return false;
  if (released_.contains(result.id) || !durable_.contains(result.id)) return false;
  if (result.value.owner == options_.self || result.value.owner.address.IsDriver()) return false;
  const std::vector<StepPtr> successors = graph_.SuccessorsOf(*step, /*refined=*/false);
  if (successors.empty()) return false;
  for (const StepPtr& successor : successors) {
    const auto next = record_.steps.find(successor->path);
    if (next == record_.steps.end() || !durable_.contains(next->second->id)) return false;
    // What it refined into may have taken the value over.
    if (next->second->state == ResultState::kRefined) return false;
  }
  return std::none_of(record_.steps.begin(), record_.steps.end(), [&result](const auto& entry) {
    return entry.second->id != result.id && entry.second->value.object == result.value.object;
  });
}

void RunCore::Impl::CheckEnd(Event& event) {
  const bool failing = record_.phase == RunPhase::kFailing;
  for (const StepPath& sink : failing ? plan_.FailureSinks() : plan_.Sinks()) {
    if (graph_.Terminal(sink, record_.steps) == nullptr) return;
  }
  if (!HaveOutputs(event)) return;
  const bool failed = failing || !record_.failed_step.empty();
  Finish(event, failed ? RunPhase::kFailed : RunPhase::kSucceeded);
}

bool RunCore::Impl::IsOutput(const StepResult& result) const {
  const StepPtr step = graph_.Find(result.path);
  return step != nullptr && result.state == ResultState::kSucceeded && graph_.IsSink(*step) &&
         result.value.size <= kMaxInlineOutputBytes;
}

// Small outputs are part of what the run answers, so their bytes are fetched before the values go.
bool RunCore::Impl::HaveOutputs(Event& event) {
  uint64_t total = 0;
  std::vector<ResultPtr> missing;
  for (const auto& [path, result] : record_.steps) {
    if (!IsOutput(*result)) continue;
    total += result->value.size;
    if (!result->value.IsInline()) missing.push_back(result);
  }
  if (missing.empty() || total > kMaxInlineOutputBytes) return true;
  for (const ResultPtr& result : missing) {
    if (pulling_.insert(result->path).second) event.Emit(PullValue{result->path, result->value});
  }
  return false;
}

void RunCore::Impl::Pulled(Event& event, const StepPath& path, absl::StatusOr<Value> value) {
  pulling_.erase(path);
  if (finished_ || ending_) return;
  const auto recorded = record_.steps.find(path);
  if (!value.ok()) {
    // Its owner is gone, or soon found to be.
    const auto waiting =
        std::find_if(pending_.begin(), pending_.end(),
                     [&path](const ResultPtr& result) { return result->path == path; });
    if (waiting != pending_.end()) pending_.erase(waiting);
    if (absl::IsResourceExhausted(value.status())) {
      // Nothing that the driver keeps goes before the run ends, so waiting would not help, and to
      // make the value again even less.
      Fail(event, {reason::kMemoryExhausted,
                   absl::StrCat("the driver has no room for the value of step ", path, ": ",
                                value.status().message(),
                                "; values that go through it share its memory quota")});
      return;
    }
    if (recorded != record_.steps.end()) unreadable_.insert(recorded->second->value.object);
    force_ = true;
    if (recovery_ == Recovery::kProbing) {
      CheckAnswers(event, /*time_is_up=*/false);
    } else {
      Suspect(event);
    }
    return;
  }
  // What asked for it may have been un-recorded since, and another result of the step have come.
  const auto is_its = [&path, &value](const StepResult& result) {
    return result.path == path && result.value.digest == value->digest;
  };
  if ((recorded != record_.steps.end() && is_its(*recorded->second)) ||
      std::any_of(pending_.begin(), pending_.end(),
                  [&is_its](const ResultPtr& result) { return is_its(*result); })) {
    own_values_[path] = *value;
  }
  const auto with_bytes = [&value](const ResultPtr& result) {
    auto copy = std::make_shared<StepResult>(*result);
    if (copy->value.digest == value->digest) copy->value.inline_bytes = value->inline_bytes;
    return copy;
  };
  for (ResultPtr& result : pending_) {
    if (result->path == path) result = with_bytes(result);
  }
  if (recorded != record_.steps.end()) {
    recorded->second = with_bytes(recorded->second);
    if (recorded->second->state == ResultState::kRefined && !BuildGraph(event, path)) return;
  }
  RecordPending(event);
  if (recovery_ == Recovery::kProbing) CheckAnswers(event, /*time_is_up=*/false);
  Flush(event);
}

std::vector<StepPath> RunCore::Impl::AllSinks() const {
  std::vector<StepPath> sinks = plan_.Sinks();
  const std::vector<StepPath> failure_sinks = plan_.FailureSinks();
  sinks.insert(sinks.end(), failure_sinks.begin(), failure_sinks.end());
  return sinks;
}

std::vector<RunCore::Output> RunCore::Impl::outputs() const {
  std::vector<Output> outputs;
  for (const StepPath& sink : AllSinks()) {
    const auto path = record_.outputs.find(sink);
    if (path == record_.outputs.end()) continue;
    const auto result = record_.steps.find(path->second);
    if (result == record_.steps.end()) continue;
    outputs.push_back({sink, result->second->state, result->second->value});
  }
  return outputs;
}

Transfer RunCore::Impl::transfer() const {
  Transfer total;
  for (const auto& [path, result] : record_.steps) {
    total.hops += result->transfer.hops;
    total.messages += result->transfer.messages;
    total.bytes += result->transfer.bytes;
    if (plan_.mode == Mode::kCentralized && result->value.owner == result->executor) {
      // Back through the driver.
      ++total.hops;
      ++total.messages;
      total.bytes += result->value.size;
    }
  }
  return total;
}

uint64_t RunCore::Impl::centralized_bytes() const {
  uint64_t bytes = 0;
  for (const auto& [path, result] : record_.steps) {
    if (result->value.owner == result->executor) bytes += result->value.size;
    const StepPtr step = graph_.Find(path);
    if (step == nullptr || result->state == ResultState::kSkipped) continue;
    for (const InputEdge& edge : step->inputs) {
      const ResultPtr input = graph_.ResultAlong(*step, edge.from, record_.steps);
      if (input != nullptr && !edge.passed) bytes += input->value.size;
    }
  }
  return bytes;
}

}  // namespace fractos
