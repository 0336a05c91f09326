#include "cli/wakeup.h"

#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <ctime>

#include "cli/exit_code.h"

namespace fractos {
namespace {

// A signal handler reaches nothing but globals.
std::atomic<Waker*> g_waker{nullptr};
std::atomic<int64_t> g_first_ms{0};  // when the first signal came; 0: none has
static_assert(std::atomic<int64_t>::is_always_lock_free &&
              std::atomic<Waker*>::is_always_lock_free);

constexpr int64_t kAgainMilliseconds = 100;

// Never 0.
int64_t NowMilliseconds() {
  timespec now = {};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000 + 1;
}

void OnSignal(int signal) {
  const int error = errno;
  const int64_t now = NowMilliseconds();
  int64_t first = 0;
  if (!g_first_ms.compare_exchange_strong(first, now) && signal == SIGINT &&
      now - first >= kAgainMilliseconds) {
    ::_exit(kExitInterrupted);
  }
  if (Waker* const waker = g_waker.load(); waker != nullptr) waker->Wake();
  errno = error;
}

constexpr std::array<int, 3> kSignals = {SIGINT, SIGTERM, SIGHUP};

}  // namespace

Wakeup::Wakeup() {
  g_waker = &waker_;
  g_first_ms = 0;
  struct sigaction action = {};
  action.sa_handler = OnSignal;
  action.sa_flags = SA_RESTART;
  for (size_t i = 0; i < kSignals.size(); ++i) {
    ::sigaction(kSignals[i], nullptr, &before_[i]);
    if (before_[i].sa_handler != SIG_IGN) ::sigaction(kSignals[i], &action, nullptr);
  }
}

Wakeup::~Wakeup() {
  for (size_t i = 0; i < kSignals.size(); ++i) ::sigaction(kSignals[i], &before_[i], nullptr);
  g_waker = nullptr;
}

void Wakeup::Notify() { waker_.Wake(); }

void Wakeup::Wait(int timeout_milliseconds) {
  pollfd event = waker_.Poll();
  ::poll(&event, 1, timeout_milliseconds);
  waker_.Clear();
}

bool Wakeup::interrupted() const { return g_first_ms.load() > 0; }

}  // namespace fractos
