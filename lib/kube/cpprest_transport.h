// HttpTransport on cpprestsdk 2.10.18, whose name stands in this header and its source alone. What
// that library does unless it is prevented, and how it is prevented:
//
// * It trusts the system's authorities beside the cluster's: a certificate store of our own, and
//   OpenSSL checks the name (TlsMaterial).
// * It follows redirects, with the token, to any host: no redirects.
// * It repeats a POST on a pooled connection that died: bodies that cannot be rewound, so that such
//   a write fails as kConnectionLost. Having found that, it pools a connection that was never made:
//   what fails unsent is sent again, and the pool is renewed.
// * Its timeout is of silence, and runs while a reader is slow, too: each lane has its own, and a
//   reader that sleeps for longer loses its watch.
// * It cannot resolve "[::1]", and gives addresses as TLS names: an address without brackets, and
//   the Host header and the TLS name by ourselves.
// * It makes one header of several of one name: they are written apart.
// * Its buffer of an answer grows without bound: one that holds the sender back.
// * Its 40 threads deadlock when they are blocked: 4 threads, on which nothing blocks.
// * An exception that nobody observes ends the process: every task is observed.
// * It crashes when it is torn down during exit: the destructor waits for all requests.
//
// What remains: an answer's head and each of its chunks are held in memory whole, so an API server
// that is hostile can fill it; name resolution has no timeout of its own, but a caller does not
// wait longer than its Context for it.
#ifndef FRACTOS_LIB_KUBE_CPPREST_TRANSPORT_H_
#define FRACTOS_LIB_KUBE_CPPREST_TRANSPORT_H_

#include <chrono>
#include <memory>

#include "absl/status/statusor.h"
#include "lib/base/clock.h"
#include "lib/kube/transport.h"

namespace fractos::kube {

struct CpprestOptions {
  // How long a connection may be silent. Only a backstop: callers' Contexts end sooner. But for
  // watches: an API server sends a bookmark about every minute, and one that hears nothing for
  // longer than two of them asks again.
  Duration rest_idle = std::chrono::seconds(65);
  Duration watch_idle = std::chrono::seconds(150);
  Duration lease_idle = std::chrono::seconds(5);
  // Bytes of an answer that are held before its sender has to wait.
  size_t buffer_bytes = 256 * 1024;
};

// InvalidArgument when `config` is of no use. The destructor closes all answers and waits until the
// library has ended its work on them, for 5 s at most (a name that does not resolve); make sure
// that it runs before the process exits, hence no static transport.
absl::StatusOr<std::shared_ptr<HttpTransport>> NewCpprestTransport(
    const TransportConfig& config, const CpprestOptions& options = {});

}  // namespace fractos::kube

#endif  // FRACTOS_LIB_KUBE_CPPREST_TRANSPORT_H_
