#include "lib/driver/core/run_core.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lib/base/limits.h"
#include "lib/driver/core/run_core_impl.h"
#include "lib/plan/reasons.h"

namespace fractos {
namespace {

// Longer than any hold or report stays unsaid: after it something is missing that nobody misses.
constexpr Duration kSilence = kHoldWindow + 2 * kHoldResend;
constexpr Duration kAnswerTime = std::chrono::seconds(1);

}  // namespace

RunCore::Impl::Impl(Options options, Plan plan, RunRecord record, std::vector<ClusterView> clusters)
    : options_(std::move(options)),
      plan_(std::move(plan)),
      record_(std::move(record)),
      random_(options_.seed),
      holds_(&book_, &random_) {
  for (const ClusterView& view : clusters) book_.Learn(view);
}

void RunCore::Impl::Start(Event& event) {
  heard_ = event.now;
  if (record_.start_us == 0) record_.start_us = Micros(event.now);
  // The wall clock may have been put back since: a run is never given more than its deadline.
  using std::chrono::microseconds;
  const int64_t elapsed =
      std::clamp<int64_t>(Micros(event.now) - record_.start_us, 0,
                          std::chrono::duration_cast<microseconds>(plan_.deadline).count());
  deadline_ = event.now + plan_.deadline - microseconds(elapsed);
  for (const auto& [path, result] : record_.steps) durable_.insert(result->id);
  if (!BuildGraph(event)) return;
  if (record_.redrive == 0) {
    record_.redrive = 1;
    record_.phase = RunPhase::kRunning;
    Write(event);
    return;
  }
  durable_redrive_ = record_.redrive;
  durable_phase_ = record_.phase;
  if (IsEnd(record_.phase)) {
    SendToAll(event, End{record_.run});
    finished_ = true;
    event.Emit(Finished{});
    return;
  }
  resuming_ = true;
  force_ = true;
  Probe(event);
}

void RunCore::Impl::Receive(Event& event, const Incarnation& from, Message message) {
  if (finished_) return;
  std::visit(
      [this, &event, &from](const auto& body) {
        using Body = std::decay_t<decltype(body)>;
        if constexpr (std::is_same_v<Body, Report> || std::is_same_v<Body, Accepted> ||
                      std::is_same_v<Body, Passed> || std::is_same_v<Body, Nack> ||
                      std::is_same_v<Body, Holding> || std::is_same_v<Body, FetchRedrive>) {
          On(event, from, body);
        }
      },
      message);
  Flush(event);
}

void RunCore::Impl::LinkUp(Event& event, const Incarnation& peer, uint64_t epoch) {
  if (finished_) return;
  const uint64_t known_epoch = book_.EpochOf(peer.address.cluster);
  const bool new_leader = book_.SawLeader(peer.address, epoch);
  const auto known = up_.find(peer.address);
  const bool died = known != up_.end() && known->second != peer.boot;
  const bool is_new = known == up_.end() || died;
  up_[peer.address] = peer.boot;
  std::erase_if(dead_objects_, [&peer](const auto& entry) { return entry.second == peer; });
  if (died) holdings_.erase(peer.address);
  holds_.OnPeer(event.now, peer, new_leader);
  if (died || (epoch > known_epoch && known_epoch != 0)) Suspect(event);
  if (recovery_ == Recovery::kProbing || recovery_ == Recovery::kSettling) {
    if (is_new) event.Emit(Send{peer.address, MakeQuery(event.now)});
    CheckAnswers(event, /*time_is_up=*/false);
  }
  Flush(event);
}

void RunCore::Impl::LinkDown(Event& event, const Address& peer) {
  if (finished_) return;
  book_.Lost(peer);
  holds_.OnLost(event.now, peer);
  holdings_.erase(peer);
  if (up_.erase(peer) == 0) return;
  Suspect(event);
  if (recovery_ == Recovery::kProbing || recovery_ == Recovery::kSettling) {
    CheckAnswers(event, /*time_is_up=*/false);
  }
  Flush(event);
}

void RunCore::Impl::Learn(const ClusterView& view) {
  if (!book_.Learn(view)) return;
  // What is sent again says where everybody is by now: a replica that is new must not be told of a
  // cluster without it.
  holds_.ForEach(record_.run, [this](Hold& hold) {
    auto continuation = std::make_shared<Continuation>(*hold.hand_over.continuation);
    std::vector<std::string> names;
    for (const ClusterView& one : continuation->clusters) names.push_back(one.cluster);
    continuation->clusters = book_.Views(names);
    hold.hand_over.continuation = std::move(continuation);
  });
}

void RunCore::Impl::Cancel(Event& event) {
  if (finished_ || ending_) return;
  record_.failed_step.clear();
  record_.failure = {reason::kCancelled, "the run was cancelled"};
  Finish(event, RunPhase::kCancelled);
}

std::optional<Time> RunCore::Impl::NextTick() const {
  if (finished_ || ending_) return std::nullopt;
  return std::min({deadline_, write_due_, recovery_due_, heard_ + kSilence,
                   holds_.NextTick().value_or(Time::max())});
}

void RunCore::Impl::Tick(Event& event) {
  if (finished_) return;
  if (!ending_ && event.now >= deadline_) {
    if (record_.phase != RunPhase::kFailing && record_.failed_step.empty()) {
      record_.failure = DeadlineFailure();
    }
    Finish(event, RunPhase::kFailed);
  }
  if (event.now >= write_due_) Write(event);
  if (!ending_) {
    if (event.now >= recovery_due_) {
      if (recovery_ == Recovery::kWaiting) {
        Probe(event);
      } else {
        CheckAnswers(event, /*time_is_up=*/true);
      }
    }
    if (event.now >= heard_ + kSilence) {
      heard_ = event.now;
      // Everything seemed to be held the last time, and yet nothing came of it.
      if (++silences_ > 1) force_ = true;
      if (recovery_ == Recovery::kNone || recovery_ == Recovery::kWaiting) Probe(event);
    }
    holds_.Tick(event.now, &sends_);
  }
  Flush(event);
}

void RunCore::Impl::Flush(Event& event) {
  for (Send& send : std::exchange(sends_, {})) event.Emit(std::move(send));
}

void RunCore::Impl::Write(Event& event) {
  write_due_ = Time::max();
  if (writing_) {
    write_again_ = true;
    return;
  }
  writing_ = true;
  written_ = Storable();
  event.Emit(WriteRecord{written_});
}

void RunCore::Impl::WriteBy(Time due) { write_due_ = std::min(write_due_, due); }

// The record never holds bytes, save those of the outputs.
RunRecord RunCore::Impl::Storable() const {
  RunRecord record = record_;
  record.transfer = transfer();
  record.centralized_bytes = centralized_bytes();
  uint64_t inline_bytes = 0;
  for (auto& [path, result] : record.steps) {
    if (!result->value.IsInline()) continue;
    if (IsOutput(*result) && inline_bytes + result->value.size <= kMaxInlineOutputBytes) {
      inline_bytes += result->value.size;
      continue;
    }
    auto stripped = std::make_shared<StepResult>(*result);
    stripped->value.inline_bytes = nullptr;
    result = std::move(stripped);
  }
  return record;
}

void RunCore::Impl::Written(Event& event, const absl::Status& status) {
  writing_ = false;
  if (finished_) return;
  if (!status.ok()) {
    // Another driver has the run, or there is no record any more to drive it by.
    finished_ = true;
    return;
  }
  const bool was_failing = durable_phase_ == RunPhase::kFailing;
  durable_redrive_ = written_.redrive;
  durable_phase_ = written_.phase;
  if (IsEnd(durable_phase_)) {
    SendToAll(event, End{record_.run});
    finished_ = true;
    event.Emit(Finished{});
    return;
  }
  Acknowledge(event);
  if (durable_phase_ == RunPhase::kFailing && !was_failing) {
    SendToAll(event, Abort{record_.run, durable_redrive_});
  }
  if (recovery_ == Recovery::kRaising && durable_redrive_ == record_.redrive) {
    recovery_ = Recovery::kSettling;
    recovery_due_ = event.now + kAnswerTime;
    holdings_.clear();
    SendToAll(event, MakeQuery(event.now));
  }
  if (std::exchange(write_again_, false)) Write(event);
  Drive(event);
  Flush(event);
}

void RunCore::Impl::Finish(Event& event, RunPhase phase) {
  record_.phase = phase;
  record_.end_us = Micros(event.now);
  for (const StepPath& sink : AllSinks()) {
    const ResultPtr result = graph_.Terminal(sink, record_.steps);
    if (result != nullptr) record_.outputs[sink] = result->path;
  }
  ending_ = true;
  executing_.clear();
  Write(event);
}

void RunCore::Impl::SendToAll(Event& event, const Message& message) {
  for (const ClusterView& view : book_.Views(plan_.clusters)) {
    for (uint32_t replica = 0; replica < view.endpoints.size(); ++replica) {
      event.Emit(Send{Address{view.cluster, replica}, message});
    }
  }
}

Failure RunCore::Impl::DeadlineFailure() const {
  for (const std::string& cluster : plan_.clusters) {
    const bool reachable = std::any_of(up_.begin(), up_.end(), [&cluster](const auto& peer) {
      return peer.first.cluster == cluster;
    });
    if (!reachable) {
      return {reason::kNoReplica, absl::StrCat("no replica of ", cluster,
                                               " could be reached before the run's deadline")};
    }
  }
  return {reason::kDeadlineExceeded, "the run did not end before its deadline"};
}

RunCore::RunCore(Options options, Plan plan, RunRecord record, std::vector<ClusterView> clusters)
    : impl_(std::make_unique<Impl>(std::move(options), std::move(plan), std::move(record),
                                   std::move(clusters))) {}
RunCore::~RunCore() = default;

void RunCore::Start(Time now, DriverActions* actions) {
  Impl::Event event{now, actions};
  impl_->Start(event);
}
void RunCore::Receive(Time now, const Incarnation& from, Message message, DriverActions* actions) {
  Impl::Event event{now, actions};
  impl_->Receive(event, from, std::move(message));
}
void RunCore::Written(Time now, const absl::Status& status, DriverActions* actions) {
  Impl::Event event{now, actions};
  impl_->Written(event, status);
}
void RunCore::Pulled(Time now, const StepPath& step, absl::StatusOr<Value> value,
                     DriverActions* actions) {
  Impl::Event event{now, actions};
  impl_->Pulled(event, step, std::move(value));
}
void RunCore::LinkUp(Time now, const Incarnation& peer, uint64_t epoch, DriverActions* actions) {
  Impl::Event event{now, actions};
  impl_->LinkUp(event, peer, epoch);
}
void RunCore::LinkDown(Time now, const Address& peer, DriverActions* actions) {
  Impl::Event event{now, actions};
  impl_->LinkDown(event, peer);
}
void RunCore::Learn(const ClusterView& view) { impl_->Learn(view); }
void RunCore::Cancel(Time now, DriverActions* actions) {
  Impl::Event event{now, actions};
  impl_->Cancel(event);
}
void RunCore::Tick(Time now, DriverActions* actions) {
  Impl::Event event{now, actions};
  impl_->Tick(event);
}
std::optional<Time> RunCore::NextTick() const { return impl_->NextTick(); }
const RunRecord& RunCore::record() const { return impl_->record(); }
const Plan& RunCore::plan() const { return impl_->plan(); }
std::vector<RunCore::Output> RunCore::outputs() const { return impl_->outputs(); }
Transfer RunCore::transfer() const { return impl_->transfer(); }
uint64_t RunCore::centralized_bytes() const { return impl_->centralized_bytes(); }
std::vector<StepPath> RunCore::executing() const { return impl_->executing(); }

}  // namespace fractos
