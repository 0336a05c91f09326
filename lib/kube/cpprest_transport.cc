#include "lib/kube/cpprest_transport.h"

#include <cpprest/http_client.h>
#include <cpprest/producerconsumerstream.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pplx/threadpool.h>

#include <cerrno>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "lib/kube/errors.h"
#include "lib/kube/tls_material.h"
#include "lib/kube/waitable_clock.h"

namespace fractos::kube {
namespace {

namespace http = web::http;
using Bytes = Concurrency::streams::details::basic_producer_consumer_buffer<uint8_t>;

struct Ending {
  absl::Status status;
  // The request did not leave, since its connection came out of the pool without ever having been
  // made: the library puts one there when it finds that it cannot repeat a write.
  bool unsent = false;
  // The connection was closed by the server while it was in the pool, and probably others with it.
  bool stale = false;
};

// The library tells what happened by its texts alone: of the error code it passes on a number
// without its category.
Ending EndingOf(const http::http_exception& exception) {
  const std::string what = exception.what();
  const int code = exception.error_code().value();
  const auto ssl_code = static_cast<unsigned int>(code);
  const auto says = [&what](absl::string_view text) { return absl::StrContains(what, text); };
  if (code == static_cast<int>(std::errc::timed_out)) {
    return {MakeError(TransportFailure::kTimeout, absl::StrCat("no sign of life: ", what))};
  }
  if (code == static_cast<int>(std::errc::operation_canceled)) {
    return {absl::CancelledError("closed")};
  }
  if (says("Failed to connect")) return {MakeError(TransportFailure::kConnectionRefused, what)};
  if (says("SSL handshake")) {
    constexpr int kAsioEof = 2, kStreamTruncated = 1;
    if (code == kAsioEof || code == kStreamTruncated || code == ECONNRESET || code == EPIPE) {
      return {MakeError(TransportFailure::kConnectionLost, what)};
    }
    const char* reason = ERR_reason_error_string(ssl_code);
    return {MakeError(TransportFailure::kOther,
                      absl::StrCat(what, ": ", reason == nullptr ? "unknown reason" : reason))};
  }
  if (says("Failed to write request headers") &&
      (code == EBADF || ERR_GET_REASON(ssl_code) == SSL_R_UNINITIALIZED)) {
    return {MakeError(TransportFailure::kConnectionLost, what), /*unsent=*/true};
  }
  if (says("cannot rewind")) {
    return {MakeError(TransportFailure::kConnectionLost,
                      "the server closed the connection before it answered"),
            /*unsent=*/false, /*stale=*/true};
  }
  if (says("Failed to write") || says("Failed to read") || says("Retrieving message chunk")) {
    return {MakeError(TransportFailure::kConnectionLost, what)};
  }
  return {MakeError(TransportFailure::kOther, what)};
}

// To be called in a handler.
Ending CurrentEnding() {
  try {
    throw;
  } catch (const http::http_exception& exception) {
    return EndingOf(exception);
  } catch (const pplx::task_canceled&) {
    return {absl::CancelledError("closed")};
  } catch (const std::exception& exception) {
    return {MakeError(TransportFailure::kOther, exception.what())};
  } catch (...) {
    return {MakeError(TransportFailure::kOther, "an exception of unknown type")};
  }
}

// One request and its answer: the library's threads put in what arrives, a caller takes it out.
// Thread-safe.
class Exchange {
 public:
  explicit Exchange(size_t buffer_bytes)
      : buffer_bytes_(buffer_bytes), alarm_(SystemWaitableClock().NewAlarm()) {}

  pplx::cancellation_token token() const { return cancel_.get_token(); }

  // The library's side. None of these blocks.
  void OnHead(int status, std::map<std::string, std::string> headers) {
    absl::MutexLock lock(&mutex_);
    status_ = status;
    headers_ = std::move(headers);
    alarm_->Ring();
  }

