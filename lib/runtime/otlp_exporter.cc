#include "lib/runtime/otlp_exporter.h"

#include <httplib.h>

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "nlohmann/json.hpp"

namespace fractos {
namespace {

using Json = nlohmann::ordered_json;

constexpr char kScheme[] = "http://";
constexpr char kEndpoint[] = "OTEL_EXPORTER_OTLP_ENDPOINT";
constexpr char kTracesEndpoint[] = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
constexpr char kServiceName[] = "OTEL_SERVICE_NAME";
constexpr int kTries = 5;
constexpr time_t kTimeoutSeconds = 1;
constexpr int kErrorCode = 2;  // STATUS_CODE_ERROR

Json Attribute(const Span::Attribute& attribute) {
  Json value;
  if (const auto* text = std::get_if<std::string>(&attribute.second)) {
    value = {{"stringValue", *text}};
  } else {
    // 64 bits are text in protobuf's JSON.
    value = {{"intValue", absl::StrCat(std::get<int64_t>(attribute.second))}};
  }
  return {{"key", attribute.first}, {"value", std::move(value)}};
}

std::string Nanoseconds(int64_t us) { return absl::StrCat(us * 1000); }

Json ToJson(const Span& span) {
  Json json = {{"traceId", span.trace.ToHex()},
               {"spanId", SpanIdToHex(span.id)},
               {"name", span.name},
               {"kind", static_cast<int>(span.kind)},
               {"startTimeUnixNano", Nanoseconds(span.start_us)},
               {"endTimeUnixNano", Nanoseconds(std::max(span.start_us, span.end_us))}};
  if (span.parent != 0) json["parentSpanId"] = SpanIdToHex(span.parent);
  for (const Span::Attribute& each : span.attributes) json["attributes"].push_back(Attribute(each));
  for (const auto& [name, us] : span.events) {
    json["events"].push_back({{"timeUnixNano", Nanoseconds(us)}, {"name", name}});
  }
  for (const SpanId link : span.links) {
    json["links"].push_back({{"traceId", span.trace.ToHex()}, {"spanId", SpanIdToHex(link)}});
  }
  if (span.failed) json["status"] = {{"code", kErrorCode}, {"message", span.message}};
  return json;
}

std::string Environment(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// Those that the protocol says to try again.
bool IsBusy(int status) { return status == 429 || status == 502 || status == 503 || status == 504; }

}  // namespace

std::string OtlpTraces(const std::vector<std::pair<std::string, std::string>>& resource,
                       const std::vector<Span>& spans) {
  Json attributes = Json::array();
  for (const auto& [key, value] : resource) attributes.push_back(Attribute({key, value}));
  Json list = Json::array();
  for (const Span& span : spans) list.push_back(ToJson(span));
  const Json scope = {{"name", "fractos"}, {"version", FRACTOS_VERSION}};
  const Json scope_spans = Json::array({{{"scope", scope}, {"spans", std::move(list)}}});
  const Json traces = {{"resourceSpans", Json::array({{{"resource", {{"attributes", attributes}}},
                                                       {"scopeSpans", scope_spans}}})}};
  return traces.dump(-1, ' ', false, Json::error_handler_t::replace);
}

class OtlpExporter::Impl {
 public:
  explicit Impl(Options options)
      : options_(std::move(options)),
        slash_(options_.url.find('/', sizeof(kScheme) - 1)),
        client_(options_.url.substr(0, slash_)) {
    client_.set_connection_timeout(kTimeoutSeconds);
    client_.set_read_timeout(kTimeoutSeconds);
    client_.set_write_timeout(kTimeoutSeconds);
    client_.set_keep_alive(true);
    thread_ = std::thread([this] { SendBatches(); });
  }

  ~Impl() {
    {
      const absl::MutexLock lock(&mutex_);
      stopping_ = true;
    }
    thread_.join();
  }

  void Export(Span span) {
    const absl::MutexLock lock(&mutex_);
    if (queue_.size() >= options_.max_queue) {
      ++stats_.dropped;
    } else {
      queue_.push_back(std::move(span));
    }
  }

  Stats stats() const {
    const absl::MutexLock lock(&mutex_);
    return stats_;
  }

