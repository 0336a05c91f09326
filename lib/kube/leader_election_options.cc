#include "lib/kube/leader_election_options.h"

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "lib/base/ids.h"

namespace fractos::kube {
namespace {

using std::chrono::seconds;

std::string Text(Duration duration) { return absl::FormatDuration(absl::FromChrono(duration)); }

}  // namespace

absl::Status Validate(const LeaderElectionOptions& options) {
  const auto wrong = [](absl::string_view what) { return absl::InvalidArgumentError(what); };
  const Duration lease = options.lease_duration;
  const Duration renew = options.renew_deadline;
  const Duration retry = options.retry_period;
  if (options.lock.ns.empty() || options.lock.name.empty()) {
    return wrong("the Lease has no name or no namespace");
  }
  if (options.lock.identity.empty()) return wrong("identity is empty");
  if (retry <= Duration::zero()) return wrong("retryPeriod is not above 0");
  if (lease < seconds(1) || lease % seconds(1) != Duration::zero()) {
    return wrong(absl::StrCat("leaseDuration is ", Text(lease),
                              ": it must be a whole number of seconds, and at least one"));
  }
  if (std::chrono::duration<double>(renew) <= retry * kElectionJitter) {
    return wrong(absl::StrCat("renewDeadline is ", Text(renew),
                              ": it must be more than 1.2 times retryPeriod, which is ",
                              Text(retry)));
  }
  if (lease < renew + retry + kLeaseMargin) {
    return wrong(absl::StrCat("leaseDuration is ", Text(lease), ": it must be at least ",
                              Text(renew + retry + kLeaseMargin),
                              ", renewDeadline, retryPeriod and ", Text(kLeaseMargin),
                              ", or others could lead before this one has noticed"));
  }
  if (!options.callbacks.on_started_leading || !options.callbacks.on_stopped_leading) {
    return wrong("a callback is missing");
  }
  return absl::OkStatus();
}

std::string UniqueIdentity(absl::string_view hostname, Random& random) {
  return absl::StrCat(hostname, "_", random.NewId<Id128<struct IdentityTag>>().ToHex());
}

}  // namespace fractos::kube
