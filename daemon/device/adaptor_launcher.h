// How a Device gets an adaptor process to talk to.
#ifndef FRACTOS_DAEMON_DEVICE_ADAPTOR_LAUNCHER_H_
#define FRACTOS_DAEMON_DEVICE_ADAPTOR_LAUNCHER_H_

#include <sys/types.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "lib/base/unique_fd.h"
#include "lib/runtime/child_process.h"

namespace fractos {

// Starts adaptors, one at a time. Used by one thread.
class AdaptorLauncher {
 public:
  virtual ~AdaptorLauncher() = default;

  // Starts an adaptor and returns our end of its socket. `on_exit` is called once, on any thread,
  // when it has ended, and says how. NotFound and PermissionDenied mean that trying again is no use
  // until somebody mends the command.
  virtual absl::StatusOr<UniqueFd> Launch(std::function<void(std::string how)> on_exit) = 0;

  // Ends the adaptor launched last, and all that it started, at once. Allowed after its end.
  virtual void Kill() = 0;

  // A descriptor that is readable when there is an adaptor for Launch to give, for launchers that
  // wait for adaptors rather than start them; -1: Launch starts one at any time.
  virtual int Incoming() const { return -1; }
};

// Adaptors as child processes: a process group of their own, no new privileges, killed by the
// kernel when this process ends. They find their socket's number in FRACTOS_ADAPTOR_FD.
class ProcessLauncher final : public AdaptorLauncher {
 public:
  struct Options {
    std::vector<std::string> command;
    std::vector<std::pair<std::string, std::string>> env;
    std::string working_directory;  // empty: ours
  };

  // `children` outlives the launcher.
  ProcessLauncher(Options options, ChildProcesses* children);
  ~ProcessLauncher() override { Kill(); }

  absl::StatusOr<UniqueFd> Launch(std::function<void(std::string how)> on_exit) override;
  void Kill() override;

 private:
  const Options options_;
  ChildProcesses* const children_;
  pid_t child_ = 0;
};

}  // namespace fractos

#endif  // FRACTOS_DAEMON_DEVICE_ADAPTOR_LAUNCHER_H_
