// Follows one Lease for a LeaderElector.
#ifndef FRACTOS_LIB_KUBE_LEASE_WATCH_H_
#define FRACTOS_LIB_KUBE_LEASE_WATCH_H_

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "lib/base/random.h"
#include "lib/kube/client.h"
#include "lib/kube/waitable_clock.h"

namespace fractos::kube {

// A watch of one object that begins anew whenever it ends, always with what is there at that
// moment: it needs no list, and so only the right to watch that name. Not a Reflector, which lists.
//
// One thread, from construction to destruction; the observer is called on it.
class LeaseWatch {
 public:
  struct Observer {
    // The Lease as it is now; null: it was deleted.
    std::function<void(const Object* lease)> on_lease;
    // Whether there is a watch. Without one nothing is heard.
    std::function<void(bool watching)> on_watching;
    std::function<void(const absl::Status&)> on_error;
  };

  // `client` and `clock` outlive it. `seed`: of its chance.
  LeaseWatch(ListerWatcher* client, WaitableClock* clock, uint64_t seed, Collection collection,
             std::string name, Observer observer);
  // Ends the watch and its thread.
  ~LeaseWatch();
  LeaseWatch(const LeaseWatch&) = delete;
  LeaseWatch& operator=(const LeaseWatch&) = delete;

  // Ends the watch under way, which has missed something, so that another begins. Any thread.
  void Restart();

 private:
  void Run(const std::stop_token& stop);
  // One watch, from beginning to end. OK when it is worth beginning another at once.
  absl::Status Follow(const std::stop_token& stop);

  ListerWatcher* const client_;
  WaitableClock* const clock_;
  SeededRandom random_;  // of the thread
  const Collection collection_;
  const std::string name_;
  const Observer observer_;
  absl::Mutex mutex_;
  Watcher* watcher_ ABSL_GUARDED_BY(mutex_) = nullptr;
  std::stop_source stop_;
  std::thread thread_;
};

}  // namespace fractos::kube

#endif  // FRACTOS_LIB_KUBE_LEASE_WATCH_H_
