// Keeps a process that has much to say from flooding the API server with events. Semantics:
// client-go tools/record/events_cache.go.
#ifndef FRACTOS_LIB_KUBE_EVENT_CORRELATOR_H_
#define FRACTOS_LIB_KUBE_EVENT_CORRELATOR_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string>

#include "lib/base/clock.h"
#include "lib/kube/lru_cache.h"
#include "lib/kube/object.h"
#include "lib/kube/rate_limiter.h"

namespace fractos::kube {

enum class EventType { kNormal, kWarning };

// A core/v1 Event, as far as recorders fill it in.
struct EventRecord {
  std::string name;
  std::string ns;
  // What it is about.
  std::string object_api_version;
  std::string object_kind;
  std::string object_ns;
  std::string object_name;
  std::string object_uid;
  std::string object_resource_version;
  EventType type = EventType::kNormal;
  std::string reason;  // UpperCamelCase, for programs
  std::string message;
  // Who says so.
  std::string component;
  std::string host;
  WallTime first;
  WallTime last;
  int64_t count = 1;
};

// What becomes of each event:
//
//   * The same event again (all but its times) is one with a higher count.
//   * From the 10th different message on, within 10 min of the last, events that differ by message
//     alone are one, "(combined from similar events): " and the newest message.
//   * 25 events of one type about one object at once, then one every 5 min; others are dropped.
//
// Remembers the 4096 it used last of each. Not thread-safe.
class EventCorrelator {
 public:
  static constexpr size_t kCacheSize = 4096;
  static constexpr size_t kMaxSimilar = 10;
  static constexpr Duration kSimilarInterval = std::chrono::seconds(600);
  static constexpr int kSpamBurst = 25;
  static constexpr Duration kSpamInterval = std::chrono::seconds(300);

  // `clock` outlives it.
  explicit EventCorrelator(const Clock* clock) : clock_(clock) {}

  // What to write for `event`: one to create when its count is 1, else one to update. None: drop.
  std::optional<EventRecord> Correlate(EventRecord event);

 private:
  struct Similar {
    std::set<std::string> messages;  // at most kMaxSimilar
    Time last;
  };
  struct Seen {
    std::string name;
    WallTime first;
    int64_t count = 0;
  };

  // Makes one of similar events. Returns what to know the result by.
  std::string Aggregate(EventRecord* event);
  void Count(const std::string& key, EventRecord* event);

  const Clock* const clock_;
  LruCache<Similar> similar_{kCacheSize};
  LruCache<Seen> seen_{kCacheSize};
  LruCache<TokenBucket> spam_{kCacheSize};
};

}  // namespace fractos::kube

#endif  // FRACTOS_LIB_KUBE_EVENT_CORRELATOR_H_
