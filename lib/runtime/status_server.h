// What a process tells people and monitoring over HTTP: /metrics, /healthz, /readyz.
#ifndef FRACTOS_LIB_RUNTIME_STATUS_SERVER_H_
#define FRACTOS_LIB_RUNTIME_STATUS_SERVER_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "lib/base/clock.h"

namespace fractos {

// A small HTTP server on threads of its own. It answers GET alone, and one request a connection.
// Whoever connects keeps a thread for as long as `patience` at most.
class StatusServer {
 public:
  // Called on the server's threads, several at once; for one that is null the answer is 404. The
  // last two say why not, and nothing (an empty string) when all is well.
  struct Pages {
    std::function<std::string()> metrics;          // Prometheus' text format
    std::function<std::string()> not_healthy_for;  // may block for a second
    std::function<std::string()> not_ready_for;
  };

  // Listens at "host:port", "[::1]:port" or ":port" (all addresses); port 0 is any. InvalidArgument
  // when `address` is none of these, Unavailable when nobody can listen there.
  static absl::StatusOr<std::unique_ptr<StatusServer>> Start(
      absl::string_view address, Pages pages, Duration patience = std::chrono::seconds(5));
  // Waits for what is being answered.
  ~StatusServer();

  // "host:port" with the port that was chosen.
  std::string address() const;

 private:
  class Impl;
  explicit StatusServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace fractos

#endif  // FRACTOS_LIB_RUNTIME_STATUS_SERVER_H_
