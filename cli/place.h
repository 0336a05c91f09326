// Whether fractosctl works on this machine or on a cluster.
#ifndef FRACTOS_CLI_PLACE_H_
#define FRACTOS_CLI_PLACE_H_

#include <string>

#include "absl/strings/string_view.h"

namespace fractos {

// What kubectl's users know to say where.
struct ClusterOptions {
  std::string kubeconfig = {};  // a file; empty: $KUBECONFIG, or what kubectl uses
  std::string context = {};
  std::string ns = {};
  bool all_namespaces = false;

  // Whether any of them is given, which means a cluster.
  bool Given() const {
    return !kubeconfig.empty() || !context.empty() || !ns.empty() || all_namespaces;
  }
};

// By what a program was called: kubectl starts `kubectl-fractos` for `kubectl fractos`.
inline bool IsKubectlPlugin(absl::string_view argv0) {
  const size_t slash = argv0.rfind('/');
  const absl::string_view name = slash == absl::string_view::npos ? argv0 : argv0.substr(slash + 1);
  return name == "kubectl-fractos";
}

}  // namespace fractos

#endif  // FRACTOS_CLI_PLACE_H_
