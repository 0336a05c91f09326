#include "lib/runtime/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <optional>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "lib/base/unique_fd.h"
#include "lib/runtime/waker.h"

namespace fractos {
namespace {

// Everything the child needs between fork and exec, where nothing may be allocated: other threads
// may have held the allocator's lock at the fork.
struct Prepared {
  std::string program;
  std::vector<std::string> strings;
  std::vector<char*> argv;
  std::vector<char*> envp;
  std::vector<std::pair<int, int>> descriptors;  // by the child's number
  std::vector<int> moved;                        // room for as many
  int out_of_the_way = 3;                        // none of the child's is this high
};

std::string AbsolutePath(const std::string& path) {
  if (path.empty() || path.front() == '/') return path;
  std::string buffer(4096, '\0');
  if (::getcwd(buffer.data(), buffer.size()) == nullptr) return path;
  return absl::StrCat(buffer.c_str(), "/", path);
}

bool IsProgram(const std::string& path) {
  struct stat info;
  return ::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode) &&
         ::access(path.c_str(), X_OK) == 0;
}

absl::StatusOr<std::string> FindProgram(const std::string& name) {
  if (name.find('/') != std::string::npos) {
    // Ours, not the child's working directory.
    std::string path = AbsolutePath(name);
    if (IsProgram(path)) return path;
    return absl::NotFoundError(absl::StrCat("no program at ", name));
  }
  const char* path = ::getenv("PATH");
  for (absl::string_view folder : absl::StrSplit(path == nullptr ? "/usr/bin:/bin" : path, ':')) {
    std::string candidate = AbsolutePath(absl::StrCat(folder.empty() ? "." : folder, "/", name));
    if (IsProgram(candidate)) return candidate;
  }
  return absl::NotFoundError(absl::StrCat("no program \"", name, "\" in PATH"));
}

absl::StatusOr<Prepared> Prepare(const ChildSpec& spec) {
  if (spec.command.empty()) return absl::InvalidArgumentError("a command names a program");
  absl::StatusOr<std::string> program = FindProgram(spec.command.front());
  if (!program.ok()) return program.status();
  Prepared prepared;
  prepared.program = *std::move(program);
  prepared.strings = spec.command;
  std::map<std::string, std::string> env;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    std::pair<std::string, std::string> pair = absl::StrSplit(*entry, absl::MaxSplits('=', 1));
    env.insert(std::move(pair));
  }
  for (const auto& [name, value] : spec.env) env[name] = value;
  for (const auto& [name, value] : env) prepared.strings.push_back(absl::StrCat(name, "=", value));
  for (size_t i = 0; i < prepared.strings.size(); ++i) {
    (i < spec.command.size() ? prepared.argv : prepared.envp).push_back(prepared.strings[i].data());
  }
  prepared.argv.push_back(nullptr);
  prepared.envp.push_back(nullptr);
  prepared.descriptors = spec.descriptors;
  prepared.moved.resize(spec.descriptors.size());
  for (const auto& [ours, theirs] : spec.descriptors) {
    prepared.out_of_the_way = std::max(prepared.out_of_the_way, theirs + 1);
  }
  return prepared;
}

// Runs in the child: only async-signal-safe calls. Returns when something failed, with errno;
// `error_pipe` may have another number then.
void ExecuteInChild(const ChildSpec& spec, Prepared& prepared, pid_t parent, int* error_pipe) {
  ::setpgid(0, 0);
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return;
  if (::getppid() != parent) ::_exit(127);  // it died before we asked to be told
  for (int signal = 1; signal < NSIG; ++signal) ::signal(signal, SIG_DFL);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  // Out of the way first, for one's target may be another's source.
  const int pipe = ::fcntl(*error_pipe, F_DUPFD_CLOEXEC, prepared.out_of_the_way);
  if (pipe < 0) return;
  *error_pipe = pipe;
  for (size_t i = 0; i < prepared.descriptors.size(); ++i) {
    prepared.moved[i] =
        ::fcntl(prepared.descriptors[i].first, F_DUPFD_CLOEXEC, prepared.out_of_the_way);
    if (prepared.moved[i] < 0) return;
  }
  if (::close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) != 0) return;
  for (size_t i = 0; i < prepared.descriptors.size(); ++i) {
    if (::dup2(prepared.moved[i], prepared.descriptors[i].second) < 0) return;
  }
  if (!spec.working_directory.empty() && ::chdir(spec.working_directory.c_str()) != 0) return;
  if (spec.no_new_privileges && ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return;
  ::execve(prepared.program.c_str(), prepared.argv.data(), prepared.envp.data());
}

// To the child's group, and to the child itself, which may have left it. Only for a child that is
// not reaped yet, so that the number is still its own. Nobody is asked to end twice.
void Signal(pid_t pid, int signal) {
  ::kill(-pid, signal);
  if (signal == SIGKILL || ::getpgid(pid) != pid) ::kill(pid, signal);
}

struct Child {
  UniqueFd pidfd;
  std::function<void(ChildExit)> on_exit;
  std::optional<Time> kill_at;
};

}  // namespace

std::string ChildExit::ToString() const {
  if (signal != 0) return absl::StrCat("killed by signal ", signal, " (", ::strsignal(signal), ")");
  return absl::StrCat("exit code ", code);
}

class ChildProcesses::Impl {
 public:
  Impl() : thread_([this] { Serve(); }) {}

  ~Impl() {
    {
      absl::MutexLock lock(&mutex_);
      stopping_ = true;
    }
    waker_.Wake();
    thread_.join();
  }

  absl::StatusOr<pid_t> Start(const ChildSpec& spec, std::function<void(ChildExit)> on_exit) {
    Request request{&spec, std::move(on_exit), absl::UnknownError("not started"), {}};
    {
      absl::MutexLock lock(&mutex_);
      requests_.push_back(&request);
    }
    waker_.Wake();
    request.done.WaitForNotification();
    return request.result;
  }

