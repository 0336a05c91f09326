// One collection, followed and worked on as a controller does it.
#ifndef FRACTOS_TESTS_KUBE_FOLLOWED_H_
#define FRACTOS_TESTS_KUBE_FOLLOWED_H_

#include <cstdint>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "lib/base/random.h"
#include "lib/kube/client.h"
#include "lib/kube/informer.h"
#include "lib/kube/waitable_clock.h"
#include "lib/kube/work_queue.h"
#include "tests/kube/counts.h"
#include "tests/kube/mirror.h"

namespace fractos::kube_probe {

// What others ask for, and what the worker writes there once it has seen it: an object is done when
// they are equal.
inline constexpr char kWanted[] = "fractos.dev/probe-wanted";
inline constexpr char kSeen[] = "fractos.dev/probe-seen";

// An informer, a mirror, a work queue and a worker that updates each object, by its version in the
// store, until it is done. Threads from construction to destruction.
class Followed {
 public:
  // All outlive it.
  Followed(kube::Client* client, kube::WaitableClock* clock, Counts* counts, uint64_t seed,
           kube::Collection collection);
  ~Followed();
  Followed(const Followed&) = delete;
  Followed& operator=(const Followed&) = delete;

  const kube::Collection& collection() const { return collection_; }
  const kube::Informer& informer() const { return informer_; }
  int64_t told() const { return mirror_.told(); }

  // OK when the API server's objects, read now, are all done, and are those of the store and of the
  // mirror, byte for byte: their number. Aborted: not yet. FailedPrecondition: the mirror was told
  // what contradicts itself. Otherwise why they cannot be read.
  absl::StatusOr<size_t> Compare(const kube::Context& context) const;

 private:
  kube::Informer::Options InformerOptions() const;
  void Work();
  absl::Status Reconcile(const std::string& key);

  kube::Client* const client_;
  kube::WaitableClock* const clock_;
  Counts* const counts_;
  const kube::Collection collection_;
  std::stop_source stop_;
  SeededRandom random_;
  CountingListerWatcher lister_watcher_;
  kube::WorkQueue queue_;
  Mirror mirror_;
  kube::Informer informer_;
  std::thread following_;
  std::thread working_;
};

}  // namespace fractos::kube_probe

#endif  // FRACTOS_TESTS_KUBE_FOLLOWED_H_
