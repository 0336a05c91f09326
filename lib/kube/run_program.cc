// Not by lib/runtime's ChildProcesses, whose children lead process groups of their own: a program
// that asks somebody must be in the terminal's.
#include "lib/kube/run_program.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <map>
#include <stop_token>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "lib/base/unique_fd.h"

namespace fractos::kube {
namespace {

constexpr size_t kMaxPrinted = 1 << 20;

std::vector<std::string> Environment(const std::vector<std::pair<std::string, std::string>>& env) {
  std::map<std::string, std::string> merged;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    std::pair<std::string, std::string> pair = absl::StrSplit(*entry, absl::MaxSplits('=', 1));
    merged.insert(std::move(pair));
  }
  for (const auto& [name, value] : env) merged[name] = value;
  std::vector<std::string> entries;
  entries.reserve(merged.size());
  for (const auto& [name, value] : merged) entries.push_back(absl::StrCat(name, "=", value));
  return entries;
}

std::vector<char*> Pointers(std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  pointers.reserve(strings.size() + 1);
  for (std::string& string : strings) pointers.push_back(string.data());
  pointers.push_back(nullptr);
  return pointers;
}

absl::StatusOr<pid_t> Spawn(std::vector<std::string> command, std::vector<std::string> env,
                            bool interactive, int output) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawnattr_init(&attributes);
  if (!interactive) {
    ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  }
  ::posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
  ::posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
  sigset_t none, all;
  ::sigemptyset(&none);
  ::sigfillset(&all);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setsigdefault(&attributes, &all);
  ::posix_spawnattr_setpgroup(&attributes, 0);
  ::posix_spawnattr_setflags(&attributes,
                             static_cast<short>(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                                (interactive ? 0 : POSIX_SPAWN_SETPGROUP)));
  pid_t pid = -1;
  const int error = ::posix_spawnp(&pid, command[0].c_str(), &actions, &attributes,
                                   Pointers(command).data(), Pointers(env).data());
  ::posix_spawn_file_actions_destroy(&actions);
  ::posix_spawnattr_destroy(&attributes);
  if (error != 0) return absl::ErrnoToStatus(error, "cannot be started");
  return pid;
}

// Until the program has ended: what it starts may keep its output open for ever.
absl::Status Drain(const Context& context, int output, int process, int stopped,
                   std::string& printed) {
  for (;;) {
    int timeout = -1;
    if (context.deadline != Time::max()) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(
          context.deadline - std::chrono::steady_clock::now());
      if (left.count() <= 0) return absl::DeadlineExceededError("it took too long");
      timeout = static_cast<int>(std::min<int64_t>(left.count(), INT_MAX));
    }
    pollfd polled[] = {{output, POLLIN, 0}, {process, POLLIN, 0}, {stopped, POLLIN, 0}};
    if (::poll(polled, 3, timeout) < 0 && errno != EINTR) {
      return absl::ErrnoToStatus(errno, "poll");
    }
    if (polled[2].revents != 0) return absl::CancelledError("stopped");
    const bool ended = polled[1].revents != 0;
    for (;;) {
      char bytes[4096];
      const ssize_t got = ::read(output, bytes, sizeof(bytes));
      if (got <= 0) {
        // At its end it would be readable for ever.
        if (got == 0) output = -1;
        break;
      }
      printed.append(bytes, static_cast<size_t>(got));
      if (printed.size() > kMaxPrinted) return absl::ResourceExhaustedError("it prints too much");
    }
    if (ended) return absl::OkStatus();
  }
}

}  // namespace

absl::StatusOr<std::string> RunProgram(const Context& context,
                                       const std::vector<std::string>& command,
                                       const std::vector<std::pair<std::string, std::string>>& env,
                                       bool interactive) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return absl::ErrnoToStatus(errno, "pipe");
  const UniqueFd ours(ends[0]);
  UniqueFd theirs(ends[1]);
  ::fcntl(ours.get(), F_SETFL, O_NONBLOCK);
  const UniqueFd stopped(::eventfd(0, EFD_CLOEXEC));
  if (!stopped.valid()) return absl::ErrnoToStatus(errno, "eventfd");
  const std::stop_callback wake(context.stop, [&stopped] {
    const uint64_t one = 1;
    (void)!::write(stopped.get(), &one, sizeof(one));
  });
  const absl::StatusOr<pid_t> pid = Spawn(command, Environment(env), interactive, theirs.get());
  if (!pid.ok()) return pid.status();
  theirs.Reset();
  const UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, *pid, 0)));
  std::string printed;
  const absl::Status drained =
      process.valid() ? Drain(context, ours.get(), process.get(), stopped.get(), printed)
                      : absl::ErrnoToStatus(errno, "pidfd_open");
  // Not reaped yet, so its number, and its group's, are still its own. When it has ended well, what
  // it left running was meant to go on: some cache tokens in a process of their own.
  if (!drained.ok()) ::kill(interactive ? *pid : -*pid, SIGKILL);
  int status = 0;
  while (::waitpid(*pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (!drained.ok()) return drained;
  if (WIFSIGNALED(status)) {
    return absl::UnknownError(absl::StrCat("killed by signal ", WTERMSIG(status)));
  }
  if (WEXITSTATUS(status) != 0) {
    return absl::UnknownError(absl::StrCat("failed with exit code ", WEXITSTATUS(status)));
  }
  return printed;
}

}  // namespace fractos::kube
