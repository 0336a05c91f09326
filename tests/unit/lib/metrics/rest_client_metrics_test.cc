#include "lib/metrics/rest_client_metrics.h"

#include <chrono>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "prometheus/text_serializer.h"

namespace fractos {
namespace {

using ::testing::HasSubstr;

// promise: O-05
TEST(RestClientMetricsTest, AreNamedAsThoseOfClientGo) {
  prometheus::Registry registry;
  RestClientMetrics metrics(&registry, {{"cluster", "lab/cnn"}});
  metrics.OnRequest("200", "GET", "api:443");
  metrics.OnRetry("503", "GET", "api:443");
  metrics.OnDuration("GET", "api:443", std::chrono::milliseconds(1));
  metrics.OnRateLimited("GET", "api:443", std::chrono::milliseconds(1));
  metrics.OnRequestSize("PUT", "api:443", 100);
  metrics.OnResponseSize("PUT", "api:443", 100);
  const std::string text = prometheus::TextSerializer().Serialize(registry.Collect());
  const std::string cluster = "{cluster=\"lab/cnn\",";
  const std::string got = cluster + "host=\"api:443\",verb=\"GET\"} 1";
  const std::string put = cluster + "host=\"api:443\",verb=\"PUT\"} 1";
  for (const std::string& line :
       {"rest_client_requests_total" + cluster + "code=\"200\",host=\"api:443\",method=\"GET\"} 1",
        "rest_client_request_retries_total" + cluster +
            "code=\"503\",host=\"api:443\",verb=\"GET\"} 1",
        "rest_client_request_duration_seconds_count" + got,
        "rest_client_rate_limiter_duration_seconds_count" + got,
        "rest_client_request_size_bytes_count" + put,
        "rest_client_response_size_bytes_count" + put}) {
    EXPECT_THAT(text, HasSubstr(line));
  }
}

}  // namespace
}  // namespace fractos
