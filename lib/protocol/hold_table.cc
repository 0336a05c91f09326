#include "lib/protocol/hold_table.h"

#include <algorithm>

#include "lib/base/limits.h"

namespace fractos {
namespace {

constexpr Duration kFirstBackoff = std::chrono::milliseconds(50);
constexpr Duration kLastBackoff = std::chrono::milliseconds(250);

EdgeKey FirstOf(const RunId& run) { return {run, "", ResultId()}; }

}  // namespace

void HoldTable::Add(Time now, HandOver hand_over, Time deadline, Sends* sends) {
  const EdgeKey key = hand_over.key();
  Hold& hold = holds_[key];
  hold = Hold();
  hold.hand_over = std::move(hand_over);
  hold.deadline = deadline;
  SendNow(now, hold, sends);
}

Hold* HoldTable::Find(const EdgeKey& key) {
  const auto entry = holds_.find(key);
  return entry == holds_.end() ? nullptr : &entry->second;
}

void HoldTable::EraseIf(const RunId& run, const std::function<bool(const Hold&)>& condition) {
  auto entry = holds_.lower_bound(FirstOf(run));
  while (entry != holds_.end() && entry->first.run == run) {
    entry = condition(entry->second) ? holds_.erase(entry) : std::next(entry);
  }
}

void HoldTable::ForEach(const RunId& run, const std::function<void(Hold&)>& visit) {
  for (auto entry = holds_.lower_bound(FirstOf(run));
       entry != holds_.end() && entry->first.run == run; ++entry) {
    visit(entry->second);
  }
}

bool HoldTable::OnAccepted(const Incarnation& from, const EdgeKey& key) {
  Hold* hold = Find(key);
  if (hold == nullptr) return false;
  hold->accepted = true;
  hold->receiver = from;
  hold->backoff = Duration::zero();
  return true;
}

void HoldTable::Retry(Time now, const EdgeKey& key, Duration at_least) {
  Hold* hold = Find(key);
  if (hold == nullptr) return;
  hold->accepted = false;
  hold->backoff =
      hold->backoff == Duration::zero() ? kFirstBackoff : std::min(hold->backoff * 2, kLastBackoff);
  const Duration jittered(random_->Below(static_cast<uint64_t>(hold->backoff.count()) + 1));
  Schedule(key, *hold, now + std::max(jittered, at_least));
}

void HoldTable::Resend(Time now, Hold& hold) { Schedule(hold.hand_over.key(), hold, now); }

void HoldTable::OnLost(Time now, const Address& peer) {
  for (auto& [key, hold] : holds_) {
    if (hold.last_target != peer && !(hold.accepted && hold.receiver.address == peer)) continue;
    Retry(now, key, Duration::zero());
  }
}

void HoldTable::OnPeer(Time now, const Incarnation& peer, bool new_leader) {
  for (auto& [key, hold] : holds_) {
    if (hold.hand_over.step().cluster != peer.address.cluster) continue;
    const bool receiver_died =
        hold.accepted && hold.receiver.address == peer.address && hold.receiver.boot != peer.boot;
    if (!receiver_died && !(new_leader && hold.receiver != peer)) continue;
    hold.accepted = false;
    Schedule(key, hold, now);
  }
}

std::optional<Time> HoldTable::NextTick() const {
  while (!due_.empty()) {
    const auto entry = holds_.find(due_.top().second);
    if (entry != holds_.end() && entry->second.due == due_.top().first) return due_.top().first;
    due_.pop();
  }
  return std::nullopt;
}

size_t HoldTable::Tick(Time now, Sends* sends) {
  size_t sent = 0;
  while (!due_.empty() && due_.top().first <= now) {
    const Due due = due_.top();
    due_.pop();
    const auto entry = holds_.find(due.second);
    if (entry == holds_.end() || entry->second.due != due.first) continue;
    SendNow(now, entry->second, sends);
    ++sent;
  }
  return sent;
}

void HoldTable::SendNow(Time now, Hold& hold, Sends* sends) {
  const EdgeKey key = hold.hand_over.key();
  // A hold whose answer is lost, or whose receiver forgets, is found out by sending it again.
  Schedule(key, hold, now + kHoldResend);
  if (hold.suspended || now >= hold.deadline) return;
  const std::optional<Address> target = book_->LeaderOf(hold.hand_over.step().cluster);
  if (!target.has_value()) return;
  hold.last_target = *target;
  hold.hand_over.remaining = hold.deadline - now;
  sends->push_back({*target, hold.hand_over});
}

void HoldTable::Schedule(const EdgeKey& key, Hold& hold, Time due) {
  hold.due = due;
  due_.push({due, key});
}

}  // namespace fractos
