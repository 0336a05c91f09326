// Where the API server is and how to authenticate to it (client-go's rest.Config), and where that
// is found: in the cluster, or in kubeconfig files (kubeconfig.h).
#ifndef FRACTOS_LIB_KUBE_CONFIG_H_
#define FRACTOS_LIB_KUBE_CONFIG_H_

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "lib/base/clock.h"
#include "lib/kube/credentials.h"
#include "lib/kube/object.h"
#include "lib/kube/transport.h"

namespace fractos::kube {

// Of a text and a file that say the same thing, the text wins.
struct TlsClientConfig {
  bool insecure = false;         // any server is believed: never in production
  std::string server_name = {};  // expected in the server's certificate instead of the host
  std::string ca_file = {}, ca_data = {};
  std::string cert_file = {}, cert_data = {};
  std::string key_file = {}, key_data = {};
};

// Whom to act as; needs the right to impersonate.
struct Impersonation {
  std::string user = {};
  std::string uid = {};
  std::vector<std::string> groups = {};
  std::map<std::string, std::vector<std::string>> extra = {};
};

enum class InteractiveMode { kNever, kIfAvailable, kAlways };

// A program that gives credentials.
struct ExecConfig {
  std::string command = {};  // looked up in PATH unless it holds a slash
  std::vector<std::string> args = {};
  std::vector<std::pair<std::string, std::string>> env = {};
  std::string api_version = {};   // client.authentication.k8s.io/v1 or /v1beta1
  std::string install_hint = {};  // for people who do not have the program
  bool provide_cluster_info = false;
  InteractiveMode interactive_mode = InteractiveMode::kIfAvailable;
  Json cluster = {};  // what it is told when provide_cluster_info
};

struct RestConfig {
  // "https://host:port/prefix", "host:port" or "host"; without a scheme it is https as soon as
  // anything is said of TLS.
  std::string host = {};
  TlsClientConfig tls = {};
  std::string bearer_token = {};
  std::string bearer_token_file = {};  // what is read from it wins
  std::string username = {}, password = {};
  Impersonation impersonate = {};
  std::optional<ExecConfig> exec = {};
  std::string proxy_url = {};
  std::string user_agent = {};  // empty: DefaultUserAgent
  // Where to work unless told otherwise: the pod's, or the context's.
  std::string ns = {};
};

// The host of a RestConfig, taken apart.
struct ServerAddress {
  bool tls = true;
  std::string host;  // without brackets
  int port = 0;
  std::string path;  // prefix of all paths, without slash at its end; mostly empty

  // "host:port", with brackets around IPv6: Go's JoinHostPort.
  std::string Authority() const;
};
absl::StatusOr<ServerAddress> ParseServerAddress(const RestConfig& config);

// InvalidArgument for what excludes each other, and for impersonating nobody with groups.
absl::Status Validate(const RestConfig& config);

// "program/version (linux/arch) fractos".
std::string DefaultUserAgent(absl::string_view program);

// The value of an environment variable, empty when it is not set.
using Getenv = std::function<std::string(const std::string& name)>;
Getenv SystemGetenv();

inline constexpr char kServiceAccountFolder[] = "/var/run/secrets/kubernetes.io/serviceaccount";

// What a pod is given: the address in KUBERNETES_SERVICE_HOST and _PORT, and in `folder` the files
// token, ca.crt and namespace. NotFound when this is no pod. Whoever reads the token file later
// sees its rotations.
absl::StatusOr<RestConfig> InClusterConfig(const Getenv& getenv = SystemGetenv(),
                                           const std::string& folder = kServiceAccountFolder);

// Where the credentials of `config` come from: a program, a file, or itself. `clock` outlives it.
absl::StatusOr<std::unique_ptr<CredentialSource>> NewCredentialSource(const RestConfig& config,
                                                                      const Clock* clock);

// The transport that `config` asks for: reads the files it names. `credential`'s certificate, if it
// has one, counts instead of the configuration's.
absl::StatusOr<TransportConfig> NewTransportConfig(const RestConfig& config,
                                                   const Credential& credential);

}  // namespace fractos::kube

#endif  // FRACTOS_LIB_KUBE_CONFIG_H_
