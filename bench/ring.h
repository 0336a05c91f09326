// What the two bare rings share: eight processes, each passing on what it gets to the next. They
// say what this machine can do, so that FractOS's own chain of eight daemons can be held against
// it.
#ifndef FRACTOS_BENCH_RING_H_
#define FRACTOS_BENCH_RING_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace fractos {

inline constexpr int kRingSize = 8;
inline constexpr size_t kRingMessageBytes = 64;
inline constexpr int kRingInFlight = 64;

// Drives the measurement from the first process of a ring: it is told when a message has come round
// and says when to send one.
class RingMeter {
 public:
  // `send` puts one message into the ring.
  explicit RingMeter(std::function<void()> send) : send_(std::move(send)) {}
  void Start() { Launch(); }
  // A message has come round. Returns whether the measurement goes on.
  bool Arrived();
  // One JSON line per measure: {"measure": ..., "value": ..., "unit": ...}.
  void Print(const std::string& ring) const;

 private:
  void Launch();

  const std::function<void()> send_;
  int64_t launched_ = 0;  // nanoseconds
  int64_t flood_started_ = 0, flood_ended_ = 0;
  std::vector<int64_t> rounds_;
  int64_t arrivals_ = 0;  // of the flood
  bool flooding_ = false;
};

// Runs `node(i)` in a process of its own for each i; returns node 0's exit code after ending the
// others. A child never outlives this process.
int RunRing(const std::function<int(int)>& node);

}  // namespace fractos

#endif  // FRACTOS_BENCH_RING_H_
