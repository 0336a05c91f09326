// Finding out what is still held, and driving the rest again: probe with a Query under the redrive
// epoch that stands, un-record what is lost, raise the epoch by compare-and-swap, tell everybody,
// and hand over from the record where nobody else will.
#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "lib/base/limits.h"
#include "lib/driver/core/run_core_impl.h"

namespace fractos {
namespace {

constexpr Duration kAnswerTime = std::chrono::seconds(1);

}  // namespace

void RunCore::Impl::Suspect(Event& event) {
  if (ending_ || finished_ || durable_redrive_ == 0) return;
  if (recovery_ == Recovery::kNone) {
    recovery_ = Recovery::kWaiting;
    recovery_due_ = event.now + options_.hold_window;
  } else if (recovery_ != Recovery::kWaiting) {
    suspected_ = true;
  }
}

void RunCore::Impl::Probe(Event& event) {
  recovery_ = Recovery::kProbing;
  recovery_due_ = event.now + kAnswerTime;
  holdings_.clear();
  news_.clear();
  unreadable_.clear();
  SendToAll(event, MakeQuery(event.now));
}

Query RunCore::Impl::MakeQuery(Time now) const {
  Query query{record_.run, durable_redrive_, options_.self.address, deadline_ - now, {}};
  for (const auto& [path, result] : record_.steps) query.pinned.push_back({path, result->id});
  return query;
}

void RunCore::Impl::On(Event& event, const Incarnation& from, const FetchRedrive&) {
  event.Emit(Send{from.address, MakeQuery(event.now)});
}

void RunCore::Impl::On(Event& event, const Incarnation& from, const Holding& message) {
  if (message.redrive != durable_redrive_) return;
  const auto up = up_.find(from.address);
  if (up != up_.end() && up->second != from.boot) return;  // a dead incarnation's last word
  holdings_[from.address] = message;
  for (const ObjectId& object : message.values) dead_objects_.erase(object);
  CheckAnswers(event, /*time_is_up=*/false);
}

void RunCore::Impl::CheckAnswers(Event& event, bool time_is_up) {
  if (ending_ || (recovery_ != Recovery::kProbing && recovery_ != Recovery::kSettling)) return;
  // After a resume the links come up one by one, and what all wait for is a leader everywhere.
  const bool ready =
      !up_.empty() && (!resuming_ || std::all_of(plan_.clusters.begin(), plan_.clusters.end(),
                                                 [this](const std::string& cluster) {
                                                   return book_.EpochOf(cluster) != 0;
                                                 }));
  const bool answered = std::all_of(
      up_.begin(), up_.end(), [this](const auto& peer) { return holdings_.contains(peer.first); });
  if (!ready || !answered) {
    if (!time_is_up) return;
    if (up_.empty()) {
      recovery_due_ = event.now + kAnswerTime;
      return;
    }
  }
  if (recovery_ == Recovery::kSettling) {
    drive_from_.clear();
    for (const auto& [path, result] : record_.steps) drive_from_.insert(path);
    // A result that is about to be reported, and whose hand-overs were passed and are lost since.
    for (const auto& [address, holding] : holdings_) {
      for (const HeldAttempt& attempt : holding.attempts) {
        if (!attempt.executing) drive_from_.insert(attempt.step);
      }
    }
    Recovered(event);
    return;
  }
  // Refinements are what the graph is made of: their bytes are needed before anything is judged.
  bool pulling = false;
  const std::set<StepPath> lost = LostResults();
  for (const auto& [path, result] : record_.steps) {
    if (result->state != ResultState::kRefined || result->value.IsInline()) continue;
    // What grew from a refinement whose own bytes are still missing is judged after it. A main
    // step's that nobody can read is asked for again the next time: an error continuation cannot
    // have it made anew.
    if (lost.contains(path) || graph_.Find(path) == nullptr) continue;
    if (unreadable_.contains(result->value.object)) continue;
    pulling = true;
    if (pulling_.insert(path).second) event.Emit(PullValue{path, result->value});
  }
  if (pulling) {
    recovery_due_ = event.now + kAnswerTime;
    return;
  }
  if (lost.empty() && !force_ && EverythingIsHeld()) {
    Recovered(event);
    return;
  }
  Unrecord(lost);
  Raise(event);
}

void RunCore::Impl::Recovered(Event& event) {
  recovery_ = Recovery::kNone;
  recovery_due_ = Time::max();
  resuming_ = false;
  // Drives what is to be driven, too. What is recorded may be all there is to do, and end the run
  // or have outputs asked for again whose bytes could not be had.
  RecordPending(event);
  if (std::exchange(suspected_, false)) Suspect(event);
}

bool RunCore::Impl::IsReadable(const StepResult& result) const {
  if (result.value.object.IsNone()) return true;  // Failed and Skipped have no bytes
  if (result.value.IsInline() || result.value.owner == options_.self) return true;
  if (OwnValue(result) != nullptr) return true;
  if (unreadable_.contains(result.value.object)) return false;
  // An answer that was given before the result was made cannot know of its value.
  if (news_.contains(result.id)) return true;
  return std::any_of(holdings_.begin(), holdings_.end(), [&result](const auto& entry) {
    const std::vector<ObjectId>& values = entry.second.values;
    return std::find(values.begin(), values.end(), result.value.object) != values.end();
  });
}

// Not merely unanswered: its owner is not there, or is and does not have it.
bool RunCore::Impl::IsGone(const Value& value) const {
  const auto up = up_.find(value.owner.address);
  if (up == up_.end() || up->second != value.owner.boot) return true;
  return holdings_.contains(value.owner.address);
}

// Recorded results that something still to be done needs, and whose bytes no live process holds.
// Taking one away makes others needed, until nothing changes.
std::set<StepPath> RunCore::Impl::LostResults() const {
  // What refined steps took over from the step that refined is needed as long as they are not done.
  std::set<ObjectId> taken_over;
  for (const StepPtr& step : graph_.steps()) {
    if (record_.steps.contains(step->path)) continue;
    for (const BoundInput& bound : step->bound) taken_over.insert(bound.value.object);
  }
  std::set<StepPath> lost;
  bool changed = true;
  while (changed) {
    changed = false;
    for (const auto& [path, result] : record_.steps) {
      if (lost.contains(path)) continue;
      const StepPtr step = graph_.Find(path);
      if (step == nullptr) continue;  // judged with the refinement it grew from
      // What an error continuation stands on was recorded before it began and is not done again.
      if (!graph_.Contains(*step)) continue;
      bool gone = false;
      for (const StepPath& from : step->Predecessors()) {
        const ResultPtr predecessor = graph_.ResultAlong(*step, from, record_.steps);
        gone = gone || (predecessor != nullptr && lost.contains(predecessor->path));
      }
      const bool refined = result->state == ResultState::kRefined;
      bool needed = IsOutput(*result) || (refined && !result->value.IsInline()) ||
                    taken_over.contains(result->value.object);
      for (const StepPtr& next : graph_.SuccessorsOf(*step, refined)) {
        needed = needed || !record_.steps.contains(next->path) || lost.contains(next->path);
      }
      const bool has_bytes = refined || result->state == ResultState::kSucceeded;
      if (gone || (needed && has_bytes && !IsReadable(*result))) {
        lost.insert(path);
        changed = true;
      }
    }
  }
  return lost;
}

bool RunCore::Impl::EverythingIsHeld() {
  std::set<StepPath> attempted;
  std::set<StepPath> committed;
  std::set<StepPath> offered;  // there is a hand-over to them, sent or received
  for (const auto& [address, holding] : holdings_) {
    for (const HeldAttempt& attempt : holding.attempts) {
      (attempt.executing ? attempted : committed).insert(attempt.step);
    }
    for (const EdgeKey& edge : holding.holds) offered.insert(edge.step);
    if (book_.LeaderOf(address.cluster) != address) continue;
    for (const EdgeKey& edge : holding.candidates) offered.insert(edge.step);
  }
  // Whether what was handed over from here is somewhere still. The hold is gone once it was Passed,
  // and then what came of it has to be further on; or once it was refused for good.
  const auto is_under_way = [&](const EdgeKey& edge, const StepPtr& step) {
    if (holds_.Find(edge) != nullptr) return true;
    const std::vector<StepPtr> successors = graph_.SuccessorsOf(*step, /*refined=*/false);
    return !successors.empty() &&
           std::all_of(successors.begin(), successors.end(), [&](const StepPtr& next) {
             return record_.steps.contains(next->path) || attempted.contains(next->path) ||
                    committed.contains(next->path) || offered.contains(next->path);
           });
  };
  // In the graph's order, so that predecessors are judged before their successors.
  std::set<StepPath> covered;
  for (const StepPtr& step : graph_.steps()) {
    if (record_.steps.contains(step->path)) continue;
    bool held = attempted.contains(step->path) || committed.contains(step->path);
    if (!held) {
      held = true;
      const std::vector<StepPath> predecessors = step->Predecessors();
      if (predecessors.empty()) {
        const EdgeKey root{record_.run, step->path, ResultId()};
        held = IsHeld(root) || (sent_.contains(root) && is_under_way(root, step));
      }
      for (const StepPath& from : predecessors) {
        const ResultPtr result = graph_.ResultAlong(*step, from, record_.steps);
        if (result != nullptr) {
          const EdgeKey edge{record_.run, step->path, result->id};
          const bool here =
              DrivenHere(*step, result) && (!sent_.contains(edge) || is_under_way(edge, step));
          held = held && (here || IsHeld(edge) || attempted.contains(from));
        } else {
          // Its predecessor will send it, unless that was passed and lost since.
          held = held && covered.contains(from);
        }
      }
    }
    if (!held) return false;
    covered.insert(step->alias());
    covered.insert(step->path);
  }
  return true;
}

void RunCore::Impl::Unrecord(const std::set<StepPath>& lost) {
  for (const StepPath& path : lost) {
    const auto entry = record_.steps.find(path);
    if (entry == record_.steps.end()) continue;
    durable_.erase(entry->second->id);
    lost_results_.insert(entry->second->id);
    // Others go only because of what they stand on; their bytes will do again.
    const Value& value = entry->second->value;
    if (!IsReadable(*entry->second) && IsGone(value)) dead_objects_[value.object] = value.owner;
    own_values_.erase(path);
    record_.steps.erase(entry);
  }
  // What grew from a refinement goes with it, and what stood on what is gone.
  bool changed = true;
  while (changed) {
    changed = false;
    for (auto entry = record_.steps.begin(); entry != record_.steps.end();) {
      const StepPath& path = entry->first;
      const bool orphan =
          absl::StrContains(path, '@') &&
          std::none_of(record_.steps.begin(), record_.steps.end(), [&path](const auto& other) {
            return other.second->state == ResultState::kRefined &&
                   absl::EndsWith(path, other.second->id.ToHex());
          });
      if (!orphan && !StandsOnNothing(path)) {
        ++entry;
        continue;
      }
      durable_.erase(entry->second->id);
      own_values_.erase(path);
      entry = record_.steps.erase(entry);
      changed = true;
    }
  }
  if (!record_.failed_step.empty() && !record_.steps.contains(record_.failed_step) &&
      record_.phase == RunPhase::kRunning) {
    record_.failed_step.clear();
    record_.failure = Failure();
  }
}

bool RunCore::Impl::StandsOnNothing(const StepPath& path) const {
  const StepPtr step = graph_.Find(path);
  if (step == nullptr || !graph_.Contains(*step)) return false;
  const std::vector<StepPath> predecessors = step->Predecessors();
  return std::any_of(predecessors.begin(), predecessors.end(), [this, &step](const StepPath& from) {
    return graph_.ResultAlong(*step, from, record_.steps) == nullptr;
  });
}

void RunCore::Impl::Raise(Event& event) {
  recovery_ = Recovery::kRaising;
  recovery_due_ = Time::max();
  force_ = false;
  ++record_.redrive;
  sent_.clear();
  released_.clear();
  holds_.EraseIf(record_.run, [](const Hold&) { return true; });
  if (!BuildGraph(event)) return;
  Write(event);
}

}  // namespace fractos
