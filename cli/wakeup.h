// What the main thread of a command waits for: something changed, or the user pressed Ctrl-C.
#ifndef FRACTOS_CLI_WAKEUP_H_
#define FRACTOS_CLI_WAKEUP_H_

#include "lib/runtime/waker.h"

namespace fractos {

// One to a process. The first SIGINT, SIGTERM or SIGHUP is counted; the second ends the process at
// once with exit code 130, and the kernel ends its children.
class Wakeup {
 public:
  Wakeup();
  // Gives the signals their default meaning back.
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
};

}  // namespace fractos

#endif  // FRACTOS_CLI_WAKEUP_H_
