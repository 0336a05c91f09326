// Wakes a thread that polls.
#ifndef FRACTOS_LIB_RUNTIME_WAKER_H_
#define FRACTOS_LIB_RUNTIME_WAKER_H_

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>

#include "lib/base/unique_fd.h"

namespace fractos {

// Wakes that come before the poll are not lost, and several are one. Wake may be called from any
// thread and, as long as the waker lives, from a signal handler; Clear by the thread that polls.
class Waker {
 public:
  Waker() : event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

  void Wake() {
    const uint64_t one = 1;
    (void)!::write(event_.get(), &one, sizeof(one));
  }
  // To be called before looking at what there is to do, so that what comes after wakes again.
  void Clear() {
    uint64_t count;
    (void)!::read(event_.get(), &count, sizeof(count));
  }
  pollfd Poll() const { return {event_.get(), POLLIN, 0}; }

 private:
  const UniqueFd event_;
};

}  // namespace fractos

#endif  // FRACTOS_LIB_RUNTIME_WAKER_H_
