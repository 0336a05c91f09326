// Sends spans to an OpenTelemetry collector: OTLP over HTTP, as JSON.
#ifndef FRACTOS_LIB_RUNTIME_OTLP_EXPORTER_H_
#define FRACTOS_LIB_RUNTIME_OTLP_EXPORTER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "lib/base/clock.h"
#include "lib/runtime/span.h"

namespace fractos {

// The body of POST /v1/traces. `resource` says who tells.
std::string OtlpTraces(const std::vector<std::pair<std::string, std::string>>& resource,
                       const std::vector<Span>& spans);

// Gathers spans for a moment and sends them together, on a thread of its own. What the queue has no
// room for, and what the collector does not take, is dropped and counted. A collector that cannot
// be reached, or says that it is busy, is asked five times, a second apart. Thread-safe.
class OtlpExporter final : public SpanSink {
 public:
  struct Options {
    std::string url;  // whole: http://host:port/path
    std::vector<std::pair<std::string, std::string>> resource;
    size_t max_queue = 8192;
    size_t max_batch = 512;
    Duration delay = std::chrono::milliseconds(500);
    Duration retry_delay = std::chrono::seconds(1);
    // Told, on the exporter's thread, why a batch was dropped; not again until one got through.
    std::function<void(const absl::Status&)> on_error;
  };

  // As the standard variables have it: the endpoint of traces as it stands, or else
  // OTEL_EXPORTER_OTLP_ENDPOINT, or `endpoint` in its place, with /v1/traces behind it. Null when
  // there is none: nobody traces. InvalidArgument names what is no http:// URL; TLS is a
  // collector's business. OTEL_SERVICE_NAME goes before `service`; `instance` tells processes of
  // one service apart.
  static absl::StatusOr<std::unique_ptr<OtlpExporter>> FromEnvironment(
      const std::string& service, const std::string& instance, const std::string& endpoint,
      std::function<void(const absl::Status&)> on_error);

  explicit OtlpExporter(Options options);
  // Sends what is queued, without trying again: a second or two, if the collector hangs.
  ~OtlpExporter() override;
  OtlpExporter(const OtlpExporter&) = delete;
  OtlpExporter& operator=(const OtlpExporter&) = delete;

  void Export(Span span) override;

  struct Stats {
    uint64_t exported = 0;
    uint64_t dropped = 0;
  };
  Stats stats() const;

 private:
  class Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace fractos

#endif  // FRACTOS_LIB_RUNTIME_OTLP_EXPORTER_H_
