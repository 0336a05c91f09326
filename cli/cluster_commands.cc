#include "cli/cluster_commands.h"

#include <unistd.h>

#include <cerrno>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "cli/cluster/connection.h"
#include "cli/complain.h"
#include "cli/paths.h"

namespace fractos {
namespace {

constexpr char kPlugin[] = "kubectl-fractos";
constexpr char kGroup[] = "On a cluster";

}  // namespace

ClusterCommands::ClusterCommands(char** argv, kube::TransportFactory transports)
    : argv_(argv), transports_(std::move(transports)), is_plugin_(IsKubectlPlugin(argv[0])) {}

void ClusterCommands::AddPlace(CLI::App* command, bool lists) {
  command->add_option("-n,--namespace", options_.ns, "The namespace to work in")
      ->type_name("NAME")
      ->group(kGroup);
  if (lists) {
    command->add_flag("-A,--all-namespaces", options_.all_namespaces, "All namespaces")
        ->group(kGroup);
  }
  command->add_option("--context", options_.context, "The context of the kubeconfig to use")
      ->type_name("NAME")
      ->group(kGroup);
  command
      ->add_option("--kubeconfig", options_.kubeconfig,
                   "Instead of what $KUBECONFIG lists, or ~/.kube/config")
      ->type_name("FILE")
      ->group(kGroup);
}

ExitCode ClusterCommands::Run(
    const std::function<ExitCode(const cluster::Target&)>& command) const {
  if (transports_ == nullptr) return BecomePlugin();
  const absl::StatusOr<std::unique_ptr<cluster::Connection>> connection =
      cluster::Connection::Open(options_, transports_);
  if (!connection.ok()) return Complain(connection.status(), kExitBadInput);
  return command((*connection)->target());
}

ExitCode ClusterCommands::Refuse(const std::string& what, const std::string& why) {
  return Complain(absl::InvalidArgumentError(absl::StrCat(what, ": ", why)), kExitBadInput);
}

ExitCode ClusterCommands::BecomePlugin() const {
  const absl::StatusOr<std::string> program = FindProgram(kPlugin);
  if (!program.ok()) return Complain(program.status());
  std::string name = kPlugin;
  argv_[0] = name.data();
  ::execv(program->c_str(), argv_);
  return Complain(absl::ErrnoToStatus(errno, absl::StrCat("cannot start ", *program)));
}

}  // namespace fractos
