#include "daemon/device/adaptor_launcher.h"

#include <errno.h>
#include <sys/socket.h>

#include <cstring>

#include "absl/strings/str_cat.h"

namespace fractos {
namespace {

constexpr int kAdaptorDescriptor = 3;

}  // namespace

ProcessLauncher::ProcessLauncher(Options options, ChildProcesses* children)
    : options_(std::move(options)), children_(children) {}

absl::StatusOr<UniqueFd> ProcessLauncher::Launch(std::function<void(std::string how)> on_exit) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    return absl::ResourceExhaustedError(
        absl::StrCat("cannot make a socket for the adaptor: ", strerror(errno)));
  }
  UniqueFd ours(ends[0]);
  UniqueFd theirs(ends[1]);
  ChildSpec spec;
  spec.command = options_.command;
  spec.env = options_.env;
  spec.env.emplace_back("FRACTOS_ADAPTOR_FD", absl::StrCat(kAdaptorDescriptor));
  spec.working_directory = options_.working_directory;
  spec.descriptors.emplace_back(theirs.get(), kAdaptorDescriptor);
  spec.no_new_privileges = true;
  absl::StatusOr<pid_t> child = children_->Start(
      spec, [on_exit = std::move(on_exit)](const ChildExit& exit) { on_exit(exit.ToString()); });
  if (!child.ok()) return child.status();
  child_ = *child;
  return ours;
}

void ProcessLauncher::Kill() {
  if (child_ != 0) children_->Kill(child_);
}

}  // namespace fractos
