// kubeconfig files: read, merged, and made a RestConfig. Source: client-go tools/clientcmd.
#ifndef FRACTOS_LIB_KUBE_KUBECONFIG_H_
#define FRACTOS_LIB_KUBE_KUBECONFIG_H_

#include <map>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "lib/kube/config.h"

namespace fractos::kube {

struct KubeCluster {
  std::string server = {};
  TlsClientConfig tls = {};  // its authority alone
  std::string proxy_url = {};
  // What an exec plugin of this cluster is told: the extension client.authentication.k8s.io/exec.
  Json exec_extension = {};
};

struct KubeUser {
  TlsClientConfig tls = {};  // the client's certificate alone
  std::string token = {};
  std::string token_file = {};  // wins over the token once it was read
  Impersonation impersonate = {};
  std::string username = {}, password = {};
  std::optional<ExecConfig> exec = {};
  std::string auth_provider = {};  // its name: refused when the user is used
};

struct KubeContext {
  std::string cluster = {};
  std::string user = {};
  std::string ns = {};
};

struct Kubeconfig {
  std::map<std::string, KubeCluster> clusters = {};
  std::map<std::string, KubeUser> users = {};
  std::map<std::string, KubeContext> contexts = {};
  std::string current_context = {};

  // Takes over what is not there yet: of two entries of one name the first counts whole, and so
  // does the first current context.
  void Merge(Kubeconfig other);
};

// Reads one file's text. Relative paths in it, and commands with a slash, are made relative to
// `folder`. InvalidArgument when it is no kubeconfig; unknown fields are ignored, as kubectl does.
absl::StatusOr<Kubeconfig> ParseKubeconfig(absl::string_view text, const std::string& folder);

// Which files, and what of them.
struct KubeconfigOptions {
  // Not empty: this file alone, and it must be there. Otherwise those that KUBECONFIG lists,
  // separated by colons; those that are missing are skipped. Otherwise ~/.kube/config.
  std::string path = {};
  std::string context = {};  // instead of the current one
  std::string cluster = {};  // instead of the context's
  std::string user = {};
  std::string ns = {};
};

// All files merged. Empty when there is none.
absl::StatusOr<Kubeconfig> LoadKubeconfig(const KubeconfigOptions& options,
                                          const Getenv& getenv = SystemGetenv());

// NotFound when the context, cluster or user is not in `config`, or there is no current context.
absl::StatusOr<RestConfig> ToRestConfig(const Kubeconfig& config, const KubeconfigOptions& options);

// What a program uses that was told nothing else: options.path; else KUBECONFIG; else what the pod
// was given; else ~/.kube/config (controller-runtime's order).
absl::StatusOr<RestConfig> LoadRestConfig(
    const KubeconfigOptions& options, const Getenv& getenv = SystemGetenv(),
    const std::string& service_account_folder = kServiceAccountFolder);

}  // namespace fractos::kube

#endif  // FRACTOS_LIB_KUBE_KUBECONFIG_H_
