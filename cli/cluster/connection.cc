#include "cli/cluster/connection.h"

#include <unistd.h>

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "lib/kube/config.h"
#include "lib/kube/errors.h"
#include "lib/kube/kubeconfig.h"
#include "lib/kube/rest_client.h"

namespace fractos::cluster {
namespace {

// Where LoadRestConfig looked, and what of that is not there.
std::string WhereItLooked(const ClusterOptions& options) {
  const kube::Getenv getenv = kube::SystemGetenv();
  std::vector<std::string> files = {options.kubeconfig};
  if (options.kubeconfig.empty()) {
    files = absl::StrSplit(getenv("KUBECONFIG"), ':', absl::SkipEmpty());
    if (files.empty()) files.push_back(getenv("HOME") + "/.kube/config");
  }
  for (std::string& file : files) {
    if (::access(file.c_str(), F_OK) != 0) file += ", which does not exist";
  }
  return absl::StrJoin(files, ", and at ");
}

// Says which server it is that does not answer: the transport says only what happened.
class NamingTransport final : public kube::HttpTransport {
 public:
  NamingTransport(std::shared_ptr<kube::HttpTransport> transport, std::string server)
      : transport_(std::move(transport)), server_(std::move(server)) {}

  absl::StatusOr<std::unique_ptr<kube::HttpResponse>> Send(
      const kube::Context& context, const kube::HttpRequest& request) override {
    absl::StatusOr<std::unique_ptr<kube::HttpResponse>> response =
        transport_->Send(context, request);
    const auto failure = kube::GetTransportFailure(response.status());
    if (!failure.has_value()) return response;
    return kube::MakeError(*failure, absl::StrCat(server_, ": ", response.status().message()));
  }
  void CloseAll() override { transport_->CloseAll(); }

 private:
  const std::shared_ptr<kube::HttpTransport> transport_;
  const std::string server_;
};

// "https://host:port (context kind)".
std::string ServerName(const ClusterOptions& options, const kube::RestConfig& config) {
  std::string context = options.context;
  if (context.empty()) {
    const absl::StatusOr<kube::Kubeconfig> file =
        kube::LoadKubeconfig({.path = options.kubeconfig});
    if (file.ok()) context = file->current_context;
  }
  return context.empty() ? config.host : absl::StrCat(config.host, " (context ", context, ")");
}

}  // namespace

absl::StatusOr<std::unique_ptr<Connection>> Connection::Open(const ClusterOptions& options,
                                                             kube::TransportFactory transports) {
  absl::StatusOr<kube::RestConfig> config = kube::LoadRestConfig(
      {.path = options.kubeconfig, .context = options.context, .ns = options.ns});
  if (!config.ok()) {
    return absl::Status(config.status().code(),
                        absl::StrCat("no cluster to talk to: ", config.status().message(),
                                     "; looked at ", WhereItLooked(options),
                                     "; set KUBECONFIG, or give --kubeconfig or --context"));
  }
  config->user_agent = kube::DefaultUserAgent("kubectl-fractos");
  std::unique_ptr<Connection> connection(new Connection());
  absl::StatusOr<std::unique_ptr<kube::RestClient>> client = kube::RestClient::New(
      *config,
      [transports = std::move(transports),
       server = ServerName(options, *config)](const kube::TransportConfig& transport)
          -> absl::StatusOr<std::shared_ptr<kube::HttpTransport>> {
        auto made = transports(transport);
        if (!made.ok()) return made.status();
        return std::make_shared<NamingTransport>(*std::move(made), server);
      },
      &connection->clock_);
  if (!client.ok()) return client.status();
  connection->client_ = *std::move(client);
  connection->target_ = {.client = connection->client_.get(),
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
