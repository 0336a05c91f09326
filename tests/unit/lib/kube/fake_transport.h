// A transport that answers what a test wrote down.
#ifndef FRACTOS_TESTS_UNIT_LIB_KUBE_FAKE_TRANSPORT_H_
#define FRACTOS_TESTS_UNIT_LIB_KUBE_FAKE_TRANSPORT_H_

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "lib/kube/errors.h"
#include "lib/kube/transport.h"

namespace fractos::kube {

struct FakeAnswer {
  int status = 200;
  std::vector<std::string> chunks = {};
  std::map<std::string, std::string> headers = {};
  absl::Status end = absl::OkStatus();    // not OK: how the body breaks off
  bool stalls = false;                    // instead of ending
  absl::Status error = absl::OkStatus();  // not OK: there is no answer
};

// The script is shared by all transports of one test. Thread-safe.
class FakeServer {
 public:
  void Say(FakeAnswer answer) {
    absl::MutexLock lock(&mutex_);
    answers_.push_back(std::move(answer));
  }
  void Say(int status, std::string body, std::map<std::string, std::string> headers = {}) {
    Say({.status = status, .chunks = {std::move(body)}, .headers = std::move(headers)});
  }
  void Fail(TransportFailure failure) { Say({.error = MakeError(failure, "injected")}); }

  FakeAnswer Take(const HttpRequest& request) {
    absl::MutexLock lock(&mutex_);
    requests_.push_back(request);
    if (answers_.empty()) return {.status = 500, .chunks = {"the script is over"}};
    FakeAnswer answer = std::move(answers_.front());
    answers_.pop_front();
    return answer;
  }
  std::vector<HttpRequest> requests() const {
    absl::MutexLock lock(&mutex_);
    return requests_;
  }
  HttpRequest last() const { return requests().back(); }

  // What transports were made of, and how many of them had to close their answers.
  std::vector<TransportConfig> made;
  int closed_all = 0;
  absl::Status refuse = absl::OkStatus();  // not OK: no transport is made

  TransportFactory factory();

 private:
  mutable absl::Mutex mutex_;
  std::deque<FakeAnswer> answers_;
  std::vector<HttpRequest> requests_;
};

class FakeResponse final : public HttpResponse {
 public:
  explicit FakeResponse(FakeAnswer answer) : answer_(std::move(answer)) {}

  int status() const override { return answer_.status; }
  std::string header(absl::string_view name) const override {
    const auto found = answer_.headers.find(std::string(name));
    return found == answer_.headers.end() ? "" : found->second;
  }
  absl::StatusOr<std::string> Read(const Context& context) override {
    const std::stop_callback wake(context.stop, [this] { absl::MutexLock lock(&mutex_); });
    absl::MutexLock lock(&mutex_);
    while (next_ < answer_.chunks.size()) {
      std::string chunk = answer_.chunks[next_++];
      if (!chunk.empty()) return chunk;
    }
    if (answer_.stalls) {
      if (context.deadline != Time::max()) return absl::DeadlineExceededError("in time");
      const auto over = [&] { return closed_ || context.stop.stop_requested(); };
      mutex_.Await(absl::Condition(&over));
      return absl::CancelledError("closed or stopped");
    }
    if (closed_) return absl::CancelledError("closed");
    if (!answer_.end.ok()) return answer_.end;
    return std::string();
  }
  void Close() override {
    absl::MutexLock lock(&mutex_);
    closed_ = true;
  }

 private:
  const FakeAnswer answer_;
  absl::Mutex mutex_;
  size_t next_ = 0;
  bool closed_ = false;
};

class FakeTransport final : public HttpTransport {
 public:
  explicit FakeTransport(FakeServer* server) : server_(server) {}
  absl::StatusOr<std::unique_ptr<HttpResponse>> Send(const Context&,
                                                     const HttpRequest& request) override {
    FakeAnswer answer = server_->Take(request);
    if (!answer.error.ok()) return answer.error;
    return std::make_unique<FakeResponse>(std::move(answer));
  }
  void CloseAll() override { ++server_->closed_all; }

 private:
  FakeServer* const server_;
};

inline TransportFactory FakeServer::factory() {
  return [this](const TransportConfig& config) -> absl::StatusOr<std::shared_ptr<HttpTransport>> {
    if (!refuse.ok()) return refuse;
    made.push_back(config);
    return std::make_shared<FakeTransport>(this);
  };
}

// The value of a header of a request; empty when there is none.
inline std::string HeaderOf(const HttpRequest& request, const std::string& name) {
  for (const auto& [key, value] : request.headers) {
    if (key == name) return value;
  }
  return "";
}

}  // namespace fractos::kube

#endif  // FRACTOS_TESTS_UNIT_LIB_KUBE_FAKE_TRANSPORT_H_