  // Completes when there is room for more.
  pplx::task<size_t> OnBytes(const uint8_t* bytes, size_t size) {
    absl::MutexLock lock(&mutex_);
    if (closed_) return pplx::task_from_result(size);
    bytes_.append(reinterpret_cast<const char*>(bytes), size);
    alarm_->Ring();
    if (bytes_.size() < buffer_bytes_) return pplx::task_from_result(size);
    room_.emplace();
    room_for_ = size;
    return pplx::task<size_t>(*room_);
  }

  void OnEnd(Ending ending) {
    absl::MutexLock lock(&mutex_);
    end_ = std::move(ending);
    alarm_->Ring();
  }

  // The caller's side.
  absl::Status AwaitHead(const Context& context) {
    return Await(context, [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return status_ != 0 || end_.has_value();
    });
  }

  absl::StatusOr<std::string> Read(const Context& context) {
    const absl::Status waited = Await(context, [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return !bytes_.empty() || end_.has_value();
    });
    if (!waited.ok()) return waited;
    std::string bytes;
    std::optional<pplx::task_completion_event<size_t>> room;
    size_t size = 0;
    {
      absl::MutexLock lock(&mutex_);
      if (bytes_.empty()) {
        if (!end_->status.ok()) return end_->status;
        return std::string();
      }
      bytes.swap(bytes_);
      room.swap(room_);
      size = room_for_;
    }
    if (room.has_value()) room->set(size);
    return bytes;
  }

  void Close() {
    std::optional<pplx::task_completion_event<size_t>> room;
    size_t size = 0;
    {
      absl::MutexLock lock(&mutex_);
      if (closed_) return;
      closed_ = true;
      room.swap(room_);
      size = room_for_;
      alarm_->Ring();
    }
    cancel_.cancel();  // closes the socket
    if (room.has_value()) room->set(size);
  }

  bool ended() const {
    absl::MutexLock lock(&mutex_);
    return end_.has_value();
  }
  // How it ended without a head.
  Ending end() const {
    absl::MutexLock lock(&mutex_);
    return end_.value_or(Ending{absl::CancelledError("closed")});
  }
  int status() const {
    absl::MutexLock lock(&mutex_);
    return status_;
  }
  std::string header(absl::string_view name) const {
    absl::MutexLock lock(&mutex_);
    const auto found = headers_.find(absl::AsciiStrToLower(name));
    return found == headers_.end() ? "" : found->second;
  }

 private:
  template <typename Ready>
  absl::Status Await(const Context& context, Ready ready) ABSL_LOCKS_EXCLUDED(mutex_) {
    const std::stop_callback wake(context.stop, [this] { alarm_->Ring(); });
    const SystemWaitableClock clock;
    for (;;) {
      {
        absl::MutexLock lock(&mutex_);
        if (closed_) return absl::CancelledError("closed");
        if (ready()) return absl::OkStatus();
      }
      if (context.stop.stop_requested()) return absl::CancelledError("stopped");
      if (clock.Now() >= context.deadline) return absl::DeadlineExceededError("no answer in time");
      alarm_->WaitUntil(context.deadline);
    }
  }

  const size_t buffer_bytes_;
  const std::unique_ptr<Alarm> alarm_;
  const pplx::cancellation_token_source cancel_;

  mutable absl::Mutex mutex_;
  int status_ ABSL_GUARDED_BY(mutex_) = 0;  // 0: no head yet
  std::map<std::string, std::string> headers_ ABSL_GUARDED_BY(mutex_);
  std::string bytes_ ABSL_GUARDED_BY(mutex_);
  std::optional<pplx::task_completion_event<size_t>> room_ ABSL_GUARDED_BY(mutex_);
  size_t room_for_ ABSL_GUARDED_BY(mutex_) = 0;
  std::optional<Ending> end_ ABSL_GUARDED_BY(mutex_);
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
};

// Where the library writes a body to.
class BodySink final : public Bytes {
 public:
  explicit BodySink(std::shared_ptr<Exchange> exchange)
      : Bytes(/*alloc_size=*/512), exchange_(std::move(exchange)) {}

