// What the probe's client did, counted, to tell that a disturbance disturbed.
#ifndef FRACTOS_TESTS_KUBE_COUNTS_H_
#define FRACTOS_TESTS_KUBE_COUNTS_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "lib/kube/client.h"
#include "lib/kube/rest_observer.h"

namespace fractos::kube_probe {

// Counters by name: "http 401" (by RestObserver) and whatever else is added. Thread-safe.
class Counts final : public kube::RestObserver {
 public:
  void Add(absl::string_view what);
  kube::Json ToJson() const;

  void OnRequest(absl::string_view code, absl::string_view method, absl::string_view host) override;

 private:
  mutable absl::Mutex mutex_;
  std::map<std::string, int64_t> counts_ ABSL_GUARDED_BY(mutex_);
};

// What a reflector is given in place of `client`: counts "list", "watch" and "watch list" that the
// server accepted, and "410" by answer or by event. All outlive it and its watchers.
class CountingListerWatcher final : public kube::ListerWatcher {
 public:
  CountingListerWatcher(kube::ListerWatcher* client, Counts* counts)
      : client_(client), counts_(counts) {}

  absl::StatusOr<kube::ObjectList> List(const kube::Context& context,
                                        const kube::Collection& collection,
                                        const kube::ListOptions& options) override;
  absl::StatusOr<std::unique_ptr<kube::Watcher>> Watch(const kube::Context& context,
                                                       const kube::Collection& collection,
                                                       const kube::WatchOptions& options) override;

 private:
  kube::ListerWatcher* const client_;
  Counts* const counts_;
};

}  // namespace fractos::kube_probe

#endif  // FRACTOS_TESTS_KUBE_COUNTS_H_
