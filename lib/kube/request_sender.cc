#include "lib/kube/request_sender.h"

#include <algorithm>
#include <chrono>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "lib/kube/errors.h"

namespace fractos::kube {
namespace {

// A Status of failure is small; a proxy's page may not be.
constexpr size_t kMaxErrorBytes = 1 << 20;

// Keeps the transport that an answer comes from: when it has been replaced, the end of its last
// answer is its end.
class KeptResponse final : public HttpResponse {
 public:
  KeptResponse(std::shared_ptr<HttpTransport> transport, std::unique_ptr<HttpResponse> response)
      : transport_(std::move(transport)), response_(std::move(response)) {}

  int status() const override { return response_->status(); }
  std::string header(absl::string_view name) const override { return response_->header(name); }
  absl::StatusOr<std::string> Read(const Context& context) override {
    return response_->Read(context);
  }
  void Close() override { response_->Close(); }

 private:
  const std::shared_ptr<HttpTransport> transport_;
  const std::unique_ptr<HttpResponse> response_;
};

std::string PercentEncode(absl::string_view text, absl::string_view unreserved) {
  std::string encoded;
  for (const char c : text) {
    if (absl::ascii_isalnum(static_cast<unsigned char>(c)) || absl::StrContains(unreserved, c)) {
      encoded.push_back(c);
    } else {
      absl::StrAppend(&encoded, "%",
                      absl::AsciiStrToUpper(
                          absl::StrCat(absl::Hex(static_cast<unsigned char>(c), absl::kZeroPad2))));
    }
  }
  return encoded;
}

RestObserver* Nobody() {
  static RestObserver* const kNobody = new RestObserver();
  return kNobody;
}

bool IsWatch(const ApiRequest& request) { return request.lane == Lane::kWatch; }

std::optional<Duration> RetryAfterHeader(const HttpResponse& response) {
  int64_t seconds = 0;
  // A date, which HTTP allows, is not what API servers send.
  if (!absl::SimpleAtoi(response.header("Retry-After"), &seconds) || seconds < 0) {
    return std::nullopt;
  }
  constexpr int64_t kDay = 24 * 60 * 60;
  return std::chrono::seconds(std::min(seconds, kDay));
}

// What closed an answer, if it was not the caller, was an exchange of certificates.
absl::Status Explain(const absl::Status& status, const Context& context) {
  if (absl::IsCancelled(status) && !context.stop.stop_requested()) {
    return MakeError(TransportFailure::kConnectionLost, "the connection was given up");
  }
  return status;
}

}  // namespace

absl::StatusOr<std::string> PathSegment(absl::string_view text, absl::string_view what) {
  if (text.empty() || text == "." || text == ".." || absl::StrContains(text, '/') ||
      absl::StrContains(text, '%')) {
    return absl::InvalidArgumentError(absl::StrCat(what, " \"", text, "\" is no part of a path"));
  }
  return PercentEncode(text, "-._~!$&'()*+,;=:@");
}

std::string QueryEscape(absl::string_view text) { return PercentEncode(text, "-._~"); }

RequestSender::RequestSender(RestConfig config, ServerAddress address,
                             std::unique_ptr<CredentialSource> credentials,
                             TransportFactory factory, WaitableClock* clock,
                             const RestOptions& options)
    : config_(std::move(config)),
      address_(std::move(address)),
      host_(address_.Authority()),
      credentials_(std::move(credentials)),
      transports_(config_, std::move(factory), clock),
      clock_(clock),
      options_(options),
      observer_(options.observer == nullptr ? Nobody() : options.observer) {
  if (options.qps > 0) bucket_.emplace(options.qps, std::max(options.burst, 1.0));
}

absl::Status RequestSender::Pace(const Context& context, const ApiRequest& request) {
  Duration wait{0};
  {
    absl::MutexLock lock(&mutex_);
    if (!bucket_.has_value() || IsWatch(request)) return absl::OkStatus();
    wait = bucket_->Reserve(clock_->Now());
  }
  observer_->OnRateLimited(request.method, host_, wait);
  if (wait <= Duration(0)) return absl::OkStatus();
  if (Later(clock_->Now(), wait) >= context.deadline) {
    return absl::DeadlineExceededError("so many requests wait that this one would be too late");
  }
  if (!SleepFor(*clock_, wait, context.stop)) return absl::CancelledError("stopped");
  return absl::OkStatus();
}

absl::StatusOr<HttpRequest> RequestSender::Prepare(const ApiRequest& request,
                                                   const Credential& credential) const {
  HttpRequest http{.method = request.method,
                   .target = address_.path + request.path,
                   .body = request.body,
                   .lane = request.lane};
  char separator = absl::StrContains(request.path, '?') ? '&' : '?';
  for (const auto& [key, value] : request.query) {
    http.target.push_back(separator);
    absl::StrAppend(&http.target, key, "=", QueryEscape(value));
    separator = '&';
  }
  http.headers = {{"Accept", "application/json"}, {"User-Agent", config_.user_agent}};
  if (!request.content_type.empty()) {
    http.headers.emplace_back("Content-Type", request.content_type);
  }
  // Not in the clear: whoever listens could use it.
  if (!credential.token.empty() || !config_.username.empty()) {
    if (!address_.tls && address_.host != "localhost" && address_.host != "127.0.0.1" &&
        address_.host != "::1") {
      return absl::InvalidArgumentError("credentials are not sent over http to another machine");
    }
  }
  if (!credential.token.empty()) {
    http.headers.emplace_back("Authorization", "Bearer " + credential.token);
  } else if (!config_.username.empty()) {
    http.headers.emplace_back(
        "Authorization",
        "Basic " + absl::Base64Escape(absl::StrCat(config_.username, ":", config_.password)));
  }
  const Impersonation& as = config_.impersonate;
  if (!as.user.empty()) http.headers.emplace_back("Impersonate-User", as.user);
  if (!as.uid.empty()) http.headers.emplace_back("Impersonate-Uid", as.uid);
  for (const std::string& group : as.groups) {
    http.headers.emplace_back("Impersonate-Group", group);
  }
  for (const auto& [key, values] : as.extra) {
    const std::string name =
        absl::StrCat("Impersonate-Extra-", PercentEncode(key, "!#$&'*+-.^_`|~"));
    for (const std::string& value : values) http.headers.emplace_back(name, value);
  }
  return http;
}

void RequestSender::Warn(const std::string& text) {
  if (options_.on_warning == nullptr) return;
  {
    absl::MutexLock lock(&mutex_);
    if (warnings_.size() >= kMaxWarnings || !warnings_.insert(text).second) return;
  }
  options_.on_warning(text);
}

RequestSender::Try RequestSender::TryOnce(const Context& context, const ApiRequest& request,
                                          bool again) {
  const auto failed = [](absl::Status status) { return Try{status, status, std::nullopt}; };
  absl::StatusOr<std::shared_ptr<const Credential>> credential = credentials_->Get(context);
  if (!credential.ok()) return failed(WithContext(credential.status(), "credentials"));
  absl::StatusOr<std::shared_ptr<HttpTransport>> transport = transports_.Get(*credential);
  if (!transport.ok()) return failed(transport.status());
  const absl::StatusOr<HttpRequest> http = Prepare(request, **credential);
  if (!http.ok()) return failed(http.status());

  absl::StatusOr<std::unique_ptr<HttpResponse>> response = (*transport)->Send(context, *http);
  const std::string code = response.ok() ? absl::StrCat((*response)->status()) : "<error>";
  observer_->OnRequest(code, request.method, host_);
  if (again) observer_->OnRetry(code, request.method, host_);
  observer_->OnRequestSize(request.method, host_, request.body.size());
  if (!response.ok()) {
    Try result = failed(Explain(response.status(), context));
    const std::optional<TransportFailure> failure = GetTransportFailure(result.failure);
    if ((request.method == "GET" && failure == TransportFailure::kConnectionLost) ||
        (IsWatch(request) && failure == TransportFailure::kTimeout)) {
      result.retry_after = std::chrono::seconds(1);
    }
    return result;
  }
  if (const std::string warning = (*response)->header("Warning"); !warning.empty()) {
    Warn(warning);
  }
  const int status = (*response)->status();
  if (status >= 200 && status <= 206) {
    return Try{std::make_unique<KeptResponse>(*std::move(transport), *std::move(response)),
               absl::OkStatus(), std::nullopt};
  }
  if (status == 401) credentials_->Rejected(*credential);
  const std::optional<Duration> header = RetryAfterHeader(**response);
  // What cannot be read of it only makes the message poorer.
  const absl::StatusOr<std::string> body = ReadBody(context, **response, kMaxErrorBytes);
  ApiStatus decoded = DecodeStatus(status, request.method, body.value_or(""));
  if (header.has_value()) decoded.retry_after = std::max(decoded.retry_after, *header);
  Try result = failed(MakeError(decoded));
  if (status == 429 || status >= 500) result.retry_after = header;
  return result;
}

absl::Status RequestSender::AwaitRetry(const Context& context, std::optional<Duration> wait,
                                       int& retries, const absl::Status& failure) {
  if (!wait.has_value() || retries >= kMaxRetries) return failure;
  if (Later(clock_->Now(), *wait) >= context.deadline) return failure;
  if (!SleepFor(*clock_, *wait, context.stop)) {
    return absl::CancelledError(absl::StrCat("stopped; before that: ", failure.message()));
  }
  ++retries;
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<HttpResponse>> RequestSender::OpenWithRetries(
    const Context& context, const ApiRequest& request, int& retries) {
  for (;;) {
    if (absl::Status paced = Pace(context, request); !paced.ok()) return paced;
    Try result = TryOnce(context, request, retries > 0);
    if (result.failure.ok()) return std::move(result.response);
    if (absl::Status over = AwaitRetry(context, result.retry_after, retries, result.failure);
        !over.ok()) {
      return over;
    }
  }
}

absl::StatusOr<std::unique_ptr<HttpResponse>> RequestSender::Open(const Context& context,
                                                                  const ApiRequest& request) {
  int retries = 0;
  return OpenWithRetries(context, request, retries);
}

absl::StatusOr<std::string> RequestSender::Ask(const Context& context, const ApiRequest& request) {
  const Time start = clock_->Now();
  int retries = 0;
  absl::StatusOr<std::unique_ptr<HttpResponse>> response =
      OpenWithRetries(context, request, retries);
  absl::StatusOr<std::string> body;
  if (!response.ok()) {
    body = response.status();
  } else {
    body = ReadBody(context, **response, options_.max_response_bytes);
    if (!body.ok()) body = Explain(body.status(), context);
  }
  observer_->OnDuration(request.method, host_, clock_->Now() - start);
  if (body.ok()) observer_->OnResponseSize(request.method, host_, body->size());
  return body;
}

}  // namespace fractos::kube
