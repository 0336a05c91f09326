#include "cli/cluster/connection.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/kube/config.h"
#include "lib/kube/kubeconfig.h"
#include "lib/kube/rest_client.h"

namespace fractos::cluster {

absl::StatusOr<std::unique_ptr<Connection>> Connection::Open(const ClusterOptions& options,
                                                             kube::TransportFactory transports) {
  absl::StatusOr<kube::RestConfig> config = kube::LoadRestConfig(
      {.path = options.kubeconfig, .context = options.context, .ns = options.ns});
  if (!config.ok()) {
    return absl::Status(config.status().code(),
                        absl::StrCat("no cluster to talk to: ", config.status().message()));
  }
  config->user_agent = kube::DefaultUserAgent("kubectl-fractos");
  std::unique_ptr<Connection> connection(new Connection());
  absl::StatusOr<std::unique_ptr<kube::RestClient>> client =
      kube::RestClient::New(*config, std::move(transports), &connection->clock_);
  if (!client.ok()) return client.status();
  connection->client_ = *std::move(client);
  connection->session_ = {.client = connection->client_.get(),
                          .clock = &connection->clock_,
                          .ns = !options.ns.empty()  ? options.ns
                                : config->ns.empty() ? "default"
                                                     : config->ns,
                          .ns_given = !options.ns.empty(),
                          .all_namespaces = options.all_namespaces,
                          .kubectl_flags = KubectlFlags(options)};
  return connection;
}

std::vector<std::string> KubectlFlags(const ClusterOptions& options) {
  std::vector<std::string> flags;
  if (!options.kubeconfig.empty()) flags.push_back("--kubeconfig=" + options.kubeconfig);
  if (!options.context.empty()) flags.push_back("--context=" + options.context);
  return flags;
}

}  // namespace fractos::cluster
