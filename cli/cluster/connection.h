// From what the user says of a cluster to what commands work on.
#ifndef FRACTOS_CLI_CLUSTER_CONNECTION_H_
#define FRACTOS_CLI_CLUSTER_CONNECTION_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/cluster/target.h"
#include "cli/place.h"
#include "lib/kube/client.h"
#include "lib/kube/transport.h"
#include "lib/kube/waitable_clock.h"

namespace fractos::cluster {

// A client with what it needs. Its end waits for requests under way, so it must come before the
// process's own.
class Connection {
 public:
  // As kubectl does: --kubeconfig, else $KUBECONFIG, else what a pod is given, else
  // ~/.kube/config; the namespace of -n, else of the context, else "default". Connects at the first
  // request. InvalidArgument or NotFound when that leads nowhere.
  static absl::StatusOr<std::unique_ptr<Connection>> Open(const ClusterOptions& options,
                                                          kube::TransportFactory transports);

  const Target& target() const { return target_; }

 private:
  Connection() = default;

  kube::SystemWaitableClock clock_;
  std::unique_ptr<kube::Client> client_;
  Target target_;
};

// What has kubectl do the same as us.
std::vector<std::string> KubectlFlags(const ClusterOptions& options);

}  // namespace fractos::cluster

#endif  // FRACTOS_CLI_CLUSTER_CONNECTION_H_
