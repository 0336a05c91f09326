#include "lib/metrics/rest_client_metrics.h"

#include <string>

#include "lib/base/seconds.h"

namespace fractos {
namespace {

using prometheus::Counter;
using prometheus::Family;
using prometheus::Histogram;
using Buckets = Histogram::BucketBoundaries;

// client-go's.
Buckets TimeBuckets() { return {.005, .025, .1, .25, .5, 1, 2, 4, 8, 15, 30, 60}; }
Buckets SizeBuckets() { return {64, 256, 512, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304}; }

Family<Counter>& Count(prometheus::Registry* registry, const prometheus::Labels& labels,
                       const char* name, const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Labels(labels).Register(*registry);
}

Family<Histogram>& Distribute(prometheus::Registry* registry, const prometheus::Labels& labels,
                              const char* name, const char* help) {
  return prometheus::BuildHistogram().Name(name).Help(help).Labels(labels).Register(*registry);
}

std::string Text(absl::string_view text) { return std::string(text); }

void Observe(Family<Histogram>& family, absl::string_view verb, absl::string_view host,
             const Buckets& buckets, double value) {
  family.Add({{"verb", Text(verb)}, {"host", Text(host)}}, buckets).Observe(value);
}

}  // namespace

RestClientMetrics::RestClientMetrics(prometheus::Registry* registry,
                                     const prometheus::Labels& labels)
    : requests_(Count(registry, labels, "rest_client_requests_total",
                      "Requests to the API server, by answer.")),
      retries_(
          Count(registry, labels, "rest_client_request_retries_total", "Requests sent again.")),
      durations_(Distribute(registry, labels, "rest_client_request_duration_seconds",
                            "How long such a request takes.")),
      limited_(Distribute(registry, labels, "rest_client_rate_limiter_duration_seconds",
                          "How long it is held back here.")),
      request_bytes_(
          Distribute(registry, labels, "rest_client_request_size_bytes", "How large it is.")),
      response_bytes_(Distribute(registry, labels, "rest_client_response_size_bytes",
                                 "How large its answer is.")) {}

void RestClientMetrics::OnRequest(absl::string_view code, absl::string_view method,
                                  absl::string_view host) {
  requests_.Add({{"code", Text(code)}, {"method", Text(method)}, {"host", Text(host)}}).Increment();
}

void RestClientMetrics::OnRetry(absl::string_view code, absl::string_view verb,
                                absl::string_view host) {
  retries_.Add({{"code", Text(code)}, {"verb", Text(verb)}, {"host", Text(host)}}).Increment();
}

void RestClientMetrics::OnDuration(absl::string_view verb, absl::string_view host, Duration took) {
  Observe(durations_, verb, host, TimeBuckets(), InSeconds(took));
}

void RestClientMetrics::OnRateLimited(absl::string_view verb, absl::string_view host,
                                      Duration took) {
  Observe(limited_, verb, host, TimeBuckets(), InSeconds(took));
}

void RestClientMetrics::OnRequestSize(absl::string_view verb, absl::string_view host,
                                      size_t bytes) {
  Observe(request_bytes_, verb, host, SizeBuckets(), static_cast<double>(bytes));
}

void RestClientMetrics::OnResponseSize(absl::string_view verb, absl::string_view host,
                                       size_t bytes) {
  Observe(response_bytes_, verb, host, SizeBuckets(), static_cast<double>(bytes));
}

}  // namespace fractos
