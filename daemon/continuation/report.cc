// The driver's side: reports, the record, re-drives, the end.
#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <utility>

#include "daemon/continuation/core_impl.h"
#include "daemon/continuation/join.h"
#include "lib/base/limits.h"

namespace fractos {
namespace {

constexpr uint64_t kMaxReportInlineBytes = 1024 * 1024;
// Well below what a message may have: the sizes that are added up are estimates.
constexpr uint64_t kMaxReportBytes = kMaxMessageBytes / 2;

uint64_t SizeOf(const StepResult& result) {
  constexpr uint64_t kNumbersAndIds = 512;
  return kNumbersAndIds + result.path.size() + result.failure.reason.size() +
         result.failure.message.size() + (result.value.IsInline() ? result.value.size : 0);
}

using Pins = std::map<StepPath, ResultId>;

bool Agrees(const Pins& pins, const ResultPtr& result) {
  if (result == nullptr) return true;
  const auto pin = pins.find(result->path);
  return pin == pins.end() || pin->second == result->id;
}

bool Agrees(const Pins& pins, const std::vector<ResultPtr>& results) {
  return std::all_of(results.begin(), results.end(),
                     [&pins](const ResultPtr& result) { return Agrees(pins, result); });
}

}  // namespace

void Core::Impl::ScheduleReport(Run& run, Time due) {
  if (run.report_due <= due) return;
  run.report_due = due;
  Arm(run, due);
}

void Core::Impl::SendReport(Event& event, Run& run) {
  Report report{run.id, run.redrive, {}, {run.lost.begin(), run.lost.end()}, {}};
  run.lost.clear();
  // What was made here is said as it stands here: a descendant may still name bytes of an earlier
  // execution that agreed, on a daemon that is gone.
  std::map<ResultId, const Attempt*> own;
  for (const auto& [id, attempt] : run.attempts) {
    if (attempt->result != nullptr) own[attempt->result->id] = attempt.get();
  }
  report.executing = Executing(run);
  std::set<ResultId> added;
  uint64_t inline_bytes = 0;
  uint64_t bytes = 0;
  // Refinements travel with their bytes, and one message has a bound: what does not fit goes into
  // another. The driver waits for what a result stands on, whichever comes first.
  const auto add = [&](ResultPtr result) {
    const uint64_t size = SizeOf(*result);
    if (bytes + size > kMaxReportBytes && !report.results.empty()) {
      Report next{run.id, run.redrive, {}, {}, report.executing};
      event.Emit(Send{run.driver, std::exchange(report, std::move(next))});
      bytes = 0;
    }
    bytes += size;
    report.results.push_back(std::move(result));
  };
  for (auto& [id, attempt] : run.attempts) {
    if (!attempt->reportable || attempt->recorded || attempt->refused) continue;
    if (attempt->redrive < run.redrive) continue;  // asleep
    for (const ResultPtr& ancestor : attempt->ancestors) {
      if (run.recorded.contains(ancestor->id) || !added.insert(ancestor->id).second) continue;
      const auto made_here = own.find(ancestor->id);
      add(made_here == own.end() ? ancestor : WithoutInlineBytes(made_here->second->result));
    }
    ResultPtr result = attempt->result;
    // The driver shows small outputs without asking for them.
    const bool wanted = attempt->outgoing.empty() && result->value.size <= kMaxInlineOutputBytes &&
                        inline_bytes + result->value.size <= kMaxReportInlineBytes;
    if (!wanted) result = WithoutInlineBytes(result);
    if (result->value.IsInline()) inline_bytes += result->value.size;
    if (added.insert(result->id).second) add(std::move(result));
  }
  run.report_due = Time::max();
  if (report.results.empty() && report.lost.empty()) return;
  // Kept, and said again, until the driver answers.
  if (!report.results.empty()) ScheduleReport(run, event.now + kHoldResend);
  event.Emit(Send{run.driver, std::move(report)});
}

void Core::Impl::SendKeepalive(Event& event, Run& run) {
  run.keepalive_due = Time::max();
  std::vector<StepPath> executing = Executing(run);
  if (executing.empty()) return;
  run.keepalive_due = event.now + kKeepalive;
  event.Emit(Send{run.driver, Report{run.id, run.redrive, {}, {}, std::move(executing)}});
}

std::vector<StepPath> Core::Impl::Executing(const Run& run) const {
  std::vector<StepPath> executing;
  for (const auto& [id, attempt] : run.attempts) {
    if (attempt->state == Attempt::State::kCommitted || attempt->redrive < run.redrive) continue;
    if (IsFenced(*attempt)) continue;                          // whatever it does will not count
    if (attempt->state == Attempt::State::kStarved) continue;  // waiting in vain is not work
    executing.push_back(id.first);
  }
  return executing;
}

void Core::Impl::On(Event& event, const Incarnation&, const Recorded& message) {
  Run* run = FindRun(message.run);
  if (run == nullptr) return;
  for (const PinnedResult& pinned : message.steps) {
    run->recorded.insert(pinned.id);
    run->pinned.insert(pinned.step);
    // The driver can hand over from the record now, so nobody needs to hold what led to this step.
    std::vector<EdgeKey> safe;
    holds_.ForEach(run->id, [&pinned, &safe](Hold& hold) {
      if (hold.hand_over.step().path == pinned.step) safe.push_back(hold.hand_over.key());
    });
    for (const EdgeKey& edge : safe) {
      holds_.Erase(edge);
      MarkSafe(event, *run, edge);
    }
  }
  for (const ResultId& refused : message.refused) {
    Attempt* attempt = ProducerOf(*run, refused);
    if (attempt != nullptr) attempt->refused = true;
    holds_.EraseIf(run->id, [&refused](const Hold& hold) {
      return hold.hand_over.result != nullptr && hold.hand_over.result->id == refused;
    });
  }
  for (auto& [id, attempt] : run->attempts) {
    if (attempt->result == nullptr || attempt->recorded) continue;
    if (!run->recorded.contains(attempt->result->id)) continue;
    attempt->recorded = true;
    CheckPassed(event, *run, *attempt);
  }
  for (const ObjectId& object : message.release) ReleaseObject(event, *run, object);
}

void Core::Impl::On(Event& event, const Incarnation& from, const Query& message) {
  Run* run = FindRun(message.run);
  if (run == nullptr) {
    event.Emit(Send{from.address, Holding{message.run, message.redrive, {}, {}, {}, {}}});
    return;
  }
  if (message.redrive < run->redrive) return;  // an old driver, or an old message
  run->driver = message.driver;
  run->redrive = message.redrive;
  run->fetch_redrive_due = Time::max();
  SettleRedrive(event, *run, message);
  event.Emit(Send{from.address, Holdings(*run)});
  ScheduleReport(*run, event.now);
}

// What agrees with the recorded results goes on under the new redrive epoch, the rest is dropped.
void Core::Impl::SettleRedrive(Event& event, Run& run, const Query& query) {
  Pins pins;
  for (const PinnedResult& pinned : query.pinned) pins[pinned.step] = pinned.id;
  run.recorded.clear();
  run.pinned.clear();
  for (const PinnedResult& pinned : query.pinned) {
    run.recorded.insert(pinned.id);
    run.pinned.insert(pinned.step);
  }
  // What was handed to a step that waits for the record stood in it then; if it does no more, the
  // driver hands over what stands in its place, and the two must not meet in one join.
  const auto unrecorded = [&run](const Step& step, uint64_t redrive, const ResultPtr& input) {
    return step.waits_for_record && redrive < run.redrive && input != nullptr &&
           !run.recorded.contains(input->id);
  };

  for (auto entry = run.attempts.begin(); entry != run.attempts.end();) {
    Attempt& attempt = *entry->second;
    const bool agrees = Agrees(pins, attempt.ancestors) && Agrees(pins, attempt.result);
    // Nobody waits for work on a step that stands in the record.
    const bool pinned = pins.contains(entry->first.first);
    const bool pointless = attempt.state != Attempt::State::kCommitted && pinned;
    const bool early = attempt.IsToExecute() &&
                       std::any_of(attempt.inputs.begin(), attempt.inputs.end(),
                                   [&attempt, &unrecorded](const ResultPtr& input) {
                                     return unrecorded(*attempt.step, attempt.redrive, input);
                                   });
    // A value that was released and is needed after all has to be made again.
    const bool released = !pinned && attempt.result != nullptr &&
                          attempt.result->value.owner == options_.self &&
                          !run.objects.contains(attempt.result->value.object);
    if (agrees && !pointless && !early && !released) {
      attempt.recorded = attempt.result != nullptr && run.recorded.contains(attempt.result->id);
      attempt.refused = false;  // by a record that has since lost what disagreed
      ++entry;
      continue;
    }
    if (attempt.state != Attempt::State::kCommitted) Drop(event, run, attempt);
    entry = run.attempts.erase(entry);
  }
  holds_.EraseIf(run.id, [&pins](const Hold& hold) {
    return !Agrees(pins, hold.hand_over.result) || !Agrees(pins, hold.hand_over.ancestors) ||
           pins.contains(hold.hand_over.step().path);
  });
  holds_.ForEach(run.id, [this, &event, &run](Hold& hold) {
    hold.suspended = false;
    hold.hand_over.redrive = run.redrive;
    holds_.Resend(event.now, hold);
  });
  for (auto& [step, candidates] : run.candidates) {
    std::erase_if(candidates, [&pins, &unrecorded](const auto& entry) {
      const Candidate& candidate = entry.second;
      return !Agrees(pins, candidate.result) || !Agrees(pins, candidate.ancestors) ||
             unrecorded(*candidate.step, candidate.redrive, candidate.result);
    });
    for (auto& [from, candidate] : candidates) candidate.redrive = run.redrive;
  }
  // Forward looks at what is held, so the attempts come after the holds.
  for (auto& [id, attempt] : run.attempts) {
    if (attempt->redrive < run.redrive) Adopt(event, run, *attempt);
  }
  for (auto& [step, candidates] : run.candidates) {
    if (pins.contains(step)) continue;
    for (auto& [from, candidate] : candidates) Fire(event, run, candidate);
  }
  ReviewFetched(run);
  StartNext(event);
  if (!Executing(run).empty()) {
    run.keepalive_due = event.now + kKeepalive;
    Arm(run, run.keepalive_due);
  }
}

Holding Core::Impl::Holdings(const Run& run) {
  Holding holding{run.id, run.redrive, {}, {}, {}, {}};
  const auto is_fenced = [this](const Attempt& attempt) {
    return attempt.state != Attempt::State::kCommitted && IsFenced(attempt);
  };
  std::set<StepPath> fenced;
  for (const auto& [id, attempt] : run.attempts) {
    if (is_fenced(*attempt)) {
      fenced.insert(id.first);
      continue;
    }
    holding.attempts.push_back({id.first, id.second, attempt->state != Attempt::State::kCommitted});
    if (attempt->result != nullptr && attempt->result->value.owner == options_.self &&
        run.objects.contains(attempt->result->value.object)) {
      holding.values.push_back(attempt->result->value.object);
    }
  }
  holds_.ForEach(run.id, [&holding](Hold& hold) { holding.holds.push_back(hold.hand_over.key()); });
  for (const auto& [step, candidates] : run.candidates) {
    if (fenced.contains(step)) continue;
    for (const auto& [from, candidate] : candidates) holding.candidates.push_back(candidate.key);
  }
  return holding;
}

void Core::Impl::On(Event& event, const Incarnation&, const Abort& message) {
  Run* run = FindRun(message.run);
  if (run == nullptr || message.redrive < run->redrive) return;
  run->redrive = message.redrive;
  run->fetch_redrive_due = Time::max();
  for (auto entry = run->attempts.begin(); entry != run->attempts.end();) {
    Attempt& attempt = *entry->second;
    if (attempt.redrive >= message.redrive) {
      ++entry;
    } else if (attempt.state == Attempt::State::kCommitted) {
      attempt.refused = true;  // its value stays; the driver wants no more of it
      ++entry;
    } else {
      Drop(event, *run, attempt);
      entry = run->attempts.erase(entry);
    }
  }
  holds_.EraseIf(run->id,
                 [&message](const Hold& hold) { return hold.hand_over.redrive < message.redrive; });
  for (auto& [step, candidates] : run->candidates) {
    std::erase_if(candidates, [&run, &message](const auto& entry) {
      // What a committed attempt was made of stays with it.
      const Candidate& candidate = entry.second;
      return candidate.redrive < message.redrive &&
             std::none_of(
                 run->attempts.begin(), run->attempts.end(), [&candidate](const auto& attempt) {
                   const auto& edges = attempt.second->edges;
                   return std::find(edges.begin(), edges.end(), candidate.key) != edges.end();
                 });
    });
  }
  ReviewFetched(*run);
  StartNext(event);
}

void Core::Impl::On(Event& event, const Incarnation&, const End& message) {
  const auto entry = runs_.find(message.run);
  if (entry != runs_.end()) Forget(event, entry);
}

// Reports, Holdings and the like are for drivers; a peer that sends them here is confused, not
// dangerous.
template <typename Ignored>
void Core::Impl::On(Event&, const Incarnation&, const Ignored&) {}

template void Core::Impl::On(Event&, const Incarnation&, const Report&);
template void Core::Impl::On(Event&, const Incarnation&, const FetchRedrive&);
template void Core::Impl::On(Event&, const Incarnation&, const Holding&);

}  // namespace fractos
