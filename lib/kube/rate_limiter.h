// How long a key waits before it is tried again. Semantics: client-go util/workqueue
// default_rate_limiters.go.
#ifndef FRACTOS_LIB_KUBE_RATE_LIMITER_H_
#define FRACTOS_LIB_KUBE_RATE_LIMITER_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "lib/base/clock.h"

namespace fractos::kube {

// Thread-safe.
class RateLimiter {
 public:
  virtual ~RateLimiter() = default;
  // How long `key` waits now; counts as one more failure of it.
  virtual Duration When(absl::string_view key) = 0;
  // The failures of `key` are over, well or not: it starts afresh, and nothing is kept for it.
  virtual void Forget(absl::string_view key) = 0;
  // How often `key` has failed since it was forgotten.
  virtual int NumRequeues(absl::string_view key) const = 0;
};

// base * 2^failures of the key, at most `max`.
class ItemExponentialFailureRateLimiter final : public RateLimiter {
 public:
  ItemExponentialFailureRateLimiter(Duration base, Duration max) : base_(base), max_(max) {}

  Duration When(absl::string_view key) override;
  void Forget(absl::string_view key) override;
  int NumRequeues(absl::string_view key) const override;

 private:
  const Duration base_;
  const Duration max_;
  mutable absl::Mutex mutex_;
  absl::flat_hash_map<std::string, int> failures_ ABSL_GUARDED_BY(mutex_);
};

// A bucket of tokens, full at first, refilled steadily. Not thread-safe: owners lock.
class TokenBucket {
 public:
  // `per_second` > 0.
  TokenBucket(double per_second, double burst)
      : per_second_(per_second), burst_(burst), tokens_(burst) {}

  // Takes a token, on credit if need be, and says how long until it is there.
  Duration Reserve(Time now);
  // Takes a token if there is one.
  bool TryTake(Time now);

 private:
  void Refill(Time now);

  double per_second_;
  double burst_;
  double tokens_;
  Time filled_at_ = Time::min();
};

// One bucket for all keys.
class BucketRateLimiter final : public RateLimiter {
 public:
  // `clock` outlives the limiter.
  BucketRateLimiter(const Clock* clock, double per_second, double burst)
      : clock_(clock), bucket_(per_second, burst) {}

  Duration When(absl::string_view key) override;
  void Forget(absl::string_view) override {}
  int NumRequeues(absl::string_view) const override { return 0; }

 private:
  const Clock* const clock_;
  absl::Mutex mutex_;
  TokenBucket bucket_ ABSL_GUARDED_BY(mutex_);
};

// The longest wait that any of several limiters asks for; each counts every failure.
class MaxOfRateLimiter final : public RateLimiter {
 public:
  explicit MaxOfRateLimiter(std::vector<std::unique_ptr<RateLimiter>> limiters)
      : limiters_(std::move(limiters)) {}

  Duration When(absl::string_view key) override;
  void Forget(absl::string_view key) override;
  int NumRequeues(absl::string_view key) const override;

 private:
  const std::vector<std::unique_ptr<RateLimiter>> limiters_;
};

// What controllers use: 5 ms doubling to 1000 s for each key, and at least what a bucket of 100
// tokens, refilled with 10 a second, asks for over all keys. `clock` outlives it.
std::unique_ptr<RateLimiter> DefaultControllerRateLimiter(const Clock* clock);

}  // namespace fractos::kube

#endif  // FRACTOS_LIB_KUBE_RATE_LIMITER_H_
