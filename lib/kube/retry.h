// Read, change, write, and again when somebody else wrote in between. Semantics: client-go
// util/retry.
#ifndef FRACTOS_LIB_KUBE_RETRY_H_
#define FRACTOS_LIB_KUBE_RETRY_H_

#include <functional>
#include <stop_token>

#include "absl/status/status.h"
#include "lib/base/random.h"
#include "lib/kube/backoff.h"
#include "lib/kube/waitable_clock.h"

namespace fractos::kube {

struct RetryOptions {
  int steps = 5;  // tries in all
  BackoffOptions backoff{.initial = std::chrono::milliseconds(10), .jitter = 0.1};
};

// For whoever writes often what others write, too.
inline constexpr RetryOptions kDefaultRetry{};
// For whoever changes what a controller is busy with, which may take a while.
inline constexpr RetryOptions kDefaultBackoff{
    .steps = 4, .backoff = {.initial = std::chrono::milliseconds(10), .factor = 5, .jitter = 0.1}};

// Calls `attempt` until it returns anything but a Conflict of the API server, at most
// `options.steps` times, and returns what it returned last. `attempt` has to read the object anew
// each time, and to return the write's error as it is. Cancelled when stopped between two tries.
absl::Status RetryOnConflict(WaitableClock& clock, Random& random, const std::stop_token& stop,
                             const std::function<absl::Status()>& attempt,
                             const RetryOptions& options = kDefaultRetry);

}  // namespace fractos::kube

#endif  // FRACTOS_LIB_KUBE_RETRY_H_
