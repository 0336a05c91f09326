#include "lib/kube/retry.h"

#include "lib/kube/errors.h"

namespace fractos::kube {

absl::Status RetryOnConflict(WaitableClock& clock, Random& random, const std::stop_token& stop,
                             const std::function<absl::Status()>& attempt,
                             const RetryOptions& options) {
  Backoff backoff(options.backoff, &random);
  for (int step = 1;; ++step) {
    absl::Status status = attempt();
    if (!kube::IsConflict(status) || step >= options.steps) return status;
    if (!SleepFor(clock, backoff.Next(clock.Now()), stop)) {
      return absl::CancelledError("stopped while a conflict was to be tried again");
    }
  }
}

}  // namespace fractos::kube
