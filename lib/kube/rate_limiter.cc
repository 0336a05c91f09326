#include "lib/kube/rate_limiter.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace fractos::kube {

Duration ItemExponentialFailureRateLimiter::When(absl::string_view key) {
  absl::MutexLock lock(&mutex_);
  int failures = failures_[key]++;
  Duration wait = base_;
  // Doubled step by step and stopped at the bound, so that no count of failures overflows.
  for (; failures > 0 && wait < max_; --failures) wait *= 2;
  return std::min(wait, max_);
}

void ItemExponentialFailureRateLimiter::Forget(absl::string_view key) {
  absl::MutexLock lock(&mutex_);
  failures_.erase(key);
}

int ItemExponentialFailureRateLimiter::NumRequeues(absl::string_view key) const {
  absl::MutexLock lock(&mutex_);
  const auto found = failures_.find(key);
  return found == failures_.end() ? 0 : found->second;
}

void TokenBucket::Refill(Time now) {
  if (filled_at_ != Time::min() && now > filled_at_) {
    const double seconds = std::chrono::duration<double>(now - filled_at_).count();
    tokens_ = std::min(burst_, tokens_ + seconds * per_second_);
  }
  filled_at_ = std::max(filled_at_, now);
}

Duration TokenBucket::Reserve(Time now) {
  Refill(now);
  tokens_ -= 1;
  if (tokens_ >= 0) return Duration::zero();
  return std::chrono::duration_cast<Duration>(
      std::chrono::duration<double>(-tokens_ / per_second_));
}

bool TokenBucket::TryTake(Time now) {
  Refill(now);
  // A token that was refilled for exactly as long as it takes may fall short by rounding.
  constexpr double kAlmostOne = 1 - 1e-9;
  if (tokens_ < kAlmostOne) return false;
  tokens_ -= 1;
  return true;
}

Duration BucketRateLimiter::When(absl::string_view) {
  absl::MutexLock lock(&mutex_);
  return bucket_.Reserve(clock_->Now());
}

Duration MaxOfRateLimiter::When(absl::string_view key) {
  Duration longest = Duration::zero();
  for (const auto& limiter : limiters_) longest = std::max(longest, limiter->When(key));
  return longest;
}

void MaxOfRateLimiter::Forget(absl::string_view key) {
  for (const auto& limiter : limiters_) limiter->Forget(key);
}

int MaxOfRateLimiter::NumRequeues(absl::string_view key) const {
  int most = 0;
  for (const auto& limiter : limiters_) most = std::max(most, limiter->NumRequeues(key));
  return most;
}

std::unique_ptr<RateLimiter> DefaultControllerRateLimiter(const Clock* clock) {
  std::vector<std::unique_ptr<RateLimiter>> limiters;
  limiters.push_back(std::make_unique<ItemExponentialFailureRateLimiter>(
      std::chrono::milliseconds(5), std::chrono::seconds(1000)));
  limiters.push_back(std::make_unique<BucketRateLimiter>(clock, 10, 100));
  return std::make_unique<MaxOfRateLimiter>(std::move(limiters));
}

}  // namespace fractos::kube
