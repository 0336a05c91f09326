#include "daemon/continuation/core.h"

#include <algorithm>
#include <set>

#include "daemon/continuation/core_impl.h"
#include "lib/base/limits.h"

namespace fractos {
namespace {

// What is asleep waits for the driver's answer, so a lost question is asked again soon.
constexpr Duration kAskAgain = std::chrono::milliseconds(500);

}  // namespace

absl::string_view StepStateName(StepState state) {
  switch (state) {
    case StepState::kReceived:
      return "RECEIVED";
    case StepState::kAccepted:
      return "ACCEPTED";
    case StepState::kExecuting:
      return "EXECUTING";
    case StepState::kStaged:
      return "STAGED";
    case StepState::kCommitted:
      return "COMMITTED";
    case StepState::kForwarded:
      return "FORWARDED";
    case StepState::kPassed:
      return "PASSED";
  }
  return "UNKNOWN";
}

Core::Impl::Impl(Options options)
    : options_(std::move(options)), random_(options_.seed), holds_(&book_, &random_) {}

void Core::Impl::Receive(Time now, const Incarnation& from, Message message, Actions* actions) {
  Event event{now, actions};
  std::visit(
      [this, &event, &from](auto& body) {
        using Body = std::decay_t<decltype(body)>;
        if constexpr (std::is_same_v<Body, HandOver>) {
          On(event, from, std::move(body));
        } else {
          On(event, from, body);
        }
      },
      message);
  Flush(event);
}

void Core::Impl::LinkUp(Time now, const Incarnation& peer, uint64_t epoch, Actions* actions) {
  Event event{now, actions};
  const bool new_leader = book_.SawLeader(peer.address, epoch);
  if (peer.address.cluster == options_.self.address.cluster) StepDownBelow(event, epoch);
  holds_.OnPeer(now, peer, new_leader);
  if (peer.address.IsDriver()) {
    // What was reported on an earlier link may never have arrived.
    for (auto& [id, run] : runs_) {
      if (run.driver == peer.address && run.report_due != Time::max()) ScheduleReport(run, now);
    }
  }
  Flush(event);
}

void Core::Impl::LinkDown(Time now, const Address& peer, Actions* actions) {
  Event event{now, actions};
  book_.Lost(peer);
  holds_.OnLost(now, peer);
  Flush(event);
}

void Core::Impl::Lead(Time now, uint64_t epoch, Actions* actions) {
  Event event{now, actions};
  leads_ = true;
  epoch_ = epoch;
  leader_ = options_.self.address;
  book_.SawLeader(options_.self.address, epoch);
  // Holds for the own cluster go to whoever leads it, and that is here now.
  holds_.OnPeer(now, options_.self, /*new_leader=*/true);
  Flush(event);
}

void Core::Impl::Follow(Time now, const Address& leader, uint64_t epoch, Actions* actions) {
  if (epoch != 0 && epoch < epoch_) return;  // old news, overtaken on its way
  Event event{now, actions};
  leads_ = false;
  leader_ = leader;
  epoch_ = std::max(epoch_, epoch);
  if (!leader.IsNone()) book_.SawLeader(leader, epoch);
  Flush(event);
}

void Core::Impl::StepDownBelow(Event& event, uint64_t seen) {
  // The election would not go beyond it either, and nobody would ever lead again.
  if (!leads_ || seen <= epoch_ || seen >= kMaxEpoch) return;
  leads_ = false;
  leader_ = Address();
  ++stats_.stale_epochs;
  event.Emit(StepDown{seen});
}

bool Core::Impl::Idle() const {
  if (holds_.size() > 0) return false;
  for (const auto& [id, run] : runs_) {
    for (const auto& [key, attempt] : run.attempts) {
      if (attempt->state != Attempt::State::kCommitted) return false;
      if (attempt->reportable && !attempt->recorded && !attempt->refused) return false;
    }
  }
  return true;
}

std::optional<Time> Core::Impl::NextTick() const {
  std::optional<Time> next = holds_.NextTick();
  while (!timers_.empty() && !runs_.contains(timers_.top().second)) timers_.pop();
  if (!timers_.empty() && (!next.has_value() || timers_.top().first < *next)) {
    next = timers_.top().first;
  }
  return next;
}

void Core::Impl::Tick(Time now, Actions* actions) {
  Event event{now, actions};
  std::set<RunId> due;
  while (!timers_.empty() && timers_.top().first <= now) {
    due.insert(timers_.top().second);
    timers_.pop();
  }
  for (const RunId& id : due) {
    const auto entry = runs_.find(id);
    if (entry == runs_.end()) continue;
    if (now >= entry->second.deadline + kValueGrace) {
      Forget(event, entry);
    } else {
      TickRun(event, entry->second);
    }
  }
  while (!ended_until_.empty() && ended_until_.top().first <= now) {
    ended_.erase(ended_until_.top().second);
    ended_until_.pop();
  }
  stats_.resends += holds_.Tick(now, &sends_);
  StartNext(event);
  Flush(event);
}

void Core::Impl::TickRun(Event& event, Run& run) {
  const Time now = event.now;
  if (!run.expired && now >= run.deadline) Expire(event, run);
  if (now >= run.report_due) SendReport(event, run);
  if (now >= run.keepalive_due) SendKeepalive(event, run);
  if (now >= run.fetch_redrive_due) {
    run.fetch_redrive_due = now + kAskAgain;
    event.Emit(Send{run.driver, FetchRedrive{run.id}});
  }
  for (auto& [id, attempt] : run.attempts) {
    const bool waits =
        attempt->state == Attempt::State::kBackoff || attempt->state == Attempt::State::kStarved;
    if (waits && now >= attempt->due) Queue(*attempt);
  }
  // Whatever was not due yet has to be looked at again.
  Arm(run, std::min({run.expired ? run.deadline + kValueGrace : run.deadline, run.report_due,
                     run.keepalive_due, run.fetch_redrive_due}));
}

Core::Stats Core::Impl::stats() const {
  Stats stats = stats_;
  stats.runs = runs_.size();
  stats.executing = occupied_;
  stats.queued = queue_.size();
  stats.holds = holds_.size();
  for (const auto& [id, run] : runs_) {
    stats.attempts += run.attempts.size();
    for (const auto& [step, candidates] : run.candidates) stats.candidates += candidates.size();
  }
  return stats;
}

Run* Core::Impl::FindRun(const RunId& id) {
  const auto entry = runs_.find(id);
  return entry == runs_.end() ? nullptr : &entry->second;
}

Run& Core::Impl::RunOf(Event& event, const HandOver& message) {
  const Continuation& continuation = *message.continuation;
  auto [entry, is_new] = runs_.try_emplace(continuation.run);
  Run& run = entry->second;
  if (is_new) {
    run.id = continuation.run;
    run.driver = continuation.driver;
    run.mode = continuation.mode;
    run.redrive = message.redrive;
    run.deadline = event.now + std::min<Duration>(message.remaining, kMaxDeadline);
    Arm(run, run.deadline);
  }
  return run;
}

// Hand-overs to this daemon's own steps are queued rather than recursed into: a refinement of 255
// steps on one device would otherwise nest as deep.
void Core::Impl::Flush(Event& event) {
  while (!local_.empty() || !sends_.empty()) {
    SendOut(event);
    if (local_.empty()) continue;
    HandOver message = std::move(local_.front());
    local_.pop_front();
    On(event, options_.self, std::move(message));
  }
  ReleaseRead(event);
}

void Core::Impl::SendOut(Event& event) {
  for (Send& send : std::exchange(sends_, {})) {
    if (IsSelf(send.to)) {
      local_.push_back(std::get<HandOver>(std::move(send.message)));
    } else {
      event.Emit(std::move(send));
    }
  }
}

// Past the deadline nothing is executed or handed on any more; values made here stay for a grace.
void Core::Impl::Expire(Event& event, Run& run) {
  run.expired = true;
  for (auto& [id, attempt] : run.attempts) {
    if (attempt->state != Attempt::State::kCommitted) Drop(event, run, *attempt);
  }
  std::erase_if(run.attempts, [](const auto& entry) {
    return entry.second->state != Attempt::State::kCommitted;
  });
  run.candidates.clear();
  ReleaseFetched(event, run);
  holds_.EraseIf(run.id, [](const Hold&) { return true; });
  run.report_due = run.keepalive_due = run.fetch_redrive_due = Time::max();
}

// Nothing of the run reads here any more: what was fetched goes, and what is on its way need not
// come.
void Core::Impl::ReleaseFetched(Event& event, Run& run) {
  for (const auto& [object, fetch] : run.fetches) {
    if (fetch.state == Run::FetchState::kLost) continue;
    run.objects.erase(object);
    event.Emit(Release{object});
  }
  run.fetches.clear();
}

void Core::Impl::Forget(Event& event, std::map<RunId, Run>::iterator entry) {
  Run& run = entry->second;
  for (auto& [id, attempt] : run.attempts) {
    if (attempt->state != Attempt::State::kCommitted) Drop(event, run, *attempt);
  }
  holds_.EraseIf(run.id, [](const Hold&) { return true; });
  ReleaseFetched(event, run);
  for (const ObjectId& object : run.objects) event.Emit(Release{object});
  // Hand-overs of the run may still be under way; they must not start it again.
  ended_.insert(run.id);
  ended_until_.push({run.deadline + kValueGrace, run.id});
  runs_.erase(entry);
  StartNext(event);
}

void Core::Impl::Reach(Event& event, const Run& run, const StepPath& step, StepState state) {
  event.Emit(Reached{run.id, step, state});
}

Core::Core(Options options) : impl_(std::make_unique<Impl>(std::move(options))) {}
Core::~Core() = default;

void Core::Receive(Time now, const Incarnation& from, Message message, Actions* actions) {
  impl_->Receive(now, from, std::move(message), actions);
}
void Core::Fetched(Time now, const RunId& run, const Value& value, const absl::Status& status,
                   Actions* actions) {
  impl_->Fetched(now, run, value, status, actions);
}
void Core::Executed(Time now, const AttemptKey& attempt, Outcome outcome, Actions* actions) {
  impl_->Executed(now, attempt, std::move(outcome), actions);
}
void Core::LinkUp(Time now, const Incarnation& peer, uint64_t epoch, Actions* actions) {
  impl_->LinkUp(now, peer, epoch, actions);
}
void Core::LinkDown(Time now, const Address& peer, Actions* actions) {
  impl_->LinkDown(now, peer, actions);
}
void Core::Lead(Time now, uint64_t epoch, Actions* actions) { impl_->Lead(now, epoch, actions); }
void Core::Follow(Time now, const Address& leader, uint64_t epoch, Actions* actions) {
  impl_->Follow(now, leader, epoch, actions);
}
void Core::Drain() { impl_->Drain(); }
bool Core::Idle() const { return impl_->Idle(); }
std::optional<Time> Core::NextTick() const { return impl_->NextTick(); }
void Core::Tick(Time now, Actions* actions) { impl_->Tick(now, actions); }
Core::Stats Core::stats() const { return impl_->stats(); }
bool Core::leads() const { return impl_->leads(); }
uint64_t Core::epoch() const { return impl_->epoch(); }

}  // namespace fractos
