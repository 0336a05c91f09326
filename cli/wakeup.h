// What the main thread of a command waits for: something changed, or a signal asks it to end.
#ifndef FRACTOS_CLI_WAKEUP_H_
#define FRACTOS_CLI_WAKEUP_H_

#include <array>
#include <csignal>

#include "lib/runtime/waker.h"

namespace fractos {

// One to a process. SIGINT, SIGTERM and SIGHUP interrupt; one that the caller ignores, as under
// nohup, stays ignored. Ctrl-C pressed again ends the process at once with exit code 130, and the
// kernel ends its children. That is a SIGINT at least a tenth of a second after the first signal,
// and no other: coreutils' `timeout` sends its signal twice, to the command and to its group.
class Wakeup {
 public:
  Wakeup();
  // Gives the signals back the meaning that they had.
  ~Wakeup();
  Wakeup(const Wakeup&) = delete;
  Wakeup& operator=(const Wakeup&) = delete;

  // From any thread.
  void Notify();
  // Until Notify, a signal, or the time is over; negative: no bound.
  void Wait(int timeout_milliseconds);
  bool interrupted() const;

 private:
  Waker waker_;
  std::array<struct sigaction, 3> before_;
};

}  // namespace fractos

#endif  // FRACTOS_CLI_WAKEUP_H_
