// Objects in memory, found by key and by whatever else one asks for often. Semantics: client-go
// tools/cache thread_safe_store.go.
#ifndef FRACTOS_LIB_KUBE_STORE_H_
#define FRACTOS_LIB_KUBE_STORE_H_

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "lib/kube/object.h"

namespace fractos::kube {

// Shared by the store and everybody who got it from there; nobody may change it. Never null, save
// where it says so.
using ObjectPtr = std::shared_ptr<const Object>;

// The values that an object is to be found under; none, one or several.
using IndexFunc = std::function<std::vector<std::string>(const Object&)>;

// Keyed by ObjectKey::ToString ("namespace/name"), listed in that order. Holds what it was last
// given, not copies of it.
//
// Thread-safe: each call sees one state, and a Replace is seen whole or not at all.
class Store {
 public:
  // `name` is new. Indexes what is there already.
  void AddIndex(absl::string_view name, IndexFunc function);

  // Null when there is none.
  ObjectPtr Get(absl::string_view key) const;
  std::vector<ObjectPtr> List() const;
  std::vector<std::string> Keys() const;
  size_t size() const;
  // The objects for which the function of that index gives `value`; none when there is no such
  // index.
  std::vector<ObjectPtr> ByIndex(absl::string_view index, absl::string_view value) const;

  // Adds or replaces. Returns what was there before, or null.
  ObjectPtr Put(ObjectPtr object);
  // Returns what was there, or null.
  ObjectPtr Erase(absl::string_view key);
  // Holds exactly `objects` from now on. Returns everything that was there before.
  std::map<std::string, ObjectPtr, std::less<>> Replace(const std::vector<ObjectPtr>& objects);

 private:
  struct Index {
    IndexFunc function;
    std::map<std::string, std::set<std::string>, std::less<>> keys;  // by value
  };
  void IndexLocked(const std::string& key, const Object* before, const Object* after)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  static void UpdateIndex(Index* index, const std::string& key, const Object* before,
                          const Object* after);

  mutable absl::Mutex mutex_;
  std::map<std::string, ObjectPtr, std::less<>> objects_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, Index, std::less<>> indices_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace fractos::kube

#endif  // FRACTOS_LIB_KUBE_STORE_H_
