// Brings objects to where they should be, by server-side apply.
#ifndef FRACTOS_OPERATOR_RECONCILERS_APPLIER_H_
#define FRACTOS_OPERATOR_RECONCILERS_APPLIER_H_

#include <map>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "lib/base/digest.h"
#include "lib/kube/client.h"
#include "operator/controller/resource_cache.h"
#include "operator/reconcilers/device_cluster_objects.h"

namespace fractos {

// Applies what is not there, what should be another than it was, and what somebody else changed;
// nothing else, so that looking at a cluster costs the API server nothing. An object of that name
// that belongs to somebody else is left alone. Thread-safe; one call at a time for one object.
class Applier {
 public:
  // Caches of what is applied, by resource; all outlive the applier.
  using Caches = std::map<kube::GroupVersionResource, ctrl::ResourceCache*>;
  Applier(kube::Client* client, Caches caches) : client_(client), caches_(std::move(caches)) {}

  // AlreadyExists, naming the object, when another owner than `desired`'s has it; Unavailable while
  // what belonged to an earlier owner of the same name is still being collected.
  absl::Status Apply(const std::stop_token& stop, const DesiredObject& desired);
  // Creates the object unless there is one of that name. Fails as Apply does when that is another
  // owner's; `desired` without an owner takes anybody's.
  absl::Status EnsureExists(const std::stop_token& stop, const DesiredObject& desired);
  // Deletes the object if it is there and `owner_uid`'s.
  absl::Status Remove(const std::stop_token& stop, const kube::Collection& collection,
                      const std::string& name, const std::string& owner_uid);

  // Null when there is none, or the cache does not know it yet.
  kube::ObjectPtr Find(const kube::Collection& collection, const std::string& name) const;
  // The generation that the last Apply led to; 0 when there was none here.
  int64_t AppliedGeneration(const kube::Collection& collection, const std::string& name) const;
  // Nothing is remembered of objects of that name, of any kind.
  void Forget(const kube::ObjectKey& key);

 private:
  struct Applied {
    Digest digest;       // of what was asked for
    std::string marker;  // of what came of it: changes when somebody changes the object
    int64_t generation = 0;
  };
  using Id = std::pair<kube::GroupVersionResource, kube::ObjectKey>;
  static Id IdOf(const kube::Collection& collection, const std::string& name) {
    return {collection.resource, {collection.ns, name}};
  }

  kube::Client* const client_;
  const Caches caches_;
  mutable absl::Mutex mutex_;
  std::map<Id, Applied> applied_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace fractos

#endif  // FRACTOS_OPERATOR_RECONCILERS_APPLIER_H_
