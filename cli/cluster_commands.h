// The half of the command line that works on a cluster.
#ifndef FRACTOS_CLI_CLUSTER_COMMANDS_H_
#define FRACTOS_CLI_CLUSTER_COMMANDS_H_

#include <functional>
#include <string>

#include "CLI/App.hpp"
#include "cli/cluster/target.h"
#include "cli/exit_code.h"
#include "cli/place.h"
#include "lib/kube/transport.h"

namespace fractos {

// Knows whether a cluster is meant, and gives commands what they need there.
class ClusterCommands {
 public:
  // `argv` outlives it.
  ClusterCommands(char** argv, kube::TransportFactory transports);

  bool is_plugin() const { return is_plugin_; }
  // What a user types to get here.
  const char* program() const { return is_plugin_ ? "kubectl fractos" : "fractosctl"; }

  // -n, --context and --kubeconfig; -A for commands that list.
  void AddPlace(CLI::App* command, bool lists = false);

  // Called as a plugin of kubectl, or told of a cluster. Known once the command line is parsed.
  bool wanted() const { return is_plugin_ || options_.Given(); }

  // Runs `command` on the cluster meant. In a program that cannot talk to one this does not return:
  // the plugin takes its place.
  ExitCode Run(const std::function<ExitCode(const cluster::Target&)>& command) const;

  // For what makes no sense on a cluster.
  static ExitCode Refuse(const std::string& what, const std::string& why);

 private:
  ExitCode BecomePlugin() const;

  char** const argv_;
  const kube::TransportFactory transports_;
  const bool is_plugin_;
  ClusterOptions options_;
};

}  // namespace fractos

#endif  // FRACTOS_CLI_CLUSTER_COMMANDS_H_
