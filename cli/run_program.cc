#include "cli/run_program.h"

#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace fractos {
namespace {

// Ends the child that could not become the program.
[[noreturn]] void GiveUp(const std::string& failed, int error) {
  const std::string words = absl::StrCat(failed, std::strerror(error), "\n");
  (void)!::write(STDERR_FILENO, words.data(), words.size());
  ::_exit(126);
}

}  // namespace

absl::StatusOr<int> RunProgram(const ProgramRun& run) {
  std::vector<char*> arguments;
  for (const std::string& word : run.command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  const std::string failed = absl::StrCat("cannot start ", run.command[0],
                                          run.folder.empty() ? "" : " in ", run.folder, ": ");
  const pid_t self = ::getpid();
  const pid_t child = ::fork();
  if (child < 0) return absl::ErrnoToStatus(errno, "cannot start a process");
  if (child == 0) {
    if (run.in >= 0) ::dup2(run.in, STDIN_FILENO);
    if (run.out >= 0) ::dup2(run.out, STDOUT_FILENO);
    if (run.err >= 0) ::dup2(run.err, STDERR_FILENO);
    // Nobody is left to take what it gives.
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (::getppid() != self) ::_exit(128 + SIGTERM);
    if (!run.folder.empty() && ::chdir(run.folder.c_str()) != 0) GiveUp(failed, errno);
    for (const auto& [name, value] : run.env) ::setenv(name.c_str(), value.c_str(), 1);
    ::execvp(arguments[0], arguments.data());
    if (errno != ENOENT) GiveUp(failed, errno);
    ::_exit(127);
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace fractos
