// How long things take here and how often they happen: what the core's counters do not say.
#ifndef FRACTOS_DAEMON_METER_H_
#define FRACTOS_DAEMON_METER_H_

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "daemon/continuation/actions.h"
#include "lib/base/clock.h"
#include "lib/protocol/identity.h"
#include "lib/protocol/message.h"

namespace fractos {

// A map that forgets what was put in first when it holds more than it may. Not thread-safe.
template <typename Key, typename Value>
class RecentMap {
 public:
  explicit RecentMap(size_t most) : most_(most) {}

  // The value of `key`, made if there is none, and whether it was made.
  std::pair<Value*, bool> TryEmplace(const Key& key) {
    auto [entry, added] = values_.try_emplace(key);
    if (added) {
      order_.push_back(key);
      if (order_.size() > most_) {
        values_.erase(order_.front());
        order_.pop_front();
        entry = values_.find(key);
      }
    }
    return {&entry->second, added};
  }
  Value* Find(const Key& key) {
    auto entry = values_.find(key);
    return entry == values_.end() ? nullptr : &entry->second;
  }
  size_t size() const { return values_.size(); }

 private:
  const size_t most_;
  absl::flat_hash_map<Key, Value> values_;
  std::deque<Key> order_;
};

// Sees what a daemon sends, receives and does with its steps. It keeps the last 16,384 hand-overs
// and steps, so on a daemon with more of them under way some go unmeasured. Thread-safe.
class Meter {
 public:
  static constexpr size_t kRefusals = 5;
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
