// Child processes: daemons that fractosctl starts, adaptors that a daemon starts.
#ifndef FRACTOS_LIB_RUNTIME_CHILD_PROCESS_H_
#define FRACTOS_LIB_RUNTIME_CHILD_PROCESS_H_

#include <sys/types.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "lib/base/clock.h"

namespace fractos {

struct ChildSpec {
  std::vector<std::string> command;  // the first is looked up in PATH unless it holds a slash
  std::vector<std::pair<std::string, std::string>> env;  // added to our own, replacing equal names
  std::string working_directory;                         // empty: ours
  // {ours, the child's}: descriptors it inherits. Every other one above 2 is closed in the child;
  // 0, 1 and 2 are ours unless named here. Ours stay open here and need no particular flags.
  std::vector<std::pair<int, int>> descriptors;
  bool no_new_privileges = false;  // set-user-id programs do not work in it
};

// How a child ended.
struct ChildExit {
  int code = 0;                  // meaningful when signal is 0
  int signal = 0;                // not 0: what killed it
  std::string ToString() const;  // "exit code 3", "killed by signal 9 (Killed)"
};

// The children of one process. Each leads a process group of its own, so what it starts is
// signalled with it, and no child outlives this object, nor this process however that ends: the
// kernel kills it when the thread that forked it goes (PR_SET_PDEATHSIG), which is why one thread
// in here forks them all and also waits for them. (A child's own children are not covered when this
// process is killed; they are whenever the child ends or is killed by this object.) Thread-safe.
class ChildProcesses {
 public:
  ChildProcesses();
  // Kills what is left, groups and all, and waits. `on_exit` is not called for these.
  ~ChildProcesses();
  ChildProcesses(const ChildProcesses&) = delete;
  ChildProcesses& operator=(const ChildProcesses&) = delete;

  // Starts a child and returns its process id; blocks until it executes its program. NotFound or
  // PermissionDenied when there is no such program or directory. `on_exit` is called once, on the
  // thread in here, when the child has ended and whatever else was in its group has been killed; it
  // may Start another only from elsewhere, so it usually posts to an EventLoop.
  absl::StatusOr<pid_t> Start(const ChildSpec& spec, std::function<void(ChildExit)> on_exit);

  // SIGTERM to it and its group, SIGKILL after `grace`. Nothing happens if it has ended already.
  void Terminate(pid_t child, Duration grace);
  // SIGKILL to it and its group.
  void Kill(pid_t child);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace fractos

#endif  // FRACTOS_LIB_RUNTIME_CHILD_PROCESS_H_
