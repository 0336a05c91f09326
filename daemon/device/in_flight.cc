#include "daemon/device/in_flight.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "daemon/device/answer.h"
#include "lib/base/limits.h"

namespace fractos {

InFlight::Running& InFlight::Add(Ticket ticket, Execute execution, Time now) {
  Running& running = running_[ticket];
  running.deadline = now + std::clamp<Duration>(execution.timeout, Duration::zero(), kMaxDeadline);
  running.execution = std::move(execution);
  return running;
}

Time InFlight::AddSent(Ticket ticket, Execute execution, Time now) {
  Running& running = Add(ticket, std::move(execution), now);
  running.sent = true;
  return running.deadline;
}

Time InFlight::AddWaiting(Ticket ticket, Execute execution, OutFrame frame, Time now) {
  Running& running = Add(ticket, std::move(execution), now);
  running.frame = std::move(frame);
  return running.deadline;
}

std::vector<OutFrame> InFlight::SendWaiting() {
  std::map<Ticket, Running*> waiting;
  for (auto& [ticket, running] : running_) {
    if (!running.sent) waiting.emplace(ticket, &running);
  }
  std::vector<OutFrame> frames;
  frames.reserve(waiting.size());
  for (auto& [ticket, running] : waiting) {
    frames.push_back(std::move(running->frame));
    running->sent = true;
  }
  return frames;
}

std::optional<InFlight::Answered> InFlight::TakeAnswered(Ticket ticket) {
  std::optional<Answered> answered;
  auto it = running_.find(ticket);
  if (it == running_.end() || !it->second.sent) return answered;
  answered = Answered{std::move(it->second.execution), !it->second.unwanted};
  running_.erase(it);
  return answered;
}

bool InFlight::Cancel(Ticket ticket) {
  auto it = running_.find(ticket);
  if (it == running_.end() || it->second.unwanted) return false;
  if (!it->second.sent) {
    running_.erase(it);
    return false;
  }
  it->second.unwanted = true;
  return true;
}

void InFlight::FailSent(absl::string_view reason, absl::string_view message,
                        std::vector<Executed>* done) {
  for (auto it = running_.begin(); it != running_.end();) {
    auto& [ticket, running] = *it;
    if (!running.sent) {
      ++it;
      continue;
    }
    if (!running.unwanted) {
      done->push_back({ticket, std::move(running.execution.attempt),
                       FailedOutcome(reason, message, /*retryable=*/true)});
    }
    running_.erase(it++);
  }
}

InFlight::Due InFlight::TakeDue(Time now) {
  Due due;
  for (auto it = running_.begin(); it != running_.end();) {
    auto& [ticket, running] = *it;
    if (!running.unwanted && running.deadline <= now) {
      auto limit = std::chrono::duration_cast<std::chrono::milliseconds>(running.execution.timeout);
      due.timed_out.push_back(
          {ticket, running.execution.attempt,
           FailedOutcome(kTimeout, absl::StrCat("no answer within ", limit.count(), " ms"),
                         /*retryable=*/true)});
      if (!running.sent) {
        running_.erase(it++);
        continue;
      }
      due.to_cancel.push_back(ticket);
      running.unwanted = true;
    }
    Time next = running.deadline;
    if (running.unwanted) {
      next += cancel_grace_;
      if (next <= now) due.hangs = ticket;
    }
    due.next = std::min(due.next, next);
    ++it;
  }
  return due;
}

}  // namespace fractos
