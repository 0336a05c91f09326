// Hand-overs coming in, and the answers to those that went out.
#include <algorithm>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "daemon/continuation/core_impl.h"
#include "daemon/continuation/join.h"
#include "lib/base/limits.h"
#include "lib/protocol/continuation.h"

namespace fractos {
namespace {

constexpr Duration kOverloadedRetry = std::chrono::milliseconds(100);

// The path that `edge` of `step` leads from must be one of its predecessors: what a peer says is
// checked before it becomes part of a join.
bool HasEdge(const Step& step, const StepPath& edge) {
  const std::vector<StepPath> predecessors = step.Predecessors();
  if (predecessors.empty()) return edge.empty();
  return std::find(predecessors.begin(), predecessors.end(), edge) != predecessors.end();
}

// What was accepted stays as it was: of a later hand-over only where the same bytes live now is
// taken over. The functions below return what is known, with the places that `news` says.

Value MovedTo(const Value& known, const Value& news) {
  if (known.digest != news.digest || known.size != news.size) return known;
  Value value = news;
  if (!value.IsInline()) value.inline_bytes = known.inline_bytes;
  return value;
}

ResultPtr MovedTo(const ResultPtr& known, const ResultPtr& news) {
  if (known == nullptr || news == nullptr || known->id != news->id || known->path != news->path ||
      known->state != news->state || known->value.digest != news->value.digest ||
      known->value.size != news->value.size || known->value == news->value) {
    return known;
  }
  auto result = std::make_shared<StepResult>(*news);
  result->lineage = known->lineage;
  result->value = MovedTo(known->value, news->value);
  return result;
}

StepPtr MovedTo(const StepPtr& known, const Step& news) {
  if (known->bound == news.bound || known->bound.size() != news.bound.size()) return known;
  auto step = std::make_shared<Step>(*known);
  for (size_t i = 0; i < step->bound.size(); ++i) {
    step->bound[i].value = MovedTo(known->bound[i].value, news.bound[i].value);
  }
  return step;
}

ContinuationPtr MovedTo(const ContinuationPtr& known, const Continuation& news) {
  auto continuation = std::make_shared<Continuation>(*known);
  for (StepPtr& step : continuation->steps) {
    for (const StepPtr& other : news.steps) {
      if (other->path == step->path) step = MovedTo(step, *other);
    }
  }
  return continuation;
}

std::vector<ResultPtr> MovedTo(const std::vector<ResultPtr>& known,
                               const std::vector<ResultPtr>& news) {
  std::vector<ResultPtr> results = known;
  for (ResultPtr& result : results) {
    for (const ResultPtr& other : news) result = MovedTo(result, other);
  }
  return results;
}

}  // namespace

void Core::Impl::On(Event& event, const Incarnation& from, HandOver message) {
  if (message.continuation == nullptr || message.continuation->steps.empty()) return;
  const bool remote = !IsSelf(from.address);
  if (remote) TellDeposed(event, from, message.sender_epoch);
  if (std::optional<Nack> nack = Refuse(from, message)) {
    if (remote) {
      event.Emit(Send{from.address, *std::move(nack)});
    } else {
      On(event, from, *nack);
    }
    return;
  }
  Run& run = RunOf(event, message);
  if (message.redrive > run.redrive) RaiseRedrive(event, run, message.redrive);
  LearnViews(event, *message.continuation);

  const EdgeKey key = message.key();
  const uint64_t redrive = message.redrive;
  auto& candidates = run.candidates[key.step];
  const auto known = candidates.find(key.from);
  const bool is_new = known == candidates.end();
  if (is_new && std::count_if(candidates.begin(), candidates.end(), [&message](const auto& entry) {
                  return entry.second.edge == message.edge;
                }) >= static_cast<std::ptrdiff_t>(kMaxCandidates)) {
    return;  // not accepted, so it comes again
  }
  if (is_new) {
    Keep(event, run, from, std::move(message));
  } else {
    ++stats_.duplicates;
    Renew(event, run, known->second, message);
  }
  Candidate& candidate = run.candidates[key.step].at(key.from);
  ++candidate.received;
  if (std::find(candidate.senders.begin(), candidate.senders.end(), from.address) ==
      candidate.senders.end()) {
    candidate.senders.push_back(from.address);
  }
  if (remote) {
    event.Emit(Send{from.address, Accepted{key, redrive}});
  } else {
    holds_.OnAccepted(from, key);
  }
  if (is_new) Reach(event, run, key.step, StepState::kAccepted);
  Fire(event, run, candidate);
  // The sender of something old may have missed that it was passed long ago.
  for (const auto& [id, attempt] : run.attempts) {
    if (attempt->passed &&
        std::find(attempt->edges.begin(), attempt->edges.end(), key) != attempt->edges.end()) {
      TellPassed(event, run, candidate);
      break;
    }
  }
}

// A deposed leader may hand on what it accepted in its time; it is only told to step down.
void Core::Impl::TellDeposed(Event& event, const Incarnation& from, uint64_t epoch) {
  const uint64_t known = book_.EpochOf(from.address.cluster);
  if (epoch != 0 && epoch < known) {
    event.Emit(Send{from.address, StaleEpoch{from.address.cluster, known}});
    ++stats_.stale_epochs;
  }
  book_.SawEpoch(from.address.cluster, epoch);
}

void Core::Impl::LearnViews(Event& event, const Continuation& continuation) {
  std::vector<ClusterView> news;
  const std::vector<std::string_view> needed = ClustersOf(continuation);
  for (const ClusterView& view : continuation.clusters) {
    if (!std::binary_search(needed.begin(), needed.end(), view.cluster)) continue;
    if (book_.Learn(view)) news.push_back(view);
  }
  if (!news.empty()) event.Emit(LearnClusters{std::move(news)});
  // Whatever they say of its own cluster, a leader knows better.
  if (leads_) book_.SawLeader(options_.self.address, epoch_);
}

std::optional<Nack> Core::Impl::Refuse(const Incarnation& from, const HandOver& message) {
  const Step& step = message.step();
  Nack nack;
  nack.edge = message.key();
  nack.redrive = message.redrive;
  const auto refuse = [&nack](Refusal reason, std::string why) {
    nack.reason = reason;
    nack.message = std::move(why);
    return std::optional<Nack>(nack);
  };
  if (ended_.contains(message.continuation->run)) {
    return refuse(Refusal::kEnded, "the run is over");
  }
  if (step.cluster != options_.self.address.cluster) {
    return refuse(Refusal::kInvalid, absl::StrCat("step ", step.path, " is for ", step.cluster,
                                                  ", not for ", options_.self.address.cluster));
  }
  if (!HasEdge(step, message.edge) || (message.result == nullptr) != message.edge.empty()) {
    return refuse(Refusal::kInvalid,
                  absl::StrCat("step ", step.path, " has no edge from \"", message.edge, "\""));
  }
  const Run* run = FindRun(message.continuation->run);
  if (!leads_ || (draining_ && run == nullptr)) {
    nack.seen = epoch_;
    if (!IsSelf(leader_)) nack.leader = leader_;
    return refuse(Refusal::kNotLeader, "not the leader");
  }
  if (run != nullptr && message.redrive < run->redrive) {
    ++stats_.stale_redrives;
    nack.seen = run->redrive;
    return refuse(Refusal::kStaleRedrive, "the run was driven again");
  }
  if (run != nullptr && run->expired) {
    return refuse(Refusal::kEnded, "the run is past its deadline");
  }
  // Only what starts here is turned away: what other daemons already work for must be let through.
  const bool starts = run == nullptr && message.result == nullptr && from.address.IsDriver();
  if (starts &&
      (runs_.size() >= options_.max_runs || occupied_ + queue_.size() >= options_.max_in_flight)) {
    nack.retry_after = kOverloadedRetry;
    return refuse(Refusal::kOverloaded, "too many runs");
  }
  return std::nullopt;
}

void Core::Impl::Keep(Event& event, Run& run, const Incarnation& from, HandOver message) {
  const EdgeKey key = message.key();
  Reach(event, run, key.step, StepState::kReceived);
  Candidate candidate;
  candidate.key = key;
  candidate.edge = std::move(message.edge);
  candidate.result = std::move(message.result);
  candidate.ancestors = std::move(message.ancestors);
  candidate.step = message.continuation->steps.front();
  candidate.continuation = std::move(message.continuation);
  candidate.redrive = message.redrive;
  candidate.received_us = Micros(event.now);
  // Bytes start to move before a join is complete: the hand-over and the pull overlap.
  if (candidate.result != nullptr && !IsSelf(from.address)) {
    for (const InputEdge& input : candidate.step->inputs) {
      if (input.from == candidate.edge && !input.passed &&
          candidate.result->state == ResultState::kSucceeded) {
        RequestFetch(event, run, candidate.result->value);
      }
    }
  }
  run.candidates[key.step].emplace(key.from, std::move(candidate));
}

// The same result along the same edge once more. It may come under a higher redrive epoch, which
// settles it; and it may come from another execution that agreed, and then its bytes, or those that
// a refinement took over, live elsewhere: where they were may be gone.
void Core::Impl::Renew(Event& event, Run& run, Candidate& candidate, const HandOver& message) {
  candidate.redrive = std::max(candidate.redrive, message.redrive);
  const ResultPtr result = MovedTo(candidate.result, message.result);
  const bool moved = result != candidate.result;
  if (moved && IsLost(run, result->value)) return;  // old news
  if (!moved && candidate.step->bound == message.step().bound) return;
  candidate.result = result;
  candidate.ancestors = MovedTo(candidate.ancestors, message.ancestors);
  candidate.continuation = MovedTo(candidate.continuation, *message.continuation);
  candidate.step = candidate.continuation->steps.front();
  for (auto& [id, attempt] : run.attempts) {
    if (std::find(attempt->edges.begin(), attempt->edges.end(), candidate.key) ==
        attempt->edges.end()) {
      continue;
    }
    if (attempt->staged.has_value() || attempt->state == Attempt::State::kExecuting) {
      attempt->renewed = candidate.key;
      continue;
    }
    const std::vector<NamedValue> before = InputsOf(*attempt);
    TakeRenewed(run, *attempt, candidate);
    if (attempt->state == Attempt::State::kFetching) FetchInputs(event, run, *attempt);
    if (attempt->state == Attempt::State::kStarved) Queue(*attempt);
    if (attempt->state == Attempt::State::kCommitted) PassOn(event, run, *attempt, before);
  }
}

// A committed result that is the value of an input, or a refinement that took them over, speaks of
// bytes that have moved from where they were `before`; those who were told hear of it again.
void Core::Impl::PassOn(Event& event, Run& run, Attempt& attempt,
                        const std::vector<NamedValue>& before) {
  const bool refined = attempt.result->state == ResultState::kRefined;
  bool passed = false;
  const std::vector<NamedValue> now = InputsOf(attempt);
  for (size_t i = 0; i < now.size() && !passed; ++i) {
    const Value& value = attempt.result->value;
    passed = attempt.result->state == ResultState::kSucceeded && now[i].value != before[i].value &&
             value.object == before[i].value.object && value.owner == before[i].value.owner;
    if (!passed) continue;
    auto result = std::make_shared<StepResult>(*attempt.result);
    result->value = now[i].value;
    attempt.result = std::move(result);
  }
  if (refined || passed) Forward(event, run, attempt);
}

void Core::Impl::Fire(Event& event, Run& run, const Candidate& candidate) {
  const std::vector<StepPath> edges = candidate.step->Predecessors();
  for (const std::vector<const Candidate*>& chosen :
       AgreeingCombinations(edges, run.candidates[candidate.key.step], candidate, run.redrive)) {
    std::vector<ResultId> ids;
    for (const Candidate* one : chosen) {
      if (one->result != nullptr) ids.push_back(one->result->id);
    }
    const Lineage lineage = ComputeLineage(ids);
    const StepPath& step = candidate.key.step;
    const auto others =
        std::count_if(run.attempts.begin(), run.attempts.end(),
                      [&step](const auto& entry) { return entry.first.first == step; });
    if (others >= static_cast<std::ptrdiff_t>(kMaxCombinations) &&
        !run.attempts.contains(Run::AttemptId{step, lineage})) {
      continue;
    }
    Accept(event, run, chosen, lineage);
  }
}

// What is here under a lower redrive epoch sleeps until the driver says what stands.
void Core::Impl::RaiseRedrive(Event& event, Run& run, uint64_t redrive) {
  run.redrive = redrive;
  if (run.attempts.empty() && run.candidates.empty()) return;
  holds_.ForEach(run.id, [](Hold& hold) { hold.suspended = true; });
  run.fetch_redrive_due = event.now;
  Arm(run, event.now);
}

void Core::Impl::On(Event& event, const Incarnation& from, const Accepted& message) {
  Run* run = FindRun(message.edge.run);
  if (run == nullptr || !holds_.OnAccepted(from, message.edge)) return;
  MarkSafe(event, *run, message.edge);
}

void Core::Impl::On(Event& event, const Incarnation&, const Passed& message) {
  Run* run = FindRun(message.edge.run);
  holds_.Erase(message.edge);
  if (run != nullptr) MarkSafe(event, *run, message.edge);
}

void Core::Impl::On(Event& event, const Incarnation& from, const Nack& message) {
  Run* run = FindRun(message.edge.run);
  if (run == nullptr) return;
  switch (message.reason) {
    case Refusal::kStaleRedrive:
      if (message.seen > run->redrive) RaiseRedrive(event, *run, message.seen);
      return;
    case Refusal::kNotLeader:
      book_.SawFollower(from.address, message.leader);
      holds_.Retry(event.now, message.edge, Duration::zero());
      return;
    case Refusal::kOverloaded:
      holds_.Retry(event.now, message.edge, message.retry_after);
      return;
    case Refusal::kInvalid:
    case Refusal::kEnded:
      // Sending it again would not help. The driver, which knows better, drives again or ends.
      holds_.Erase(message.edge);
      return;
  }
}

void Core::Impl::On(Event& event, const Incarnation&, const StaleEpoch& message) {
  if (message.cluster == options_.self.address.cluster) StepDownBelow(event, message.seen);
}

}  // namespace fractos