 private:
  pplx::task<size_t> _putn(const uint8_t* bytes, size_t size) override {
    return exchange_->OnBytes(bytes, size);
  }
  pplx::task<size_t> _putn(const uint8_t* bytes, size_t size, bool) override {
    return exchange_->OnBytes(bytes, size);
  }
  pplx::task<int_type> _putc(uint8_t byte) override {
    return exchange_->OnBytes(&byte, 1).then([byte](size_t) { return int_type(byte); });
  }

  const std::shared_ptr<Exchange> exchange_;
};

// The library's client of one lane, with its pool of connections. Thread-safe.
class LaneClient {
 public:
  // Throws what http_client does.
  LaneClient(web::uri uri, http::client::http_client_config config)
      : uri_(std::move(uri)),
        config_(std::move(config)),
        client_(std::make_shared<http::client::http_client>(uri_, config_)) {}

  std::shared_ptr<http::client::http_client> Get() const {
    absl::MutexLock lock(&mutex_);
    return client_;
  }
  // Forgets the connections of `client`, save those in use, unless that has been done.
  void Renew(const std::shared_ptr<http::client::http_client>& client) {
    absl::MutexLock lock(&mutex_);
    if (client_ == client) client_ = std::make_shared<http::client::http_client>(uri_, config_);
  }

 private:
  const web::uri uri_;
  const http::client::http_client_config config_;
  mutable absl::Mutex mutex_;
  std::shared_ptr<http::client::http_client> client_ ABSL_GUARDED_BY(mutex_);
};

// The exchanges that the library works on.
class InFlight {
 public:
  void Add(const std::shared_ptr<Exchange>& exchange) {
    absl::MutexLock lock(&mutex_);
    exchanges_.insert(exchange);
  }
  void Remove(const std::shared_ptr<Exchange>& exchange) {
    absl::MutexLock lock(&mutex_);
    exchanges_.erase(exchange);
  }
  void CloseAll() {
    std::set<std::shared_ptr<Exchange>> exchanges;
    {
      absl::MutexLock lock(&mutex_);
      exchanges = exchanges_;
    }
    for (const std::shared_ptr<Exchange>& exchange : exchanges) exchange->Close();
  }
  void AwaitNone(absl::Duration timeout) {
    absl::MutexLock lock(&mutex_);
    const auto none = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return exchanges_.empty(); };
    mutex_.AwaitWithTimeout(absl::Condition(&none), timeout);
  }

 private:
  absl::Mutex mutex_;
  std::set<std::shared_ptr<Exchange>> exchanges_ ABSL_GUARDED_BY(mutex_);
};

class CpprestResponse final : public HttpResponse {
 public:
  explicit CpprestResponse(std::shared_ptr<Exchange> exchange) : exchange_(std::move(exchange)) {}
  ~CpprestResponse() override {
    // A connection whose answer has ended is back in the pool, and stays there.
    if (!exchange_->ended()) exchange_->Close();
  }

  int status() const override { return exchange_->status(); }
  std::string header(absl::string_view name) const override { return exchange_->header(name); }
  absl::StatusOr<std::string> Read(const Context& context) override {
    return exchange_->Read(context);
  }
  void Close() override { exchange_->Close(); }

 private:
  const std::shared_ptr<Exchange> exchange_;
};

bool IsHeader(absl::string_view text) {
  for (const char c : text) {
    if (absl::ascii_iscntrl(static_cast<unsigned char>(c)) && c != '\t') return false;
  }
  return true;
}

class CpprestTransport final : public HttpTransport {
 public:
  // Throws what http_client does.
  CpprestTransport(const TransportConfig& config, const CpprestOptions& options,
                   const std::shared_ptr<const TlsMaterial>& tls)
      : buffer_bytes_(options.buffer_bytes),
        authority_(absl::StrCat(
            absl::StrContains(config.host, ':') ? absl::StrCat("[", config.host, "]") : config.host,
            ":", config.port)),
        // With a proxy the library makes the TLS stream late and unseen, so it must set the name
        // itself, and it takes that from the Host header.
        host_header_(config.proxy_url.empty()     ? authority_
                     : config.server_name.empty() ? config.host
                                                  : config.server_name),
        rest_(BaseUri(config), ClientConfig(config, options.rest_idle, tls)),
        watch_(BaseUri(config), ClientConfig(config, options.watch_idle, tls)),
        lease_(BaseUri(config), ClientConfig(config, options.lease_idle, tls)) {}

