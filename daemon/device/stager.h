// A small pool for work that blocks: sealing and hashing what adaptors answer.
#ifndef FRACTOS_DAEMON_DEVICE_STAGER_H_
#define FRACTOS_DAEMON_DEVICE_STAGER_H_

#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace fractos {

// Runs tasks on up to `max_threads` threads, which start when first needed: a daemon that only sees
// small values has none. Thread-safe. The queue is bounded by the executions in flight, one task
// each.
class Stager {
 public:
  explicit Stager(size_t max_threads) : max_threads_(max_threads) {}
  // Waits for the tasks that run; those still queued are destroyed unrun.
  ~Stager();
  Stager(const Stager&) = delete;
  Stager& operator=(const Stager&) = delete;

  void Post(std::function<void()> task);

 private:
  void Work();
  bool Due() const ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return stopping_ || !tasks_.empty(); }

  const size_t max_threads_;
  absl::Mutex mutex_;
  std::deque<std::function<void()>> tasks_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::thread> threads_ ABSL_GUARDED_BY(mutex_);
  size_t idle_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace fractos

#endif  // FRACTOS_DAEMON_DEVICE_STAGER_H_
