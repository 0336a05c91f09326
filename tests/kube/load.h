// Other people, who create, change and delete objects.
#ifndef FRACTOS_TESTS_KUBE_LOAD_H_
#define FRACTOS_TESTS_KUBE_LOAD_H_

#include <cstdint>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "lib/base/random.h"
#include "lib/kube/client.h"
#include "lib/kube/waitable_clock.h"
#include "tests/kube/counts.h"

namespace fractos::kube_probe {

// Does something by chance to one of `objects` names in one of the collections: mostly changes it,
// now and then deletes it, or deletes it and makes another under its name at once; what is not
// there is made. Counts "write ok" and "write failed". Threads from construction to destruction.
class Load {
 public:
  struct Options {
    std::vector<kube::Collection> collections;
    int objects = 0;        // in each collection
    double per_second = 0;  // over all
    uint64_t seed = 0;
  };
  // All outlive it.
  Load(kube::Client* client, kube::WaitableClock* clock, Counts* counts, Options options);
  ~Load();
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;

  // Blocks until nothing is under way.
  void Pause();
  void Resume();

 private:
  static constexpr int kThreads = 2;

  void Run(int number);
  absl::Status Touch(Random& random) const;
  absl::Status Create(const kube::Collection& collection, const std::string& name,
                      const std::string& wanted) const;
  void Note(const absl::Status& status);

  kube::Client* const client_;
  kube::WaitableClock* const clock_;
  Counts* const counts_;
  const Options options_;
  std::stop_source stop_;
  absl::Mutex mutex_;
  bool paused_ ABSL_GUARDED_BY(mutex_) = false;
  int under_way_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<std::thread> threads_;
};

}  // namespace fractos::kube_probe

#endif  // FRACTOS_TESTS_KUBE_LOAD_H_
