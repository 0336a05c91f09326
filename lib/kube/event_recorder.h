// Events: what `kubectl describe` shows under an object. Semantics: client-go
// tools/record/event.go.
#ifndef FRACTOS_LIB_KUBE_EVENT_RECORDER_H_
#define FRACTOS_LIB_KUBE_EVENT_RECORDER_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <stop_token>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "lib/base/random.h"
#include "lib/kube/client.h"
#include "lib/kube/event_correlator.h"
#include "lib/kube/waitable_clock.h"

namespace fractos::kube {

inline const GroupVersionResource kEvents{"", "v1", "events"};

// Writes events about objects, in the background: Event never blocks and never fails, and what
// cannot be written is dropped. Nothing may depend on an event.
//
// They are core/v1 Events, not those of events.k8s.io/v1: both are one resource to the API server,
// but `kubectl describe` and `kubectl get events` take age, "x12 over 5m" and who said it from
// firstTimestamp, lastTimestamp, count and source, which only core/v1 has. Needs the rights to
// create and patch events.
//
// Thread-safe. One thread, from construction to destruction.
class EventRecorder {
 public:
  static constexpr size_t kMaxQueued = 1000;
  static constexpr int kMaxTries = 12;
  static constexpr Duration kRetry = std::chrono::seconds(10);
  static constexpr Duration kRequestTimeout = std::chrono::seconds(10);
  // How long after its end it still writes what is queued.
  static constexpr Duration kFlush = std::chrono::seconds(5);
  // Longer messages are cut; the API server refuses them in the newer kind of event.
  static constexpr size_t kMaxMessageBytes = 1024;

  struct Options {
    std::string component;  // such as "fractos-operator"
    std::string host;       // the pod
  };

  // All outlive the recorder; `random` is used on its thread alone.
  EventRecorder(Client* client, WaitableClock* clock, Random* random, Options options);
  // Tries what is queued once more, for kFlush, and ends, at the latest when a request under way
  // has timed out.
  ~EventRecorder();
  EventRecorder(const EventRecorder&) = delete;
  EventRecorder& operator=(const EventRecorder&) = delete;

  // `object` needs apiVersion, kind and name. `reason` is UpperCamelCase and one of few, for
  // programs; `message` is for people.
  void Event(const Object& object, EventType type, absl::string_view reason,
             absl::string_view message);

  struct Stats {
    uint64_t written = 0;
    uint64_t overflowed = 0;  // dropped, for too many were queued
    uint64_t filtered = 0;    // dropped as spam
    uint64_t failed = 0;      // dropped, for the API server refused it or could not be reached
  };
  Stats stats() const;
  // Why an event was last dropped for good; OK when none was.
  absl::Status last_error() const;

 private:
  void Run();
  void Write(const EventRecord& event);
  absl::Status TryWrite(const EventRecord& event, bool* update);
  Object MakeObject(const EventRecord& event) const;
  std::string MakeName(absl::string_view object, int64_t nanoseconds);

  Client* const client_;
  WaitableClock* const clock_;
  Random* const random_;
  const Options options_;
  std::stop_source stop_;

  mutable absl::Mutex mutex_;
  std::deque<EventRecord> queue_ ABSL_GUARDED_BY(mutex_);
  bool closing_ ABSL_GUARDED_BY(mutex_) = false;
  Time flush_until_ ABSL_GUARDED_BY(mutex_) = Time::max();
  int64_t last_name_ ABSL_GUARDED_BY(mutex_) = 0;
  Stats stats_ ABSL_GUARDED_BY(mutex_);
  absl::Status last_error_ ABSL_GUARDED_BY(mutex_);

  // Of the thread.
  EventCorrelator correlator_;
  std::thread thread_;
};

}  // namespace fractos::kube

#endif  // FRACTOS_LIB_KUBE_EVENT_RECORDER_H_
