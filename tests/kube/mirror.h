// What an informer tells its handlers, believed and held against what it told before.
#ifndef FRACTOS_TESTS_KUBE_MIRROR_H_
#define FRACTOS_TESTS_KUBE_MIRROR_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "lib/kube/informer.h"

namespace fractos::kube_probe {

// A handler that makes a collection of its own out of adds, updates and deletes. What cannot follow
// from what it was told before is a contradiction: an add of what is there, an update or deletion
// of what is not or of another object, or a state older than one that was told. (Resource versions
// are compared as numbers, which those of etcd are.)
//
// Thread-safe.
class Mirror final : public kube::ResourceEventHandler {
 public:
  // `on_key` is called with the key of whatever is told.
  explicit Mirror(std::function<void(const std::string& key)> on_key)
      : on_key_(std::move(on_key)) {}

  std::map<std::string, kube::ObjectPtr> objects() const;
  // The first of them, and how many there are.
  std::vector<std::string> contradictions(size_t* count) const;
  int64_t told() const;

  void OnAdd(const kube::ObjectPtr& object, bool is_in_initial_list) override;
  void OnUpdate(const kube::ObjectPtr& before, const kube::ObjectPtr& after) override;
  void OnDelete(const kube::ObjectPtr& last, bool final_state_unknown) override;

 private:
  // `may_repeat`: the state may be the newest that was told already.
  void CheckLocked(const char* what, const kube::ObjectPtr& before, const kube::Object& object,
                   bool may_repeat) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::function<void(const std::string& key)> on_key_;
  mutable absl::Mutex mutex_;
  std::map<std::string, kube::ObjectPtr> objects_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, int64_t> newest_ ABSL_GUARDED_BY(mutex_);  // versions, of deleted ones too
  std::vector<std::string> contradictions_ ABSL_GUARDED_BY(mutex_);
  size_t contradiction_count_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t told_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace fractos::kube_probe

#endif  // FRACTOS_TESTS_KUBE_MIRROR_H_
