// Time that jumps to whatever is waited for, so that a thread that waits alone never blocks.
#ifndef FRACTOS_TESTS_UNIT_LIB_KUBE_JUMPING_CLOCK_H_
#define FRACTOS_TESTS_UNIT_LIB_KUBE_JUMPING_CLOCK_H_

#include <memory>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "lib/kube/waitable_clock.h"

namespace fractos::kube {

// Thread-safe, but of use to one thread that waits.
class JumpingClock final : public WaitableClock {
 public:
  Time Now() const override {
    absl::MutexLock lock(&mutex_);
    return now_;
  }
  WallTime WallNow() const override {
    return WallTime(std::chrono::seconds(1'700'000'000)) +
           std::chrono::duration_cast<WallTime::duration>(Now() - kStart);
  }
  std::unique_ptr<Alarm> NewAlarm() override { return std::make_unique<JumpingAlarm>(this); }

  void Advance(Duration by) {
    absl::MutexLock lock(&mutex_);
    now_ += std::chrono::duration_cast<Time::duration>(by);
  }
  // How long the waits so far were.
  std::vector<Duration> waits() const {
    absl::MutexLock lock(&mutex_);
    return waits_;
  }

 private:
  static constexpr Time kStart{std::chrono::hours(1)};

  class JumpingAlarm final : public Alarm {
   public:
    explicit JumpingAlarm(JumpingClock* clock) : clock_(clock) {}
    void Ring() override {
      absl::MutexLock lock(&clock_->mutex_);
      rung_ = true;
    }
    bool WaitUntil(Time when) override {
      absl::MutexLock lock(&clock_->mutex_);
      if (!rung_ && when > clock_->now_) {
        clock_->waits_.push_back(when - clock_->now_);
        clock_->now_ = when;
      }
      return rung_;
    }

   private:
    JumpingClock* const clock_;
    bool rung_ = false;  // by the clock's lock
  };

  mutable absl::Mutex mutex_;
  Time now_ = kStart;
  std::vector<Duration> waits_;
};

}  // namespace fractos::kube

#endif  // FRACTOS_TESTS_UNIT_LIB_KUBE_JUMPING_CLOCK_H_