  ~CpprestTransport() override {
    in_flight_->CloseAll();
    in_flight_->AwaitNone(absl::Seconds(5));
  }

  absl::StatusOr<std::unique_ptr<HttpResponse>> Send(const Context& context,
                                                     const HttpRequest& request) override {
    LaneClient& lane = LaneOf(request.lane);
    for (;;) {
      const auto exchange = std::make_shared<Exchange>(buffer_bytes_);
      const std::shared_ptr<http::client::http_client> client = lane.Get();
      in_flight_->Add(exchange);
      if (absl::Status started = Start(*client, exchange, request); !started.ok()) {
        in_flight_->Remove(exchange);
        return started;
      }
      auto response = std::make_unique<CpprestResponse>(exchange);
      if (absl::Status waited = exchange->AwaitHead(context); !waited.ok()) return waited;
      if (exchange->status() != 0) return response;
      const Ending ending = exchange->end();
      if (ending.stale) lane.Renew(client);
      // Each time one connection less is in the pool, so this ends.
      if (!ending.unsent) return ending.status;
    }
  }

  void CloseAll() override { in_flight_->CloseAll(); }

 private:
  static web::uri BaseUri(const TransportConfig& config) {
    // The library would pass brackets to the resolver.
    return web::uri_builder()
        .set_scheme(config.tls ? "https" : "http")
        .set_host(config.host)
        .set_port(config.port)
        .to_uri();
  }

  static http::client::http_client_config ClientConfig(
      const TransportConfig& config, Duration idle, const std::shared_ptr<const TlsMaterial>& tls) {
    http::client::http_client_config client;
    client.set_timeout(std::chrono::duration_cast<std::chrono::microseconds>(idle));
    client.set_max_redirects(0);
    client.set_validate_certificates(!config.insecure);
    if (!config.proxy_url.empty()) client.set_proxy(web::web_proxy(web::uri(config.proxy_url)));
    if (!config.tls) return client;
    client.set_ssl_context_callback([tls](boost::asio::ssl::context& context) {
      if (!tls->Apply(context.native_handle()).ok()) {
        throw http::http_exception("cannot set up TLS");
      }
    });
    client.set_tlsext_sni_enabled(!config.proxy_url.empty() && !tls->sni().empty());
    if (config.proxy_url.empty() && !tls->sni().empty()) {
      client.set_nativehandle_options([tls](http::client::native_handle handle) {
        auto* stream =
            static_cast<boost::asio::ssl::stream<boost::asio::ip::tcp::socket&>*>(handle);
        SSL_set_tlsext_host_name(stream->native_handle(), tls->sni().c_str());
      });
    }
    return client;
  }

  LaneClient& LaneOf(Lane lane) {
    switch (lane) {
      case Lane::kWatch:
        return watch_;
      case Lane::kLease:
        return lease_;
      case Lane::kRest:
        break;
    }
    return rest_;
  }

