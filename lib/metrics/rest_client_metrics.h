// What a process asks of the API server, as client-go counts it.
#ifndef FRACTOS_LIB_METRICS_REST_CLIENT_METRICS_H_
#define FRACTOS_LIB_METRICS_REST_CLIENT_METRICS_H_

#include <cstddef>

#include "absl/strings/string_view.h"
#include "lib/base/clock.h"
#include "lib/kube/rest_observer.h"
#include "prometheus/counter.h"
#include "prometheus/family.h"
#include "prometheus/histogram.h"
#include "prometheus/labels.h"
#include "prometheus/registry.h"

namespace fractos {

// rest_client_*, in a registry that outlives this, each with `labels` besides its own. Thread-safe.
class RestClientMetrics final : public kube::RestObserver {
 public:
  explicit RestClientMetrics(prometheus::Registry* registry, const prometheus::Labels& labels = {});

  void OnRequest(absl::string_view code, absl::string_view method, absl::string_view host) override;
  void OnRetry(absl::string_view code, absl::string_view verb, absl::string_view host) override;
  void OnDuration(absl::string_view verb, absl::string_view host, Duration took) override;
  void OnRateLimited(absl::string_view verb, absl::string_view host, Duration took) override;
  void OnRequestSize(absl::string_view verb, absl::string_view host, size_t bytes) override;
  void OnResponseSize(absl::string_view verb, absl::string_view host, size_t bytes) override;

 private:
  // A family finds what it has by its labels, so nothing is kept here.
  prometheus::Family<prometheus::Counter>& requests_;
  prometheus::Family<prometheus::Counter>& retries_;
  prometheus::Family<prometheus::Histogram>& durations_;
  prometheus::Family<prometheus::Histogram>& limited_;
  prometheus::Family<prometheus::Histogram>& request_bytes_;
  prometheus::Family<prometheus::Histogram>& response_bytes_;
};

}  // namespace fractos

#endif  // FRACTOS_LIB_METRICS_REST_CLIENT_METRICS_H_
