// Follows one object for a thread that waits for other things besides.
#ifndef FRACTOS_CLI_CLUSTER_FOLLOWER_H_
#define FRACTOS_CLI_CLUSTER_FOLLOWER_H_

#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "lib/base/random.h"
#include "lib/kube/client.h"
#include "lib/kube/reflector.h"
#include "lib/kube/waitable_clock.h"

namespace fractos::cluster {

// Knows the newest state of one object from its construction to its destruction, by a reflector on
// a thread of its own: what breaks is begun again. Thread-safe.
class Follower final : private kube::ReflectorStore {
 public:
  struct View {
    // The newest state; of one that is gone the last.
    std::optional<kube::Object> object;
    bool gone = false;  // deleted, or replaced by another one of its name
    // Why nothing is heard at the moment; OK as soon as something is.
    absl::Status trouble;
  };

  // All outlive the follower. `on_change` is called on the follower's thread.
  Follower(kube::Client* client, kube::WaitableClock* clock, const kube::Collection& collection,
           kube::Object first, std::function<void()> on_change);
  // Joins the thread: `on_change` is not called any more.
  ~Follower() override;
  Follower(const Follower&) = delete;
  Follower& operator=(const Follower&) = delete;

  View Now() const;

 private:
  void Replace(std::vector<kube::Object> objects, const std::string& resource_version) override;
  void Add(kube::Object object) override { Take(std::move(object), false); }
  void Update(kube::Object object) override { Take(std::move(object), false); }
  void Delete(kube::Object object) override { Take(std::move(object), true); }
  // A watch that goes on where it was says no more than this, as long as nothing changes.
  void Bookmark(const std::string&) override { SetTrouble(absl::OkStatus()); }
  void Take(kube::Object object, bool gone);
  // OK: something is heard again.
  void SetTrouble(const absl::Status& error);

  kube::Client* const client_;
  kube::WaitableClock* const clock_;
  const kube::Collection collection_;
  const std::string name_;
  const std::string uid_;
  const std::function<void()> on_change_;
  SystemRandom random_;
  mutable absl::Mutex mutex_;
  View view_ ABSL_GUARDED_BY(mutex_);
  std::stop_source stop_;
  kube::Reflector reflector_;
  std::thread thread_;
};

}  // namespace fractos::cluster

#endif  // FRACTOS_CLI_CLUSTER_FOLLOWER_H_
