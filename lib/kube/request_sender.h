// How a request gets to the API server: authenticated, paced, repeated where that is safe, counted.
#ifndef FRACTOS_LIB_KUBE_REQUEST_SENDER_H_
#define FRACTOS_LIB_KUBE_REQUEST_SENDER_H_

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "lib/kube/config.h"
#include "lib/kube/context.h"
#include "lib/kube/credentials.h"
#include "lib/kube/object.h"
#include "lib/kube/rate_limiter.h"
#include "lib/kube/rest_observer.h"
#include "lib/kube/transport.h"
#include "lib/kube/transport_holder.h"
#include "lib/kube/waitable_clock.h"

namespace fractos::kube {

struct RestOptions {
  // Requests per second, and how many may come at once; watches do not count. 0: unlimited, which
  // leaves it to the server's priority and fairness.
  double qps = 0;
  double burst = 0;
  size_t max_response_bytes = 512 * 1024 * 1024;
  RestObserver* observer = nullptr;
  // Told what the server warns of, such as a version that is deprecated: the text of its Warning
  // header, each once, on the thread that asks. May be empty.
  std::function<void(absl::string_view text)> on_warning = {};
};

struct ApiRequest {
  std::string method;
  std::string path;  // percent-encoded, without the server's prefix
  std::vector<std::pair<std::string, std::string>> query = {};
  std::string content_type = {};
  std::string body = {};
  Lane lane = Lane::kRest;
};

// Thread-safe.
//
// A try that was answered with 429 or 5xx and a Retry-After in seconds is made again after that
// time, ten times at most; so is, after a second, a GET whose connection broke or was closed, and a
// watch that timed out before it began. A write is never made again when there was no answer: it
// may have happened. When the wait would outlast the context's deadline the server's answer is
// returned at once, since it says more than "deadline exceeded". An answer of 401 makes the
// credential be fetched again for the next request, not for this one. Source: client-go
// rest/with_retry.go.
class RequestSender {
 public:
  static constexpr int kMaxRetries = 10;
  // Different warnings that are told; more are not.
  static constexpr size_t kMaxWarnings = 1000;

  // `clock` and `options.observer` outlive it.
  RequestSender(RestConfig config, ServerAddress address,
                std::unique_ptr<CredentialSource> credentials, TransportFactory factory,
                WaitableClock* clock, const RestOptions& options);

  // The body of an answer of 2xx. Errors are those of errors.h.
  absl::StatusOr<std::string> Ask(const Context& context, const ApiRequest& request);
  // The same, with the body still to be read.
  absl::StatusOr<std::unique_ptr<HttpResponse>> Open(const Context& context,
                                                     const ApiRequest& request);

  const Clock& clock() const { return *clock_; }

 private:
  struct Try {
    absl::StatusOr<std::unique_ptr<HttpResponse>> response;
    // Of an answer that is no 2xx.
    absl::Status failure;
    // Set: worth another try, so much later.
    std::optional<Duration> retry_after;
  };

  absl::Status Pace(const Context& context, const ApiRequest& request);
  absl::StatusOr<HttpRequest> Prepare(const ApiRequest& request,
                                      const Credential& credential) const;
  void Warn(const std::string& text);
  Try TryOnce(const Context& context, const ApiRequest& request, bool again);
  absl::StatusOr<std::unique_ptr<HttpResponse>> OpenWithRetries(const Context& context,
                                                                const ApiRequest& request,
                                                                int& retries);
  // Waits before a try that is worth it; an error when there is to be none.
  absl::Status AwaitRetry(const Context& context, std::optional<Duration> wait, int& retries,
                          const absl::Status& failure);

  const RestConfig config_;
  const ServerAddress address_;
  const std::string host_;
  const std::unique_ptr<CredentialSource> credentials_;
  TransportHolder transports_;
  WaitableClock* const clock_;
  const RestOptions options_;
  RestObserver* const observer_;  // never null
  absl::Mutex mutex_;
  std::optional<TokenBucket> bucket_ ABSL_GUARDED_BY(mutex_);
  std::set<std::string> warnings_ ABSL_GUARDED_BY(mutex_);  // that were told
};

// One segment of a path, percent-encoded. InvalidArgument for what would mean another path: empty,
// ".", "..", or with a slash or a percent sign (apimachinery's IsValidPathSegmentName).
absl::StatusOr<std::string> PathSegment(absl::string_view text, absl::string_view what);
// Percent-encoded for a query.
std::string QueryEscape(absl::string_view text);

}  // namespace fractos::kube

#endif  // FRACTOS_LIB_KUBE_REQUEST_SENDER_H_
