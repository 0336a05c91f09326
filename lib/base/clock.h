// Time comes in from outside: production passes the system's clocks, tests and the simulator their
// own.
#ifndef FRACTOS_LIB_BASE_CLOCK_H_
#define FRACTOS_LIB_BASE_CLOCK_H_

#include <chrono>

namespace fractos {

// Monotonic time of one process; never sent to another.
using Time = std::chrono::steady_clock::time_point;
using Duration = std::chrono::nanoseconds;
// Calendar time, for records and logs that people read.
using WallTime = std::chrono::system_clock::time_point;

// Tells the time. Implementations are thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual Time Now() const = 0;
  virtual WallTime WallNow() const = 0;
};

// The machine's clocks.
class SystemClock final : public Clock {
 public:
  Time Now() const override { return std::chrono::steady_clock::now(); }
  WallTime WallNow() const override { return std::chrono::system_clock::now(); }
};

// Stands still until a test moves it. Not thread-safe.
class FakeClock final : public Clock {
 public:
  Time Now() const override { return now_; }
  WallTime WallNow() const override {
    return WallTime(std::chrono::seconds(1'700'000'000)) + since_start();
  }
  void Advance(Duration by) { now_ += std::chrono::duration_cast<Time::duration>(by); }

 private:
  std::chrono::system_clock::duration since_start() const {
    return std::chrono::duration_cast<std::chrono::system_clock::duration>(now_ - Time());
  }
  Time now_ = Time(std::chrono::hours(1));
};

}  // namespace fractos

#endif  // FRACTOS_LIB_BASE_CLOCK_H_
