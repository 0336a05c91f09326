#include "daemon/meter.h"

#include <variant>

namespace fractos {

void Meter::Sent(const Message& message) {
  if (const auto* handover = std::get_if<HandOver>(&message)) {
    const Time now = clock_->Now();
    absl::MutexLock lock(&mutex_);
    auto [sending, first] = sendings_.TryEmplace(handover->key());
    if (!first) return;
    sending->at = now;
    ++counts_.handovers_sent;
  } else if (const auto* nack = std::get_if<Nack>(&message)) {
    absl::MutexLock lock(&mutex_);
    ++counts_.refused.at(static_cast<size_t>(nack->reason));
  }
}

std::optional<Duration> Meter::Received(const Message& message) {
  if (std::holds_alternative<HandOver>(message)) {
    absl::MutexLock lock(&mutex_);
    ++counts_.handovers_received;
  } else if (const auto* accepted = std::get_if<Accepted>(&message)) {
    const Time now = clock_->Now();
    absl::MutexLock lock(&mutex_);
    Sending* sending = sendings_.Find(accepted->edge);
    if (sending == nullptr || std::exchange(sending->accepted, true)) return std::nullopt;
    return now - sending->at;
  }
  return std::nullopt;
}

void Meter::Executing(const AttemptKey& attempt, const std::string& operation) {
  absl::MutexLock lock(&mutex_);
  Doing* doing = steps_.Find({attempt.run, attempt.step});
  if (doing != nullptr) doing->operation = operation;
}

std::optional<std::pair<std::string, Duration>> Meter::Reached(const struct Reached& reached) {
  if (reached.state == StepState::kReceived) {
    const Time now = clock_->Now();
    absl::MutexLock lock(&mutex_);
    auto [doing, first] = steps_.TryEmplace({reached.run, reached.step});
    if (first) doing->received = now;
  } else if (reached.state == StepState::kCommitted) {
    const Time now = clock_->Now();
    absl::MutexLock lock(&mutex_);
    Doing* doing = steps_.Find({reached.run, reached.step});
    if (doing == nullptr || doing->operation.empty()) return std::nullopt;
    return std::pair(std::exchange(doing->operation, ""), now - doing->received);
  }
  return std::nullopt;
}

Meter::Counts Meter::counts() const {
  absl::MutexLock lock(&mutex_);
  return counts_;
}

}  // namespace fractos
