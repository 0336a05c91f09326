#include "lib/kube/waitable_clock.h"

#include <condition_variable>
#include <mutex>

namespace fractos::kube {
namespace {

// std::, for its waits are by the monotonic clock (pthread_cond_clockwait).
class SystemAlarm final : public Alarm {
 public:
  void Ring() override {
    const std::lock_guard<std::mutex> lock(mutex_);
    rung_ = true;
    changed_.notify_one();
  }

  bool WaitUntil(Time when) override {
    std::unique_lock<std::mutex> lock(mutex_);
    const auto rung = [this] { return rung_; };
    if (when == Time::max()) {
      changed_.wait(lock, rung);
    } else {
      changed_.wait_until(lock, when, rung);
    }
    const bool was = rung_;
    rung_ = false;
    return was;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool rung_ = false;
};

}  // namespace

std::unique_ptr<Alarm> SystemWaitableClock::NewAlarm() { return std::make_unique<SystemAlarm>(); }

Time Later(Time from, Duration after) {
  return after > Time::max() - from ? Time::max() : from + after;
}

bool SleepFor(WaitableClock& clock, Duration how_long, const std::stop_token& stop) {
  const std::unique_ptr<Alarm> alarm = clock.NewAlarm();
  const std::stop_callback wake(stop, [&alarm] { alarm->Ring(); });
  if (!stop.stop_requested()) alarm->WaitUntil(Later(clock.Now(), how_long));
  return !stop.stop_requested();
}

}  // namespace fractos::kube