  void Terminate(pid_t pid, Duration grace) {
    {
      absl::MutexLock lock(&mutex_);
      auto child = children_.find(pid);
      if (child == children_.end()) return;
      Signal(pid, SIGTERM);
      const Time at = std::chrono::steady_clock::now() + grace;
      if (!child->second.kill_at.has_value() || at < *child->second.kill_at) {
        child->second.kill_at = at;
      }
    }
    waker_.Wake();
  }

  void Kill(pid_t pid) {
    absl::MutexLock lock(&mutex_);
    if (children_.contains(pid)) Signal(pid, SIGKILL);
  }

 private:
  struct Request {
    const ChildSpec* spec;
    std::function<void(ChildExit)> on_exit;
    absl::StatusOr<pid_t> result;
    absl::Notification done;
  };

  void Serve() {
    while (true) {
      std::vector<Request*> requests;
      std::vector<pollfd> polled{waker_.Poll()};
      std::vector<pid_t> pids;
      int timeout = -1;
      {
        absl::MutexLock lock(&mutex_);
        requests.swap(requests_);
        if (stopping_ && requests.empty()) break;
        const Time now = std::chrono::steady_clock::now();
        for (auto& [pid, child] : children_) {
          polled.push_back({child.pidfd.get(), POLLIN, 0});
          pids.push_back(pid);
          if (!child.kill_at.has_value()) continue;
          if (*child.kill_at <= now) {
            Signal(pid, SIGKILL);
            child.kill_at.reset();
            continue;
          }
          const auto left = std::chrono::ceil<std::chrono::milliseconds>(*child.kill_at - now);
          const int wait = static_cast<int>(std::min<int64_t>(left.count(), 60'000));
          timeout = timeout < 0 ? wait : std::min(timeout, wait);
        }
      }
      if (!requests.empty()) {
        for (Request* request : requests) {
          request->result = Fork(*request);
          request->done.Notify();
        }
        continue;
      }
      if (::poll(polled.data(), polled.size(), timeout) <= 0) continue;
      if (polled[0].revents != 0) waker_.Clear();
      for (size_t i = 0; i < pids.size(); ++i) {
        if (polled[i + 1].revents != 0) Reap(pids[i], /*tell=*/true);
      }
    }
    std::vector<pid_t> left;
    {
      absl::MutexLock lock(&mutex_);
      for (auto& [pid, child] : children_) {
        Signal(pid, SIGKILL);
        left.push_back(pid);
      }
    }
    for (pid_t pid : left) Reap(pid, /*tell=*/false);
  }

  absl::StatusOr<pid_t> Fork(Request& request) {
    absl::StatusOr<Prepared> prepared = Prepare(*request.spec);
    if (!prepared.ok()) return prepared.status();
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return absl::ErrnoToStatus(errno, "pipe2");
    UniqueFd read_end(ends[0]), write_end(ends[1]);
    const pid_t self = ::getpid();
    const pid_t pid = ::fork();
    if (pid < 0) return absl::ErrnoToStatus(errno, "fork");
    if (pid == 0) {
      int error_pipe = write_end.get();
      ExecuteInChild(*request.spec, *prepared, self, &error_pipe);
      const int error = errno;
      (void)!::write(error_pipe, &error, sizeof(error));
      ::_exit(127);
    }
    ::setpgid(pid, pid);  // both sides do it, so it is done whoever comes first
    write_end.Reset();
    int error = 0;
    ssize_t got;
    do {
      got = ::read(read_end.get(), &error, sizeof(error));
    } while (got < 0 && errno == EINTR);
    if (got != 0) {
      ::waitpid(pid, nullptr, 0);
      return absl::ErrnoToStatus(error, absl::StrCat("cannot execute ", prepared->program));
    }
    UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    if (!pidfd.valid()) {
      const int open_error = errno;
      Signal(pid, SIGKILL);
      ::waitpid(pid, nullptr, 0);
      return absl::ErrnoToStatus(open_error, "pidfd_open");
    }
    absl::MutexLock lock(&mutex_);
    children_[pid] = Child{std::move(pidfd), std::move(request.on_exit), std::nullopt};
    return pid;
  }

  void Reap(pid_t pid, bool tell) {
    siginfo_t info{};
    // The number stays taken while what else is in the group is killed.
    while (::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT) != 0) {
      if (errno != EINTR) break;
    }
    Signal(pid, SIGKILL);
    std::function<void(ChildExit)> on_exit;
    {
      absl::MutexLock lock(&mutex_);
      auto child = children_.find(pid);
      on_exit = std::move(child->second.on_exit);
      children_.erase(child);
      ::waitpid(pid, nullptr, 0);
    }
    ChildExit exit;
    (info.si_code == CLD_EXITED ? exit.code : exit.signal) = info.si_status;
    if (tell && on_exit != nullptr) on_exit(exit);
  }

  Waker waker_;
  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<Request*> requests_ ABSL_GUARDED_BY(mutex_);
  std::map<pid_t, Child> children_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;  // last: it uses the others
};

ChildProcesses::ChildProcesses() : impl_(std::make_unique<Impl>()) {}
ChildProcesses::~ChildProcesses() = default;
absl::StatusOr<pid_t> ChildProcesses::Start(const ChildSpec& spec,
                                            std::function<void(ChildExit)> on_exit) {
  return impl_->Start(spec, std::move(on_exit));
}
void ChildProcesses::Terminate(pid_t child, Duration grace) { impl_->Terminate(child, grace); }
void ChildProcesses::Kill(pid_t child) { impl_->Kill(child); }

}  // namespace fractos
