// Spans of hops: of each hand-over to another process, from its first sending to its Accepted.
#ifndef FRACTOS_LIB_LINK_HOP_TRACER_H_
#define FRACTOS_LIB_LINK_HOP_TRACER_H_

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "lib/base/address.h"
#include "lib/base/clock.h"
#include "lib/base/recent_map.h"
#include "lib/protocol/message.h"
#include "lib/runtime/span.h"

namespace fractos {

// Sees what a daemon or a driver sends and receives. A hop hangs from the span of the step whose
// result it carries, which is named by that result's id, so that no process has to be told of
// another's spans; what carries none hangs from the continuation's traceparent. It keeps the last
// 4096 hand-overs, so of more of them at once some go untraced. Thread-safe.
//
// An Accepted is in no hurry, and a process that ends with the run may not live to see it: hops of
// the last seconds that are open then end with the tracer.
class HopTracer {
 public:
  // `sink` and `clock` outlive it. `self` sends.
  HopTracer(SpanSink* sink, const Clock* clock, Incarnation self)
      : sink_(sink), clock_(clock), self_(std::move(self)) {}
  ~HopTracer();
  HopTracer(const HopTracer&) = delete;
  HopTracer& operator=(const HopTracer&) = delete;

  void Sent(const Message& message);
  void Received(const Incarnation& from, const Message& message);

 private:
  struct Hop {
    Span span;
    bool ended = false;
  };
  static constexpr size_t kMost = 4096;
  // Whatever is open for longer did not arrive.
  static constexpr int64_t kLongestUs = 5'000'000;

  int64_t Now() const;

  SpanSink* const sink_;
  const Clock* const clock_;
  const Incarnation self_;
  absl::Mutex mutex_;
  RecentMap<EdgeKey, Hop> hops_ ABSL_GUARDED_BY(mutex_){kMost};
};

}  // namespace fractos

#endif  // FRACTOS_LIB_LINK_HOP_TRACER_H_
