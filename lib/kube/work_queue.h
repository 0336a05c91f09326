// The queue between what changed and who reconciles it. Semantics: client-go util/workqueue
// queue.go, delaying_queue.go and rate_limiting_queue.go, its three layers in one class.
#ifndef FRACTOS_LIB_KUBE_WORK_QUEUE_H_
#define FRACTOS_LIB_KUBE_WORK_QUEUE_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <tuple>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "lib/kube/rate_limiter.h"
#include "lib/kube/waitable_clock.h"

namespace fractos::kube {

// Told what a queue does, for the workqueue_* metrics: adds_total, depth, queue_duration_seconds,
// work_duration_seconds, retries_total (unfinished_work_seconds and
// longest_running_processor_seconds are WorkQueue::UnfinishedWork, asked for when scraped). Called
// with the queue's lock held: must not call the queue, nor block.
class WorkQueueMetrics {
 public:
  virtual ~WorkQueueMetrics() = default;
  virtual void OnAdd() = 0;
  // Keys that wait for a worker, after each change.
  virtual void OnDepth(size_t depth) = 0;
  // A worker got a key this long after it was added.
  virtual void OnGet(Duration queued) = 0;
  // A worker was done with a key after this long.
  virtual void OnDone(Duration worked) = 0;
  // AddAfter or AddRateLimited was called.
  virtual void OnRetry() = 0;
};

// A queue of keys ("namespace/name", or just "name"). Promises:
//
//   * A key that waits is there once, however often it was added: whoever gets it looks at the
//     newest state, so older reasons to look are covered.
//   * Two workers never have the same key at a time.
//   * A key added while a worker has it comes again once that worker is done with it.
//   * First added, first got, save that a key which is being worked on waits for its Done.
//   * After ShutDown nothing is added, what waits is still handed out, and then every Get ends.
//
// Workers call Get, do the work, then Done with the same key, always; and before Done either Forget
// (it went well, or will never) or AddRateLimited (try again).
//
// Thread-safe. Owns one thread, for what is added later; the destructor shuts down and joins it,
// and requires that no other call is under way.
class WorkQueue {
 public:
  struct Options {
    // Outlives the queue.
    WaitableClock* clock = nullptr;
    // None: DefaultControllerRateLimiter.
    std::unique_ptr<RateLimiter> rate_limiter;
    // May be null; outlives the queue.
    WorkQueueMetrics* metrics = nullptr;
  };
  explicit WorkQueue(Options options);
  ~WorkQueue();
  WorkQueue(const WorkQueue&) = delete;
  WorkQueue& operator=(const WorkQueue&) = delete;

  void Add(absl::string_view key);
  // Adds `key` once `delay` has passed; at once if it is 0 or less. A key waits only once: a second
  // AddAfter can shorten its wait, never lengthen it. Add does not end the wait.
  void AddAfter(absl::string_view key, Duration delay);
  // AddAfter what the rate limiter says; counts as a failure of `key`.
  void AddRateLimited(absl::string_view key);
  // `key` no longer counts as failing.
  void Forget(absl::string_view key) { rate_limiter_->Forget(key); }
  int NumRequeues(absl::string_view key) const { return rate_limiter_->NumRequeues(key); }

  // Blocks until there is a key; none once the queue is shut down and empty.
  std::optional<std::string> Get();
  void Done(absl::string_view key);

  // Keys that wait for a worker; for information only.
  size_t Len() const;

  // Ends a ShutDownWithDrain on another thread, too. What AddAfter put off is dropped.
  void ShutDown();
  // ShutDown, and blocks until every key has been worked on, those that still wait included, or
  // ShutDown is called. (client-go's waits only for the keys that workers have at that moment.)
  void ShutDownWithDrain();
  bool ShuttingDown() const;

  struct Unfinished {
    Duration total{};    // the sum over all keys that workers have, so far
    Duration longest{};  // the longest of them
  };
  Unfinished UnfinishedWork() const;

 private:
  void AddLocked(std::string key) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void PushLocked(std::string key) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The thread that adds what was put off.
  void AddWhenReady();
  // Adds what is ready by now, and says when the next will be; nothing when shutting down.
  std::optional<Time> AddReady();

  WaitableClock* const clock_;
  const std::unique_ptr<RateLimiter> rate_limiter_;
  WorkQueueMetrics* const metrics_;
  const std::unique_ptr<Alarm> alarm_;

  mutable absl::Mutex mutex_;
  // Every key here is in `dirty_` and not in `processing_`.
  std::deque<std::string> queue_ ABSL_GUARDED_BY(mutex_);
  // Keys to be worked on, and when they were first added.
  absl::flat_hash_map<std::string, Time> dirty_ ABSL_GUARDED_BY(mutex_);
  // Keys that workers have, and since when.
  absl::flat_hash_map<std::string, Time> processing_ ABSL_GUARDED_BY(mutex_);
  bool shutting_down_ ABSL_GUARDED_BY(mutex_) = false;
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;

  // What was put off: by time, and by order of arrival among equals. An ordered set rather than a
  // heap, since entries move forward when a wait is shortened.
  struct Waiting {
    Time ready_at;
    uint64_t order;
    std::string key;
    bool operator<(const Waiting& other) const {
      return std::tie(ready_at, order) < std::tie(other.ready_at, other.order);
    }
  };
  std::set<Waiting> waiting_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<std::string, std::set<Waiting>::iterator> waiting_of_ ABSL_GUARDED_BY(mutex_);
  uint64_t next_order_ ABSL_GUARDED_BY(mutex_) = 0;

  std::thread thread_;
};

}  // namespace fractos::kube

#endif  // FRACTOS_LIB_KUBE_WORK_QUEUE_H_
