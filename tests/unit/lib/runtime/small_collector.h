// An OpenTelemetry collector for tests: keeps what it is sent.
#ifndef FRACTOS_TESTS_UNIT_LIB_RUNTIME_SMALL_COLLECTOR_H_
#define FRACTOS_TESTS_UNIT_LIB_RUNTIME_SMALL_COLLECTOR_H_

#include <httplib.h>

#include <functional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "nlohmann/json.hpp"

namespace fractos {

// Listens on a free port of 127.0.0.1. Thread-safe.
class SmallCollector {
 public:
  using Json = nlohmann::json;

  SmallCollector() {
    server_.Post("/v1/traces",
                 [this](const httplib::Request& request, httplib::Response& response) {
                   const absl::MutexLock lock(&mutex_);
                   ++requests_;
                   mutex_.Await(absl::Condition(&held_off_));
                   if (!refusals_.empty()) {
                     response.status = refusals_.front();
                     refusals_.erase(refusals_.begin());
                     return;
                   }
                   types_.push_back(request.get_header_value("Content-Type"));
                   bodies_.push_back(Json::parse(request.body));
                 });
    port_ = server_.bind_to_any_port("127.0.0.1");
    thread_ = std::thread([this] { server_.listen_after_bind(); });
    while (!server_.is_running()) std::this_thread::yield();
  }
  ~SmallCollector() {
    Hold(false);
    server_.stop();
    thread_.join();
  }

  std::string endpoint() const { return absl::StrCat("http://127.0.0.1:", port_); }

  // Answers requests that come from now on only when it is called again with false.
  void Hold(bool hold) {
    const absl::MutexLock lock(&mutex_);
    held_off_ = !hold;
  }
  // Answers the next ones so.
  void Refuse(std::vector<int> statuses) {
    const absl::MutexLock lock(&mutex_);
    refusals_ = std::move(statuses);
  }
  // Waits until so many have come, answered or not; whether they have.
  bool AwaitRequests(size_t count) {
    const absl::MutexLock lock(&mutex_);
    const auto there = [this, count]()
                           ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return requests_ >= count; };
    return mutex_.AwaitWithTimeout(absl::Condition(&there), absl::Seconds(10));
  }

  std::vector<Json> bodies() {
    const absl::MutexLock lock(&mutex_);
    return bodies_;
  }
  std::vector<std::string> types() {
    const absl::MutexLock lock(&mutex_);
    return types_;
  }
  // Of all bodies, each with its service's name under "service".
  std::vector<Json> Spans() {
    std::vector<Json> spans;
    for (const Json& body : bodies()) {
      for (const Json& resource : body.at("resourceSpans")) {
        const Json service = resource.at("resource").at("attributes")[0].at("value");
        for (const Json& scope : resource.at("scopeSpans")) {
          for (Json span : scope.at("spans")) {
            span["service"] = service.at("stringValue");
            spans.push_back(std::move(span));
          }
        }
      }
    }
    return spans;
  }

 private:
  httplib::Server server_;
  int port_ = 0;
  std::thread thread_;
  absl::Mutex mutex_;
  bool held_off_ ABSL_GUARDED_BY(mutex_) = true;
  size_t requests_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<int> refusals_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> types_ ABSL_GUARDED_BY(mutex_);
  std::vector<Json> bodies_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace fractos

#endif  // FRACTOS_TESTS_UNIT_LIB_RUNTIME_SMALL_COLLECTOR_H_
