// What a daemon in a pod asks of the API server: its election, and nothing else.
#ifndef FRACTOS_DAEMON_KUBERNETES_H_
#define FRACTOS_DAEMON_KUBERNETES_H_

#include <memory>

#include "absl/status/statusor.h"
#include "daemon/election/election.h"
#include "daemon/election/lease_election.h"
#include "daemon/flags.h"
#include "lib/base/address.h"
#include "lib/base/clock.h"
#include "lib/base/random.h"
#include "lib/kube/client.h"
#include "lib/kube/rest_observer.h"
#include "lib/kube/waitable_clock.h"

namespace fractos {

// A client of the API server by the pod's service account, or by a kubeconfig file, and the
// election that uses it. Outlives the election.
class KubernetesCluster {
 public:
  // NotFound when this is no pod and no kubeconfig is given; InvalidArgument when what says where
  // the API server is makes no sense. Asks nothing yet. `observer` may be null.
  static absl::StatusOr<std::unique_ptr<KubernetesCluster>> Open(const KubernetesFlags& flags,
                                                                 kube::RestObserver* observer);

  // `random` and `observer` outlive the election. Once.
  absl::StatusOr<std::unique_ptr<Election>> MakeElection(const DaemonFlags& flags,
                                                         const Incarnation& self, Random* random,
                                                         ElectionObserver* observer);

  // An error when this replica has led for longer than its Lease lasts without renewing it, which
  // only happens to a process that hangs. OK before MakeElection. While the election lives.
  absl::Status Check() const;

 private:
  KubernetesCluster() = default;

  kube::SystemWaitableClock clock_;
  std::unique_ptr<kube::Client> client_;
  const LeaseElection* election_ = nullptr;
};

}  // namespace fractos

#endif  // FRACTOS_DAEMON_KUBERNETES_H_
