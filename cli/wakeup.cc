#include "cli/wakeup.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>

#include "cli/exit_code.h"

namespace fractos {
namespace {

// A signal handler reaches nothing but globals.
std::atomic<int> g_event{-1};
std::atomic<int> g_signals{0};
static_assert(std::atomic<int>::is_always_lock_free);

void Poke(int fd) {
  const uint64_t one = 1;
  (void)!::write(fd, &one, sizeof one);
}

void OnSignal(int) {
  if (g_signals.fetch_add(1) > 0) ::_exit(kExitInterrupted);
  const int error = errno;
  Poke(g_event.load());
  errno = error;
}

constexpr int kSignals[] = {SIGINT, SIGTERM, SIGHUP};

}  // namespace

Wakeup::Wakeup() : event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  g_event = event_.get();
  g_signals = 0;
  struct sigaction action = {};
  action.sa_handler = OnSignal;
  action.sa_flags = SA_RESTART;
  for (const int signal : kSignals) ::sigaction(signal, &action, nullptr);
}

Wakeup::~Wakeup() {
  for (const int signal : kSignals) ::signal(signal, SIG_DFL);
  g_event = -1;
}

void Wakeup::Notify() { Poke(event_.get()); }

void Wakeup::Wait(int timeout_milliseconds) {
  pollfd event = {event_.get(), POLLIN, 0};
  ::poll(&event, 1, timeout_milliseconds);
  uint64_t count = 0;
  (void)!::read(event_.get(), &count, sizeof count);
}

bool Wakeup::interrupted() const { return g_signals.load() > 0; }

}  // namespace fractos
