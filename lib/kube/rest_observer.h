// Who counts what a RestClient does. What each call is for: the metrics of client-go that
// dashboards know.
#ifndef FRACTOS_LIB_KUBE_REST_OBSERVER_H_
#define FRACTOS_LIB_KUBE_REST_OBSERVER_H_

#include <cstddef>

#include "absl/strings/string_view.h"
#include "lib/base/clock.h"

namespace fractos::kube {

// Called on the thread that asks. Implementations are thread-safe and do not block. `method` is
// GET, POST and so on, `host` the server's "host:port"; both are of few values.
class RestObserver {
 public:
  virtual ~RestObserver() = default;
  // rest_client_requests_total{code,method,host}: every try. `code` is that of HTTP, or "<error>"
  // when there was no answer.
  virtual void OnRequest(absl::string_view, absl::string_view, absl::string_view) {}
  // rest_client_request_retries_total{code,verb,host}: every try after the first.
  virtual void OnRetry(absl::string_view, absl::string_view, absl::string_view) {}
  // rest_client_request_duration_seconds{verb,host}: tries and waits together; no watches.
  virtual void OnDuration(absl::string_view, absl::string_view, Duration) {}
  // rest_client_rate_limiter_duration_seconds{verb,host}.
  virtual void OnRateLimited(absl::string_view, absl::string_view, Duration) {}
  // rest_client_request_size_bytes{verb,host} and rest_client_response_size_bytes{verb,host}.
  virtual void OnRequestSize(absl::string_view, absl::string_view, size_t) {}
  virtual void OnResponseSize(absl::string_view, absl::string_view, size_t) {}
};

}  // namespace fractos::kube

#endif  // FRACTOS_LIB_KUBE_REST_OBSERVER_H_
