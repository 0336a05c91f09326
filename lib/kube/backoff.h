// Waits that grow from try to try. Semantics: wait.Backoff of apimachinery, and client-go's
// DelayWithReset.
#ifndef FRACTOS_LIB_KUBE_BACKOFF_H_
#define FRACTOS_LIB_KUBE_BACKOFF_H_

#include <algorithm>
#include <chrono>

#include "lib/base/clock.h"
#include "lib/base/random.h"

namespace fractos::kube {

// `duration` plus up to `factor` times as much.
inline Duration Jitter(Duration duration, double factor, Random* random) {
  const double chance = static_cast<double>(random->Next() >> 11) * 0x1p-53;  // in [0, 1)
  return duration + std::chrono::duration_cast<Duration>(duration * (chance * factor));
}

struct BackoffOptions {
  Duration initial{};
  double factor = 1;
  // A wait is up to this share longer than it would be.
  double jitter = 0;
  // Waits, before jitter, grow no further than this; 0: without bound.
  Duration cap{};
  // When the last wait began longer ago than this, the next one is the initial one again; 0: never.
  Duration reset_after{};
};

// Not thread-safe.
class Backoff {
 public:
  // `random` outlives it.
  Backoff(BackoffOptions options, Random* random)
      : options_(options), random_(random), next_(options.initial) {}

  // How long to wait now.
  Duration Next(Time now) {
    if (options_.reset_after > Duration::zero() && now - last_ > options_.reset_after) Reset();
    last_ = now;
    const Duration wait = next_;
    next_ = std::chrono::duration_cast<Duration>(next_ * options_.factor);
    if (options_.cap > Duration::zero()) next_ = std::min(next_, options_.cap);
    return Jitter(wait, options_.jitter, random_);
  }
  void Reset() { next_ = options_.initial; }

 private:
  const BackoffOptions options_;
  Random* const random_;
  Duration next_;
  Time last_{};
};

}  // namespace fractos::kube

#endif  // FRACTOS_LIB_KUBE_BACKOFF_H_