 private:
  bool StoppingLocked() const ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return stopping_; }
  bool FullLocked() const ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return stopping_ || queue_.size() >= options_.max_batch;
  }
  bool AnyLocked() const ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return stopping_ || !queue_.empty(); }

  void SendBatches() {
    while (true) {
      std::vector<Span> batch;
      {
        const absl::MutexLock lock(&mutex_);
        mutex_.Await(absl::Condition(this, &Impl::AnyLocked));
        mutex_.AwaitWithTimeout(absl::Condition(this, &Impl::FullLocked),
                                absl::FromChrono(options_.delay));
        if (queue_.empty()) return;
        const auto end = queue_.begin() +
                         static_cast<std::ptrdiff_t>(std::min(queue_.size(), options_.max_batch));
        batch.assign(std::make_move_iterator(queue_.begin()), std::make_move_iterator(end));
        queue_.erase(queue_.begin(), end);
      }
      const absl::Status sent = Send(OtlpTraces(options_.resource, batch));
      {
        const absl::MutexLock lock(&mutex_);
        (sent.ok() ? stats_.exported : stats_.dropped) += batch.size();
      }
      if (!sent.ok() && works_ && options_.on_error != nullptr) options_.on_error(sent);
      works_ = sent.ok();
    }
  }

  absl::Status Send(const std::string& body) {
    const std::string path = slash_ == std::string::npos ? "/" : options_.url.substr(slash_);
    for (int tries = 1;; ++tries) {
      const httplib::Result result = client_.Post(path, body, "application/json");
      if (result && result->status / 100 == 2) return absl::OkStatus();
      const std::string why = result ? absl::StrCat("answered ", result->status, ": ", result->body)
                              : result.error() == httplib::Error::Connection
                                  ? "nobody listens there"
                                  : httplib::to_string(result.error());
      if ((result && !IsBusy(result->status)) || tries == kTries || !WaitToRetry()) {
        return absl::UnavailableError(absl::StrCat("spans not sent to ", options_.url, ": ", why));
      }
    }
  }

  // False when nothing is to be tried again.
  bool WaitToRetry() {
    const absl::MutexLock lock(&mutex_);
    return !mutex_.AwaitWithTimeout(absl::Condition(this, &Impl::StoppingLocked),
                                    absl::FromChrono(options_.retry_delay));
  }

  const Options options_;
  const size_t slash_;      // where the path of the URL begins
  httplib::Client client_;  // of the thread below
  bool works_ = true;       // likewise

  mutable absl::Mutex mutex_;
  std::deque<Span> queue_ ABSL_GUARDED_BY(mutex_);
  Stats stats_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

absl::StatusOr<std::unique_ptr<OtlpExporter>> OtlpExporter::FromEnvironment(
    const std::string& service, const std::string& instance, const std::string& endpoint,
    std::function<void(const absl::Status&)> on_error) {
  std::string named = kTracesEndpoint;
  std::string url = Environment(kTracesEndpoint);
  const bool whole = endpoint.empty() && !url.empty();
  if (!whole) {
    named = endpoint.empty() ? kEndpoint : "the OTLP endpoint";
    url = endpoint.empty() ? Environment(kEndpoint) : endpoint;
    if (url.empty()) return nullptr;
  }
  constexpr size_t kHost = sizeof(kScheme) - 1;
  if (!absl::StartsWith(url, kScheme) || url.size() == kHost || url[kHost] == '/') {
    return absl::InvalidArgumentError(
        absl::StrCat(named, ": ", url,
                     " is no http://HOST:PORT; a collector near by takes spans there, and may send "
                     "them on with TLS"));
  }
  Options options;
  options.url = whole ? url : absl::StrCat(absl::StripSuffix(url, "/"), "/v1/traces");
  std::string name = Environment(kServiceName);
  if (name.empty()) name = service;
  options.resource = {{"service.name", std::move(name)},
                      {"service.version", FRACTOS_VERSION},
                      {"service.instance.id", instance}};
  options.on_error = std::move(on_error);
  return std::make_unique<OtlpExporter>(std::move(options));
}

OtlpExporter::OtlpExporter(Options options) : impl_(std::make_unique<Impl>(std::move(options))) {}
OtlpExporter::~OtlpExporter() = default;
void OtlpExporter::Export(Span span) { impl_->Export(std::move(span)); }
OtlpExporter::Stats OtlpExporter::stats() const { return impl_->stats(); }

}  // namespace fractos
