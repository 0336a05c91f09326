#include "lib/runtime/status_server.h"

#include <httplib.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace fractos {
namespace {

constexpr size_t kThreads = 4;

struct HostPort {
  std::string host;  // "": all addresses
  int port = 0;
};

absl::StatusOr<HostPort> ParseAddress(absl::string_view address) {
  size_t colon = address.rfind(':');
  HostPort parsed;
  bool number =
      colon != absl::string_view::npos && absl::SimpleAtoi(address.substr(colon + 1), &parsed.port);
  if (!number || parsed.port < 0 || parsed.port > 65535) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", address, "\" is no address like 127.0.0.1:9090, [::1]:9090 or :9090"));
  }
  absl::string_view host = address.substr(0, colon);
  bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  if (!bracketed && host.find(':') != absl::string_view::npos) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", address, "\": an IPv6 address goes in brackets, like [::1]:9090"));
  }
  parsed.host = std::string(host);
  return parsed;
}

// A connection that ends at a deadline, whatever comes until then. The library's own bounds each
// read, so whoever sends a byte now and then would keep a thread for ever.
class BoundedStream final : public httplib::Stream {
 public:
  BoundedStream(int socket, Time deadline) : socket_(socket), deadline_(deadline) {}

  bool is_readable() const override { return begin_ < end_ || Wait(POLLIN); }
  bool is_writable() const override { return Wait(POLLOUT); }
  ssize_t read(char* to, size_t size) override {
    if (begin_ == end_) {
      if (!Wait(POLLIN)) return -1;
      const ssize_t got = ::recv(socket_, buffer_, sizeof(buffer_), MSG_DONTWAIT);
      if (got <= 0) return got;
      begin_ = 0;
      end_ = static_cast<size_t>(got);
    }
    const size_t taken = std::min(size, end_ - begin_);
    std::copy_n(buffer_ + begin_, taken, to);
    begin_ += taken;
    return static_cast<ssize_t>(taken);
  }
  ssize_t write(const char* from, size_t size) override {
    return Wait(POLLOUT) ? ::send(socket_, from, size, MSG_NOSIGNAL | MSG_DONTWAIT) : -1;
  }
  // Nobody is told.
  void get_remote_ip_and_port(std::string&, int&) const override {}
  void get_local_ip_and_port(std::string&, int&) const override {}
  int socket() const override { return socket_; }

 private:
  bool Wait(short events) const {
    pollfd polled{socket_, events, 0};
    while (true) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(
          deadline_ - std::chrono::steady_clock::now());
      if (left.count() <= 0) return false;
      const int ready = ::poll(&polled, 1, static_cast<int>(left.count()));
      if (ready > 0) return true;
      if (ready < 0 && errno != EINTR) return false;
    }
  }

  const int socket_;
  const Time deadline_;
  char buffer_[4096];
  size_t begin_ = 0, end_ = 0;  // what was received and has not been read
};

// One request a connection, and a time for all of it.
class BoundedServer final : public httplib::Server {
 public:
  explicit BoundedServer(Duration patience) : patience_(patience) {}

 private:
  bool process_and_close_socket(int socket) override {
    BoundedStream stream(socket, std::chrono::steady_clock::now() + patience_);
    bool closed = false;
    const bool answered = process_request(stream, /*close_connection=*/true, closed, nullptr);
    ::shutdown(socket, SHUT_RDWR);
    ::close(socket);
    return answered;
  }

  const Duration patience_;
};

}  // namespace

class StatusServer::Impl {
 public:
  Impl(Pages pages, Duration patience) : pages_(std::move(pages)), server_(patience) {
    server_.new_task_queue = [] { return new httplib::ThreadPool(kThreads); };
    // Not the library's SO_REUSEPORT: two servers would share the port, each with half of the
    // requests, and nobody would be told.
    server_.set_socket_options([](int socket) {
      const int yes = 1;
      ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    });
    server_.set_payload_max_length(0);
    if (pages_.metrics != nullptr) {
      server_.Get("/metrics", [this](const httplib::Request&, httplib::Response& response) {
        response.set_content(pages_.metrics(), "text/plain; version=0.0.4; charset=utf-8");
      });
    }
    ServeCheck("/healthz", pages_.not_healthy_for);
    ServeCheck("/readyz", pages_.not_ready_for);
  }

  ~Impl() {
    server_.stop();
    if (thread_.joinable()) thread_.join();
  }

  absl::Status Listen(const HostPort& where) {
    std::string host = where.host.empty() ? "::" : where.host;  // "::" takes IPv4 too
    int port = Bind(host, where.port);
    if (port < 0 && where.host.empty()) {  // there are machines without IPv6
      host = "0.0.0.0";
      port = Bind(host, where.port);
    }
    if (port < 0) {
      return absl::UnavailableError(absl::StrCat("cannot listen for HTTP at ", host, " port ",
                                                 where.port, "; is it in use already?"));
    }
    bool six = host.find(':') != std::string::npos;
    address_ = six ? absl::StrCat("[", host, "]:", port) : absl::StrCat(host, ":", port);
    thread_ = std::thread([this] { server_.listen_after_bind(); });
    // stop() does nothing to a server that has yet to begin.
    while (!server_.is_running()) std::this_thread::yield();
    return absl::OkStatus();
  }

  const std::string& address() const { return address_; }

 private:
  // The port; -1 when nobody can listen there.
  int Bind(const std::string& host, int port) {
    if (port == 0) return server_.bind_to_any_port(host);
    return server_.bind_to_port(host, port) ? port : -1;
  }

  void ServeCheck(const char* path, const std::function<std::string()>& why_not) {
    if (why_not == nullptr) return;
    server_.Get(path, [&why_not](const httplib::Request&, httplib::Response& response) {
      const std::string why = why_not();
      response.status = why.empty() ? 200 : 503;
      response.set_content(why.empty() ? "ok\n" : why + "\n", "text/plain");
    });
  }

  const Pages pages_;
  BoundedServer server_;
  std::string address_;
  std::thread thread_;
};

absl::StatusOr<std::unique_ptr<StatusServer>> StatusServer::Start(absl::string_view address,
                                                                  Pages pages, Duration patience) {
  absl::StatusOr<HostPort> where = ParseAddress(address);
  if (!where.ok()) return where.status();
  auto impl = std::make_unique<Impl>(std::move(pages), patience);
  absl::Status listening = impl->Listen(*where);
  if (!listening.ok()) return listening;
  return std::unique_ptr<StatusServer>(new StatusServer(std::move(impl)));
}

StatusServer::StatusServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
StatusServer::~StatusServer() = default;
std::string StatusServer::address() const { return impl_->address(); }

}  // namespace fractos
