#include "cli/run_program.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

namespace fractos {

absl::StatusOr<int> RunProgram(const ProgramRun& run) {
  std::vector<char*> arguments;
  for (const std::string& word : run.command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  const pid_t child = ::fork();
  if (child < 0) return absl::ErrnoToStatus(errno, "cannot start a process");
  if (child == 0) {
    if (run.in >= 0) ::dup2(run.in, STDIN_FILENO);
    if (run.out >= 0) ::dup2(run.out, STDOUT_FILENO);
    if (run.err >= 0) ::dup2(run.err, STDERR_FILENO);
    if (!run.folder.empty() && ::chdir(run.folder.c_str()) != 0) ::_exit(126);
    for (const auto& [name, value] : run.env) ::setenv(name.c_str(), value.c_str(), 1);
    ::execvp(arguments[0], arguments.data());
    ::_exit(127);
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace fractos
