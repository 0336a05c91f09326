#include "cli/wakeup.h"

#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>

#include "cli/exit_code.h"

namespace fractos {
namespace {

// A signal handler reaches nothing but globals.
std::atomic<Waker*> g_waker{nullptr};
std::atomic<int> g_signals{0};
static_assert(std::atomic<int>::is_always_lock_free && std::atomic<Waker*>::is_always_lock_free);

void OnSignal(int) {
  if (g_signals.fetch_add(1) > 0) ::_exit(kExitInterrupted);
  const int error = errno;
  if (Waker* const waker = g_waker.load(); waker != nullptr) waker->Wake();
  errno = error;
}

constexpr int kSignals[] = {SIGINT, SIGTERM, SIGHUP};

}  // namespace

Wakeup::Wakeup() {
  g_waker = &waker_;
  g_signals = 0;
  struct sigaction action = {};
  action.sa_handler = OnSignal;
  action.sa_flags = SA_RESTART;
  for (const int signal : kSignals) ::sigaction(signal, &action, nullptr);
}

Wakeup::~Wakeup() {
  for (const int signal : kSignals) ::signal(signal, SIG_DFL);
  g_waker = nullptr;
}

void Wakeup::Notify() { waker_.Wake(); }

void Wakeup::Wait(int timeout_milliseconds) {
  pollfd event = waker_.Poll();
  ::poll(&event, 1, timeout_milliseconds);
  waker_.Clear();
}

bool Wakeup::interrupted() const { return g_signals.load() > 0; }

}  // namespace fractos
