// Hand-overs from the record: to roots, to effects that wait for it, after a re-drive where nobody
// else sends, and everywhere in Centralized mode.
#include <algorithm>
#include <memory>
#include <utility>

#include "lib/driver/core/run_core_impl.h"
#include "lib/protocol/continuation.h"

namespace fractos {

void RunCore::Impl::Drive(Event& event) {
  if (finished_ || ending_ || resuming_ || durable_redrive_ != record_.redrive) return;
  if (recovery_ == Recovery::kRaising || recovery_ == Recovery::kSettling) return;
  for (const StepPtr& step : graph_.steps()) {
    if (record_.steps.contains(step->path)) continue;
    const std::vector<StepPath> predecessors = step->Predecessors();
    if (predecessors.empty()) HandOverTo(event, step, "", nullptr);
    std::vector<std::pair<StepPath, ResultPtr>> edges;
    bool all_durable = true;
    for (const StepPath& from : predecessors) {
      const ResultPtr result = graph_.ResultAlong(*step, from, record_.steps);
      if (result == nullptr) {
        all_durable = false;
        continue;
      }
      all_durable = all_durable && durable_.contains(result->id);
      if (DrivenHere(*step, result)) edges.push_back({from, result});
    }
    if (step->waits_for_record && !all_durable) continue;
    for (const auto& [from, result] : edges) {
      if (Readable(event, result)) HandOverTo(event, step, from, result);
    }
  }
}

bool RunCore::Impl::DrivenHere(const Step& step, const ResultPtr& result) const {
  if (step.waits_for_record || plan_.mode == Mode::kCentralized) return true;
  if (drive_from_.contains(result->path)) return true;
  // The error continuation stands on what the main steps left in the record.
  return record_.phase == RunPhase::kFailing &&
         std::any_of(plan_.steps.begin(), plan_.steps.end(), [&result](const StepPtr& main) {
           return main->path == RootStepName(result->path);
         });
}

bool RunCore::Impl::IsHeld(const EdgeKey& edge) const {
  if (lost_results_.contains(edge.from)) return false;
  for (const auto& [address, holding] : holdings_) {
    const auto contains = [&edge](const std::vector<EdgeKey>& keys) {
      return std::find(keys.begin(), keys.end(), edge) != keys.end();
    };
    // What waits for a join at a deposed leader waits in vain: the other inputs go to the new one.
    const bool leads = book_.LeaderOf(address.cluster) == address;
    if (contains(holding.holds) || (leads && contains(holding.candidates))) return true;
  }
  return false;
}

// In Centralized mode every value is served from the driver's own Memory.
bool RunCore::Impl::Readable(Event& event, const ResultPtr& result) {
  if (plan_.mode != Mode::kCentralized || result->state != ResultState::kSucceeded) return true;
  if (OwnValue(*result) != nullptr) return true;
  if (pulling_.insert(result->path).second) event.Emit(PullValue{result->path, result->value});
  return false;
}

const Value* RunCore::Impl::OwnValue(const StepResult& result) const {
  const auto own = own_values_.find(result.path);
  if (own == own_values_.end() || own->second.digest != result.value.digest) return nullptr;
  return &own->second;
}

void RunCore::Impl::HandOverTo(Event& event, const StepPtr& step, const StepPath& from,
                               const ResultPtr& result) {
  const EdgeKey key{record_.run, step->path, result == nullptr ? ResultId() : result->id};
  if (IsHeld(key) || !sent_.insert(key).second) return;

  const std::vector<StepPtr>& steps = graph_.steps();
  const auto position = std::find(steps.begin(), steps.end(), step);
  auto continuation = std::make_shared<Continuation>(
      RestFrom(step, {position + 1, steps.end()}, plan_.signatures, book_));
  continuation->run = record_.run;
  continuation->driver = options_.self.address;
  continuation->mode = plan_.mode;
  continuation->traceparent = options_.traceparent;

  HandOver message;
  message.redrive = record_.redrive;
  message.sender = options_.self;
  message.edge = from;
  message.result = result;
  if (result != nullptr) {
    if (const Value* own = OwnValue(*result); own != nullptr && plan_.mode == Mode::kCentralized) {
      auto copy = std::make_shared<StepResult>(*result);
      copy->value = *own;
      message.result = std::move(copy);
    }
    // What stands behind this one edge only: the step's other edges bring their own past.
    if (const StepPtr producer = graph_.Find(result->path); producer != nullptr) {
      message.ancestors = graph_.Ancestors(*producer, record_.steps);
    }
  }
  message.continuation = std::move(continuation);
  holds_.Add(event.now, std::move(message), deadline_, &sends_);
}

void RunCore::Impl::On(Event&, const Incarnation& from, const Accepted& message) {
  holds_.OnAccepted(from, message.edge);
}

void RunCore::Impl::On(Event&, const Incarnation&, const Passed& message) {
  holds_.Erase(message.edge);
}

void RunCore::Impl::On(Event& event, const Incarnation& from, const Nack& message) {
  switch (message.reason) {
    case Refusal::kNotLeader:
      book_.SawFollower(from.address, message.leader);
      holds_.Retry(event.now, message.edge, Duration::zero());
      return;
    case Refusal::kOverloaded:
      holds_.Retry(event.now, message.edge, message.retry_after);
      return;
    case Refusal::kStaleRedrive:  // a newer driver has the run; its write will tell this one so
    case Refusal::kInvalid:
    case Refusal::kEnded:
      holds_.Erase(message.edge);
      return;
  }
}

}  // namespace fractos