  absl::Status Start(http::client::http_client& client, const std::shared_ptr<Exchange>& exchange,
                     const HttpRequest& request) {
    if (request.target.empty() || request.target[0] != '/') {
      return absl::InvalidArgumentError(absl::StrCat("no path: ", request.target));
    }
    try {
      http::http_request message(request.method);
      message.set_request_uri(web::uri(request.target));
      message.headers().add("Host", host_header_);
      std::string content_type = "application/json";
      for (const auto& [name, value] : request.headers) {
        if (!IsHeader(name) || !IsHeader(value)) {
          return absl::InvalidArgumentError(absl::StrCat("header ", name, " has a control code"));
        }
        if (absl::EqualsIgnoreCase(name, "Content-Type")) {
          content_type = value;
        } else if (std::string& line = message.headers()[name]; line.empty()) {
          line = value;
        } else {
          // The library would make one header of two, separated by a comma; but two groups to
          // impersonate are not one whose name has a comma.
          absl::StrAppend(&line, "\r\n", name, ":", value);
        }
      }
      if (request.method != "GET" && request.method != "HEAD") {
        // A stream that cannot be rewound, so that the library cannot send it a second time.
        Concurrency::streams::producer_consumer_buffer<uint8_t> body(request.body.size() + 1);
        body.putn_nocopy(reinterpret_cast<const uint8_t*>(request.body.data()), request.body.size())
            .get();
        body.close(std::ios_base::out).get();
        message.set_body(body.create_istream(), request.body.size(), content_type);
      }
      message.set_response_stream(
          Concurrency::streams::streambuf<uint8_t>(
              std::shared_ptr<Concurrency::streams::details::basic_streambuf<uint8_t>>(
                  std::make_shared<BodySink>(exchange)))
              .create_ostream());
      const auto end = [exchange, in_flight = in_flight_](Ending ending) {
        exchange->OnEnd(std::move(ending));
        in_flight->Remove(exchange);
      };
      client.request(message, exchange->token())
          .then([exchange, end](const pplx::task<http::http_response>& head) {
            try {
              const http::http_response response = head.get();
              std::map<std::string, std::string> headers;
              for (const auto& [name, value] : response.headers()) {
                headers.emplace(absl::AsciiStrToLower(name), value);
              }
              exchange->OnHead(response.status_code(), std::move(headers));
              response.content_ready().then([end](const pplx::task<http::http_response>& body) {
                try {
                  body.get();
                  end({});
                } catch (...) {
                  end(CurrentEnding());
                }
              });
            } catch (...) {
              end(CurrentEnding());
            }
          });
      return absl::OkStatus();
    } catch (const web::uri_exception& exception) {
      return absl::InvalidArgumentError(exception.what());
    } catch (...) {
      return CurrentEnding().status;
    }
  }

  const size_t buffer_bytes_;
  const std::string authority_;
  const std::string host_header_;
  const std::shared_ptr<InFlight> in_flight_ = std::make_shared<InFlight>();
  LaneClient rest_;
  LaneClient watch_;
  LaneClient lease_;
};

}  // namespace

absl::StatusOr<std::shared_ptr<HttpTransport>> NewCpprestTransport(const TransportConfig& config,
                                                                   const CpprestOptions& options) {
  static std::once_flag pool;
  std::call_once(pool, [] {
    // Before the threads, so that at exit they are joined before OpenSSL is torn down.
    OPENSSL_init_ssl(0, nullptr);
    try {
      crossplat::threadpool::initialize_with_threads(4);
    } catch (const std::exception&) {  // somebody else in this process was first
    }
  });
  if (!config.proxy_url.empty() && (!absl::StartsWith(config.proxy_url, "http://") ||
                                    absl::StrContains(config.proxy_url, '@'))) {
    return absl::InvalidArgumentError("only proxies of the form http://host:port are supported");
  }
  if (!config.proxy_url.empty() && absl::StrContains(config.host, ':')) {
    return absl::InvalidArgumentError("an IPv6 address behind a proxy is not supported");
  }
  absl::StatusOr<std::shared_ptr<const TlsMaterial>> tls = TlsMaterial::Parse(config);
  if (!tls.ok()) return tls.status();
  try {
    return std::make_shared<CpprestTransport>(config, options, *tls);
  } catch (const std::exception& exception) {
    return absl::InvalidArgumentError(absl::StrCat(config.host, ": ", exception.what()));
  }
}

}  // namespace fractos::kube
