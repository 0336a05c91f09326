// How long things take here and how often they happen: what the core's counters do not say.
#ifndef FRACTOS_DAEMON_METER_H_
#define FRACTOS_DAEMON_METER_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "daemon/continuation/actions.h"
#include "lib/base/clock.h"
#include "lib/base/recent_map.h"
#include "lib/protocol/identity.h"
#include "lib/protocol/message.h"

namespace fractos {

// Sees what a daemon sends, receives and does with its steps. It keeps the last 16,384 hand-overs
// and steps, so on a daemon with more of them under way some go unmeasured. Thread-safe.
class Meter {
 public:
  struct Counts {
    uint64_t handovers_sent = 0;                // each once, however often it is sent
    uint64_t handovers_received = 0;            // repeated ones included
    std::array<uint64_t, kRefusals> refused{};  // by Refusal
  };

  // `clock` outlives the meter.
  explicit Meter(const Clock* clock) : clock_(clock) {}

  void Sent(const Message& message);
  // From a hand-over's first sending to its Accepted, when `message` is that.
  std::optional<Duration> Received(const Message& message);

  void Executing(const AttemptKey& attempt, const std::string& operation);
  // The step's operation and the time from RECEIVED to COMMITTED, when it got there by executing.
  std::optional<std::pair<std::string, Duration>> Reached(const Reached& reached);

  Counts counts() const;

 private:
  using StepKey = std::pair<RunId, StepPath>;
  struct Sending {
    Time at;
    bool accepted = false;
  };
  struct Doing {
    Time received;
    std::string operation;
  };

  static constexpr size_t kMost = 16'384;

  const Clock* const clock_;
  mutable absl::Mutex mutex_;
  RecentMap<EdgeKey, Sending> sendings_ ABSL_GUARDED_BY(mutex_){kMost};
  RecentMap<StepKey, Doing> steps_ ABSL_GUARDED_BY(mutex_){kMost};
  Counts counts_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace fractos

#endif  // FRACTOS_DAEMON_METER_H_
