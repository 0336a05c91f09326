// Time that one can wait for: what the queue, the reflector, the elector and the recorder do with a
// clock besides reading it. Tests bring their own time, so that no test sleeps.
#ifndef FRACTOS_LIB_KUBE_WAITABLE_CLOCK_H_
#define FRACTOS_LIB_KUBE_WAITABLE_CLOCK_H_

#include <memory>
#include <stop_token>

#include "lib/base/clock.h"

namespace fractos::kube {

// One thread's wait for a time, or for word from another thread, whichever comes first.
//
// Not a condition on an absl::Mutex with a deadline: Abseil counts those by the wall clock, and a
// clock set back by an hour would keep a leader from renewing for an hour.
class Alarm {
 public:
  virtual ~Alarm() = default;
  // Wakes the thread in WaitUntil, or the next one to call it: a ring is never lost, several are
  // one. From any thread.
  virtual void Ring() = 0;
  // Blocks until Ring or until Now() >= `when`; Time::max() waits for a ring alone. True if it
  // rang. One thread at a time.
  virtual bool WaitUntil(Time when) = 0;
};

// Thread-safe. Outlives its alarms.
class WaitableClock : public Clock {
 public:
  virtual std::unique_ptr<Alarm> NewAlarm() = 0;
};

// The machine's clocks; waits by the monotonic one.
class SystemWaitableClock final : public WaitableClock {
 public:
  Time Now() const override { return std::chrono::steady_clock::now(); }
  WallTime WallNow() const override { return std::chrono::system_clock::now(); }
  std::unique_ptr<Alarm> NewAlarm() override;
};

// `from` + `after`, but no later than Time::max().
Time Later(Time from, Duration after);

// Blocks for `how_long` or until `stop`. False if stopped first.
bool SleepFor(WaitableClock& clock, Duration how_long, const std::stop_token& stop);

}  // namespace fractos::kube

#endif  // FRACTOS_LIB_KUBE_WAITABLE_CLOCK_H_
