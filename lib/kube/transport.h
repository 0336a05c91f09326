// HTTP as this folder needs it, and no more, so that the library behind it can be replaced:
// cpprestsdk, behind it now, is no longer maintained.
#ifndef FRACTOS_LIB_KUBE_TRANSPORT_H_
#define FRACTOS_LIB_KUBE_TRANSPORT_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "lib/kube/context.h"

namespace fractos::kube {

// Requests of one lane share connections and an idle timeout, and cannot keep those of another
// waiting: a lease must be renewed however many lists are under way.
enum class Lane { kRest, kWatch, kLease };

struct HttpRequest {
  std::string method;
  std::string target;  // path and query, percent-encoded
  std::vector<std::pair<std::string, std::string>> headers = {};
  std::string body = {};
  Lane lane = Lane::kRest;
};

// An answer whose body arrives as it is read. Thread-safe; one thread at a time may be in Read.
class HttpResponse {
 public:
  // Closes.
  virtual ~HttpResponse() = default;

  virtual int status() const = 0;
  // The value of that header, whatever its case; empty when there is none.
  virtual std::string header(absl::string_view name) const = 0;

  // Blocks for the next bytes of the body; empty at its end, which is an end in good order: a body
  // that breaks off is an error with a TransportFailure. Cancelled and DeadlineExceeded by
  // `context` alone leave the answer as it is. What has arrived and is not read is bounded: the
  // peer is not read from until it is.
  virtual absl::StatusOr<std::string> Read(const Context& context) = 0;

  // Drops the connection unless the answer has ended. Read returns Cancelled from now on. Returns
  // at once.
  virtual void Close() = 0;
};

// Requests to one server. Thread-safe. Answers may outlive it, and are closed by its end.
class HttpTransport {
 public:
  virtual ~HttpTransport() = default;

  // Blocks until the head of the answer is there, whatever its status: redirects are not followed.
  // An error has a TransportFailure, unless it is by `context` (Cancelled, DeadlineExceeded) or by
  // a request that cannot be sent (InvalidArgument). A request other than GET and HEAD leaves at
  // most once.
  virtual absl::StatusOr<std::unique_ptr<HttpResponse>> Send(const Context& context,
                                                             const HttpRequest& request) = 0;

  // Closes every answer that is under way: for when they were authenticated with a certificate that
  // is to be used no more. Send goes on working.
  virtual void CloseAll() = 0;
};

// Reads all of a body. ResourceExhausted when it is longer than `max_bytes`.
absl::StatusOr<std::string> ReadBody(const Context& context, HttpResponse& response,
                                     size_t max_bytes);

// What a transport is made of.
struct TransportConfig {
  std::string host;  // a name or an IP address, without brackets
  int port = 0;
  bool tls = true;
  // The only authorities trusted, PEM; empty: those of the system.
  std::string ca_pem = {};
  // What the server's certificate must be for; empty: `host`.
  std::string server_name = {};
  bool insecure = false;  // any certificate will do
  // The client's certificate with its chain, and its key, PEM; both or neither.
  std::string cert_pem = {};
  std::string key_pem = {};
  std::string proxy_url = {};  // "http://host:port"

  bool operator==(const TransportConfig&) const = default;
};

// Fails, rather than later, when the configuration is of no use: PEM that is none, a key for
// another certificate.
using TransportFactory =
    std::function<absl::StatusOr<std::shared_ptr<HttpTransport>>(const TransportConfig&)>;

}  // namespace fractos::kube

#endif  // FRACTOS_LIB_KUBE_TRANSPORT_H_
