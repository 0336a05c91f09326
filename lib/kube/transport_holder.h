// The transport that is in use, replaced when certificates change.
#ifndef FRACTOS_LIB_KUBE_TRANSPORT_HOLDER_H_
#define FRACTOS_LIB_KUBE_TRANSPORT_HOLDER_H_

#include <chrono>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "lib/base/clock.h"
#include "lib/kube/config.h"
#include "lib/kube/credentials.h"
#include "lib/kube/transport.h"

namespace fractos::kube {

// Looks at the files of `config` every five minutes, and at each credential. What cannot be read or
// parsed leaves the transport in use as it is. A new authority makes a new transport, and what is
// under way on the old one goes on; a new client certificate closes it, too, as a connection keeps
// the identity that it was made with. Thread-safe. Source: client-go
// transport/{ca,cert}_rotation.go.
class TransportHolder {
 public:
  static constexpr std::chrono::minutes kPeriod{5};

  // `clock` outlives it.
  TransportHolder(RestConfig config, TransportFactory factory, const Clock* clock);

  // The transport to use for a request that is authenticated with `credential`. An error only when
  // there has never been one, or when `credential` has a certificate that is of no use.
  absl::StatusOr<std::shared_ptr<HttpTransport>> Get(
      const std::shared_ptr<const Credential>& credential);

 private:
  const RestConfig config_;
  const TransportFactory factory_;
  const Clock* const clock_;
  absl::Mutex mutex_;
  std::shared_ptr<HttpTransport> transport_ ABSL_GUARDED_BY(mutex_);
  TransportConfig made_of_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<const Credential> credential_ ABSL_GUARDED_BY(mutex_);
  Time look_again_ ABSL_GUARDED_BY(mutex_) = Time::min();
};

}  // namespace fractos::kube

#endif  // FRACTOS_LIB_KUBE_TRANSPORT_HOLDER_H_
