// Time that a test moves, and threads that wait for it.
#ifndef FRACTOS_TESTS_UNIT_LIB_KUBE_FAKE_TIME_H_
#define FRACTOS_TESTS_UNIT_LIB_KUBE_FAKE_TIME_H_

#include <chrono>
#include <memory>
#include <set>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "lib/kube/waitable_clock.h"

namespace fractos::kube {

// How long a test waits, in real time, for what another thread is about to do. Only a test that
// fails waits that long.
inline constexpr absl::Duration kPatience = absl::Seconds(20);

// Stands still until a test moves it. Thread-safe.
//
// A test that moves time past a wait must know that the thread is in it, or it would move time
// first and the thread wait from there: AwaitWaiter, then Advance.
class FakeTime final : public WaitableClock {
 public:
  Time Now() const override {
    absl::MutexLock lock(&mutex_);
    return now_;
  }
  WallTime WallNow() const override {
    return WallTime(std::chrono::seconds(1'700'000'000)) +
           std::chrono::duration_cast<WallTime::duration>(Now() - Time());
  }
  std::unique_ptr<Alarm> NewAlarm() override { return std::make_unique<FakeAlarm>(this); }

  void Advance(Duration by) {
    absl::MutexLock lock(&mutex_);
    now_ += std::chrono::duration_cast<Time::duration>(by);
  }

  // Blocks until a thread waits for exactly that time. False when none does.
  bool AwaitWaiter(Time when) {
    absl::MutexLock lock(&mutex_);
    const auto there = [this, when]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
      return waits_.find(when) != waits_.end();
    };
    return mutex_.AwaitWithTimeout(absl::Condition(&there), kPatience);
  }
  bool AwaitWaiter(Duration from_now) { return AwaitWaiter(Now() + from_now); }

  // Blocks until a thread waits for a time in [from, to] from now, and says for how long it does;
  // less than 0 when none does.
  Duration AwaitWaiterWithin(Duration from, Duration to) {
    absl::MutexLock lock(&mutex_);
    Duration found{-1};
    const auto there = [&]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
      const auto at = waits_.lower_bound(now_ + from);
      if (at == waits_.end() || *at > now_ + to) return false;
      found = *at - now_;
      return true;
    };
    mutex_.AwaitWithTimeout(absl::Condition(&there), kPatience);
    return found;
  }

  // How many threads wait, be it for a ring alone.
  size_t waiters() const {
    absl::MutexLock lock(&mutex_);
    return waits_.size();
  }
  bool AwaitWaiters(size_t n) {
    absl::MutexLock lock(&mutex_);
    const auto there = [this, n]()
                           ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return waits_.size() >= n; };
    return mutex_.AwaitWithTimeout(absl::Condition(&there), kPatience);
  }

 private:
  class FakeAlarm final : public Alarm {
   public:
    explicit FakeAlarm(FakeTime* time) : time_(time) {}

    void Ring() override {
      absl::MutexLock lock(&time_->mutex_);
      rung_ = true;
      // At once, so that AwaitWaiter does not see the wait that is over.
      if (waiting_) time_->waits_.erase(wait_);
      waiting_ = false;
    }

    bool WaitUntil(Time when) override {
      absl::MutexLock lock(&time_->mutex_);
      if (!rung_ && time_->now_ < when) {
        wait_ = time_->waits_.insert(when);
        waiting_ = true;
        const auto over = [this, when]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
          return rung_ || time_->now_ >= when;
        };
        time_->mutex_.Await(absl::Condition(&over));
        if (waiting_) time_->waits_.erase(wait_);
        waiting_ = false;
      }
      const bool was = rung_;
      rung_ = false;
      return was;
    }

   private:
    FakeTime* const time_;
    // By the clock's lock.
    bool rung_ = false;
    bool waiting_ = false;
    std::multiset<Time>::iterator wait_;
  };

  mutable absl::Mutex mutex_;
  Time now_ ABSL_GUARDED_BY(mutex_) = Time(std::chrono::hours(1));
  std::multiset<Time> waits_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace fractos::kube

#endif  // FRACTOS_TESTS_UNIT_LIB_KUBE_FAKE_TIME_H_
