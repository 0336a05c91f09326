// From an accepted attempt to a committed result.
#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "daemon/continuation/core_impl.h"
#include "daemon/continuation/join.h"
#include "lib/base/limits.h"
#include "lib/plan/reasons.h"
#include "lib/protocol/expand.h"

namespace fractos {
namespace {

constexpr Duration kStarvedRetry = std::chrono::milliseconds(500);
constexpr int kMaxBackoffDoublings = 10;

// A passed input is not fetched, unless `when` has to look at it.
bool NeedsBytes(const Step& step, const std::string& input, bool passed) {
  return !passed || (step.when.has_value() && step.when->input == input);
}

// Whether the candidate's step is to read `object`.
bool Reads(const Candidate& candidate, const ObjectId& object) {
  const Step& step = *candidate.step;
  const bool offered = candidate.result != nullptr && candidate.result->value.object == object;
  const auto by_edge = [&](const InputEdge& input) {
    return offered && input.from == candidate.edge && NeedsBytes(step, input.input, input.passed);
  };
  const auto bound = [&](const BoundInput& input) {
    return input.value.object == object && NeedsBytes(step, input.input, input.passed);
  };
  return std::any_of(step.inputs.begin(), step.inputs.end(), by_edge) ||
         std::any_of(step.bound.begin(), step.bound.end(), bound);
}

std::vector<ResultId> Predecessors(const Attempt& attempt) {
  std::vector<ResultId> results;
  for (const EdgeKey& edge : attempt.edges) {
    if (!edge.from.IsNone()) results.push_back(edge.from);
  }
  return results;
}

// Looks at the bytes that will be expanded, not at what they were made of.
absl::Status CheckRefinement(const Attempt& attempt, const Value& value) {
  if (!value.IsInline()) {
    return absl::InvalidArgumentError(absl::StrCat("the refinement takes ", value.size,
                                                   " bytes; at most ", kMaxInlineValueBytes));
  }
  const absl::StatusOr<Refinement> refinement = DecodeRefinement(*value.inline_bytes);
  if (!refinement.ok()) return refinement.status();
  return ExpandRefinement(*attempt.step, ResultId(), *refinement,
                          OwnInputs(*attempt.step, attempt.inputs),
                          attempt.continuation->signatures)
      .status();
}

}  // namespace

void Core::Impl::Accept(Event& event, Run& run, const std::vector<const Candidate*>& chosen,
                        Lineage lineage) {
  const Candidate& first = *chosen.front();
  const Run::AttemptId id{first.key.step, lineage};
  auto [entry, is_new] = run.attempts.try_emplace(id);
  if (!is_new) {
    // The same work under a higher redrive epoch: the running attempt is adopted, not repeated.
    Adopt(event, run, *entry->second);
    return;
  }
  entry->second = std::make_unique<Attempt>();
  Attempt& attempt = *entry->second;
  attempt.key = {run.id, id.first, lineage};
  attempt.step = first.step;
  attempt.continuation = first.continuation;
  attempt.redrive = run.redrive;
  attempt.epoch = epoch_;
  for (const Candidate* candidate : chosen) {
    attempt.edges.push_back(candidate->key);
    attempt.timing.received = std::max(attempt.timing.received, candidate->received_us);
  }
  TakeInputs(run, attempt);
  for (const ResultPtr& input : attempt.inputs) {
    if (input->state != ResultState::kFailed && input->state != ResultState::kSkipped) continue;
    // Failed and Skipped travel along edges: whoever stands on them is Skipped.
    CommitResult(
        event, run, attempt, ResultState::kSkipped, Value(),
        {input->state == ResultState::kFailed ? reason::kInputFailed : reason::kInputSkipped,
         absl::StrCat("step ", input->path, ": ", input->failure.message)});
    return;
  }
  Queue(attempt);
  StartNext(event);
}

void Core::Impl::Adopt(Event& event, Run& run, Attempt& attempt) {
  const bool slept = attempt.redrive < run.redrive;
  attempt.redrive = run.redrive;
  if (attempt.state == Attempt::State::kFenced && leads_) {
    attempt.epoch = epoch_;
    Queue(attempt);
  } else if (slept && attempt.state == Attempt::State::kQueued) {
    Queue(attempt);
  } else if (slept && attempt.state == Attempt::State::kStaged) {
    Settle(event, run, attempt);
  } else if (slept && attempt.state == Attempt::State::kCommitted) {
    Forward(event, run, attempt);
  }
  StartNext(event);
}

bool Core::Impl::IsFenced(const Attempt& attempt) const {
  return attempt.step->effect != Effect::kNone && (!leads_ || attempt.epoch != epoch_);
}

std::vector<NamedValue> Core::Impl::InputsOf(const Attempt& attempt) {
  std::vector<BoundInput> own = OwnInputs(*attempt.step, attempt.inputs);
  std::vector<NamedValue> values;
  values.reserve(own.size());
  for (BoundInput& input : own) {
    const bool passed = !NeedsBytes(*attempt.step, input.input, input.passed);
    values.push_back({std::move(input.input), std::move(input.value), passed});
  }
  return values;
}

void Core::Impl::TakeInputs(const Run& run, Attempt& attempt) {
  std::vector<const Candidate*> chosen;
  const auto candidates = run.candidates.find(attempt.key.step);
  if (candidates == run.candidates.end()) return;
  for (const EdgeKey& edge : attempt.edges) {
    const auto candidate = candidates->second.find(edge.from);
    if (candidate == candidates->second.end()) return;
    chosen.push_back(&candidate->second);
  }
  attempt.inputs.clear();
  for (const Candidate* candidate : chosen) {
    if (candidate->result != nullptr) attempt.inputs.push_back(candidate->result);
  }
  attempt.ancestors = MergedAncestors(chosen);
}

void Core::Impl::TakeRenewed(const Run& run, Attempt& attempt, const Candidate& candidate) {
  // What was fetched from where the bytes were may be read no more.
  for (const NamedValue& input : InputsOf(attempt)) {
    const auto fetch = run.fetches.find(input.value.object);
    if (fetch != run.fetches.end() && fetch->second.state == Run::FetchState::kHere) {
      read_.push_back({run.id, input.value.object});
    }
  }
  attempt.step = candidate.step;
  attempt.continuation = candidate.continuation;
  TakeInputs(run, attempt);
}

void Core::Impl::Queue(Attempt& attempt) {
  attempt.state = Attempt::State::kQueued;
  queue_.push_back(attempt.key);
}

void Core::Impl::StartNext(Event& event) {
  while (!queue_.empty() && occupied_ < options_.max_in_flight) {
    const AttemptKey key = std::move(queue_.front());
    queue_.pop_front();
    Run* run = FindRun(key.run);
    if (run == nullptr) continue;
    const auto entry = run->attempts.find({key.step, key.lineage});
    if (entry == run->attempts.end()) continue;
    Attempt& attempt = *entry->second;
    // An attempt that sleeps is queued again when it is settled.
    if (attempt.state != Attempt::State::kQueued || attempt.redrive < run->redrive) continue;
    if (IsFenced(attempt)) {
      attempt.state = Attempt::State::kFenced;
      continue;
    }
    attempt.state = Attempt::State::kFetching;
    ++occupied_;
    FetchInputs(event, *run, attempt);
  }
}

bool Core::Impl::IsHere(const Run& run, const Value& value) const {
  if (value.IsInline()) return true;
  // Its own may have been released since, when everything that was to read it stood in the record.
  if (value.owner == options_.self) return run.objects.contains(value.object);
  const auto fetch = run.fetches.find(value.object);
  return fetch != run.fetches.end() && fetch->second.state == Run::FetchState::kHere;
}

bool Core::Impl::IsLost(const Run& run, const Value& value) const {
  if (value.IsInline()) return false;
  const auto fetch = run.fetches.find(value.object);
  return fetch != run.fetches.end() && fetch->second.state == Run::FetchState::kLost;
}

// Whether anything that is not done yet needs the bytes. A candidate that an attempt was made of is
// done with that attempt; should it make another one, the bytes are fetched again.
bool Core::Impl::WillBeRead(const Run& run, const ObjectId& object) const {
  std::set<EdgeKey> used;
  for (const auto& [id, attempt] : run.attempts) {
    used.insert(attempt->edges.begin(), attempt->edges.end());
    if (attempt->state == Attempt::State::kCommitted) continue;
    for (const NamedValue& input : InputsOf(*attempt)) {
      if (!input.passed && input.value.object == object) return true;
    }
  }
  for (const auto& [step, candidates] : run.candidates) {
    if (run.pinned.contains(step)) continue;
    for (const auto& [from, candidate] : candidates) {
      if (!used.contains(candidate.key) && Reads(candidate, object)) return true;
    }
  }
  return false;
}

// What was fetched counts against this daemon's quota until the run ends, unless it goes as soon as
// it has been read. Looked at when an event's local hand-overs have arrived: a refinement's steps
// take over the inputs of the step that refined.
void Core::Impl::ReleaseRead(Event& event) {
  for (const auto& [id, object] : std::exchange(read_, {})) {
    Run* run = FindRun(id);
    if (run != nullptr && !WillBeRead(*run, object)) ReleaseObject(event, *run, object);
  }
}

// Something that was to read is gone without having read: looks again at all that was fetched.
void Core::Impl::ReviewFetched(const Run& run) {
  for (const auto& [object, fetch] : run.fetches) {
    if (fetch.state == Run::FetchState::kHere) read_.push_back({run.id, object});
  }
}

void Core::Impl::RequestFetch(Event& event, Run& run, const Value& value) {
  if (IsHere(run, value)) return;
  Run::FetchState& fetch = run.fetches[value.object];
  const bool under_way =
      fetch.value.object == value.object && fetch.state == Run::FetchState::kPending;
  if (under_way) return;
  fetch.value = value;
  fetch.state = Run::FetchState::kPending;
  event.Emit(Fetch{run.id, value});
}

void Core::Impl::FetchInputs(Event& event, Run& run, Attempt& attempt) {
  bool complete = true;
  for (const NamedValue& input : InputsOf(attempt)) {
    if (input.passed || IsHere(run, input.value)) continue;
    complete = false;
    RequestFetch(event, run, input.value);
  }
  if (complete) StartExecuting(event, run, attempt);
}

void Core::Impl::Fetched(Time now, const RunId& id, const Value& value, const absl::Status& status,
                         Actions* actions) {
  Event event{now, actions};
  Run* run = FindRun(id);
  if (run == nullptr || !run->fetches.contains(value.object)) {
    // Its run ended while the bytes were on their way.
    if (status.ok()) event.Emit(Release{value.object});
    return;
  }
  const bool gone = absl::IsNotFound(status) || absl::IsUnavailable(status);
  // There is no room for it, until others have done with theirs.
  const bool full = absl::IsResourceExhausted(status);
  if (status.ok()) run->objects.insert(value.object);
  if (full) {
    run->fetches.erase(value.object);
  } else {
    run->fetches[value.object].state =
        status.ok() ? Run::FetchState::kHere : Run::FetchState::kLost;
  }
  std::vector<Attempt*> waiting;
  for (auto& [key, attempt] : run->attempts) {
    if (attempt->state != Attempt::State::kFetching) continue;
    for (const NamedValue& input : InputsOf(*attempt)) {
      if (!input.passed && input.value.object == value.object) waiting.push_back(attempt.get());
    }
  }
  // Whoever was to read it may have ended, or been dropped, meanwhile.
  if (status.ok() && waiting.empty()) read_.push_back({id, value.object});
  for (Attempt* attempt : waiting) {
    if (attempt->state != Attempt::State::kFetching) continue;  // named twice
    if (status.ok()) {
      FetchInputs(event, *run, *attempt);
    } else if (gone || full) {
      // Its turn goes to others: one of them may be what makes these bytes again, or room for them.
      FreeSlot(*attempt);
      attempt->state = Attempt::State::kStarved;
      attempt->due = now + kStarvedRetry;
      Arm(*run, attempt->due);
      if (full) continue;
      run->lost.insert(value.object);
      ScheduleReport(*run, now);
    } else {
      attempt->staged = Outcome{
          Outcome::Failed{{reason::kFetchFailed,
                           absl::StrCat("reading an input of ", value.size, " bytes from ",
                                        value.owner.address.ToString(), ": ", status.message())},
                          false}};
      FreeSlot(*attempt);
      Settle(event, *run, *attempt);
    }
  }
  StartNext(event);
  Flush(event);
}

void Core::Impl::StartExecuting(Event& event, Run& run, Attempt& attempt) {
  attempt.state = Attempt::State::kExecuting;
  attempt.timing.executing = Micros(event.now);
  ++attempt.tries;
  if (run.keepalive_due == Time::max()) {
    run.keepalive_due = event.now + kKeepalive;
    Arm(run, run.keepalive_due);
  }
  Reach(event, run, attempt.key.step, StepState::kExecuting);
  event.Emit(Execute{attempt.key, attempt.step, InputsOf(attempt), attempt.step->timeout,
                     attempt.continuation->traceparent});
}

void Core::Impl::Executed(Time now, const AttemptKey& key, Outcome outcome, Actions* actions) {
  Event event{now, actions};
  Run* run = FindRun(key.run);
  const auto* produced = std::get_if<Outcome::Produced>(&outcome.what);
  const auto* refined = std::get_if<Outcome::Refined>(&outcome.what);
  const Value* made = produced != nullptr  ? &produced->value
                      : refined != nullptr ? &refined->value
                                           : nullptr;
  Attempt* attempt = nullptr;
  if (run != nullptr) {
    const auto entry = run->attempts.find({key.step, key.lineage});
    if (entry != run->attempts.end()) attempt = entry->second.get();
  }
  if (attempt == nullptr || attempt->state != Attempt::State::kExecuting) {
    if (made != nullptr) event.Emit(Release{made->object});
    return;
  }
  if (made != nullptr) run->objects.insert(made->object);
  FreeSlot(*attempt);
  attempt->timing.staged = Micros(now);
  attempt->staged = std::move(outcome);
  Reach(event, *run, key.step, StepState::kStaged);
  Settle(event, *run, *attempt);
  StartNext(event);
  Flush(event);
}

void Core::Impl::Settle(Event& event, Run& run, Attempt& attempt) {
  attempt.state = Attempt::State::kStaged;
  if (attempt.redrive < run.redrive) return;
  if (const std::optional<EdgeKey> edge = std::exchange(attempt.renewed, std::nullopt)) {
    const auto& candidates = run.candidates[edge->step];
    const auto candidate = candidates.find(edge->from);
    if (candidate != candidates.end()) TakeRenewed(run, attempt, candidate->second);
  }
  // The effect may have been superseded: whoever leads now executes it again under the same key.
  if (IsFenced(attempt)) {
    Drop(event, run, attempt);
    attempt.state = Attempt::State::kFenced;
    return;
  }
  const Outcome outcome = *std::exchange(attempt.staged, std::nullopt);
  if (const auto* produced = std::get_if<Outcome::Produced>(&outcome.what)) {
    event.Emit(Commit{produced->value.object});
    CommitResult(event, run, attempt, ResultState::kSucceeded, produced->value, {});
  } else if (const auto* passed = std::get_if<Outcome::PassedInput>(&outcome.what)) {
    for (const NamedValue& input : InputsOf(attempt)) {
      if (input.input != passed->input) continue;
      CommitResult(event, run, attempt, ResultState::kSucceeded, input.value, {});
      return;
    }
    CommitResult(
        event, run, attempt, ResultState::kFailed, Value(),
        {reason::kUnknownInput, absl::StrCat("the device answered with input \"", passed->input,
                                             "\", which the step has not")});
  } else if (const auto* refined = std::get_if<Outcome::Refined>(&outcome.what)) {
    const absl::Status valid = CheckRefinement(attempt, refined->value);
    if (!valid.ok()) {
      ReleaseObject(event, run, refined->value.object);
      CommitResult(event, run, attempt, ResultState::kFailed, Value(),
                   {reason::kInvalidRefinement, std::string(valid.message())});
      return;
    }
    event.Emit(Commit{refined->value.object});
    CommitResult(event, run, attempt, ResultState::kRefined, refined->value, {});
  } else if (const auto* skipped = std::get_if<Outcome::Skipped>(&outcome.what)) {
    CommitResult(event, run, attempt, ResultState::kSkipped, Value(),
                 {reason::kWhenNotMet, skipped->message});
  } else if (const auto* failed = std::get_if<Outcome::Failed>(&outcome.what)) {
    const RetrySpec& retry = attempt.step->retry;
    if (failed->retryable && attempt.tries <= static_cast<uint32_t>(retry.limit)) {
      attempt.state = Attempt::State::kBackoff;
      const int doublings =
          std::min<int>(static_cast<int>(attempt.tries) - 1, kMaxBackoffDoublings);
      const Duration longest = retry.backoff * (1 << doublings);
      attempt.due = event.now + longest / 2 +
                    Duration(random_.Below(static_cast<uint64_t>(longest.count() / 2) + 1));
      Arm(run, attempt.due);
      return;
    }
    CommitResult(event, run, attempt, ResultState::kFailed, Value(), failed->failure);
  }
}

void Core::Impl::CommitResult(Event& event, Run& run, Attempt& attempt, ResultState state,
                              Value value, Failure failure) {
  auto result = std::make_shared<StepResult>();
  result->path = attempt.key.step;
  result->state = state;
  result->lineage = attempt.key.lineage;
  const bool has_value = state == ResultState::kSucceeded || state == ResultState::kRefined;
  result->id = ComputeResultId(attempt.key, ResultStateName(state),
                               has_value ? value.digest : Digest::Of(failure.reason));
  result->executor = options_.self;
  result->attempts = std::max<uint32_t>(attempt.tries, 1);
  attempt.timing.committed = Micros(event.now);
  result->timing = attempt.timing;
  for (const EdgeKey& edge : attempt.edges) {
    const auto& candidates = run.candidates[edge.step];
    const auto found = candidates.find(edge.from);
    if (found == candidates.end()) continue;
    const Candidate& candidate = found->second;
    if (candidate.senders.size() == 1 && IsSelf(candidate.senders.front())) continue;
    ++result->transfer.hops;
    result->transfer.messages += candidate.received;
  }
  const std::vector<NamedValue> inputs = InputsOf(attempt);
  for (const NamedValue& input : inputs) {
    if (!input.passed && input.value.owner != options_.self) {
      result->transfer.bytes += input.value.size;
    }
  }
  result->value = std::move(value);
  result->failure = std::move(failure);
  attempt.result = std::move(result);
  attempt.state = Attempt::State::kCommitted;
  for (const NamedValue& input : inputs) {
    const auto fetch = run.fetches.find(input.value.object);
    if (fetch != run.fetches.end() && fetch->second.state == Run::FetchState::kHere) {
      read_.push_back({run.id, input.value.object});
    }
  }
  Reach(event, run, attempt.key.step, StepState::kCommitted);
  if (!attempt.continuation->traceparent.empty()) {
    event.Emit(Traced{attempt.step, attempt.result, Predecessors(attempt), attempt.continuation});
  }
  Forward(event, run, attempt);
}

void Core::Impl::FreeSlot(const Attempt& attempt) {
  if (attempt.Occupies()) --occupied_;
}

void Core::Impl::Drop(Event& event, Run& run, Attempt& attempt) {
  FreeSlot(attempt);
  if (attempt.state == Attempt::State::kExecuting) event.Emit(Cancel{attempt.key});
  if (attempt.staged.has_value()) {
    if (const auto* produced = std::get_if<Outcome::Produced>(&attempt.staged->what)) {
      ReleaseObject(event, run, produced->value.object);
    } else if (const auto* refined = std::get_if<Outcome::Refined>(&attempt.staged->what)) {
      ReleaseObject(event, run, refined->value.object);
    }
  }
  attempt.staged.reset();
}

void Core::Impl::ReleaseObject(Event& event, Run& run, const ObjectId& object) {
  if (run.objects.erase(object) > 0) event.Emit(Release{object});
  run.fetches.erase(object);
}

}  // namespace fractos
