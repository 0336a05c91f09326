// A collection of the API server in memory, and who is told of its changes. Semantics: client-go
// tools/cache shared_informer.go.
#ifndef FRACTOS_LIB_KUBE_INFORMER_H_
#define FRACTOS_LIB_KUBE_INFORMER_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <set>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "lib/kube/client.h"
#include "lib/kube/reflector.h"
#include "lib/kube/store.h"
#include "lib/kube/waitable_clock.h"

namespace fractos::kube {

// Told what changed. All handlers of an informer are called on one thread of its own, one call at a
// time, in the order of the changes; the store is at least as new as what they are told. They
// should be quick (put a key into a work queue): the others wait.
class ResourceEventHandler {
 public:
  virtual ~ResourceEventHandler() = default;
  // `is_in_initial_list`: it was there when the informer began, or when the handler was added.
  virtual void OnAdd(const ObjectPtr& object, bool is_in_initial_list) = 0;
  // Both are the same object when this is a resync.
  virtual void OnUpdate(const ObjectPtr& before, const ObjectPtr& after) = 0;
  // `last` is its last state; when `final_state_unknown` the last one that was seen: the deletion
  // itself went unseen, found out later by a list, or because another object has its name.
  virtual void OnDelete(const ObjectPtr& last, bool final_state_unknown) = 0;
};

// Keeps a Store like a collection, and tells handlers what changes. Handlers see for each object:
// one add, updates, one delete; an object deleted and made again under its name is a delete and an
// add, be it that nobody saw the deletion (the uid tells). A state that is no news (the same
// resourceVersion after a list) is told to nobody, save by a resync.
//
// Thread-safe. Run blocks; it has a second thread for the handlers, so that a slow one does not
// keep the store from being up to date. What handlers have not taken yet is bounded: beyond it the
// reflector waits, at the worst so long that the server ends the watch, and lists again.
class Informer final : private ReflectorStore {
 public:
  struct Options {
    ReflectorOptions reflector;
    // Changes each object before it is stored, to drop what nobody reads (StripManagedFields);
    // must leave type, name and versions alone. May be empty.
    std::function<void(Object*)> transform;
    // Notifications that handlers have not taken yet.
    size_t max_queued = 10000;
  };

  // All outlive the informer; `random` is used on Run's thread alone.
  Informer(ListerWatcher* client, WaitableClock* clock, Random* random, Options options);
  // Run must have returned.
  ~Informer() override;

  // For reading, and for adding indices.
  Store& store() { return store_; }
  const Store& store() const { return store_; }

  // Follows the collection until `stop`. Once. What handlers have not been told then, they never
  // are.
  void Run(const std::stop_token& stop);

  // `handler` outlives the informer or is removed. One added later is told of all that is there as
  // adds first.
  using HandlerId = int;
  HandlerId AddHandler(ResourceEventHandler* handler);
  // The handler is not called any more once this returns; from within a handler, once that returns.
  void RemoveHandler(HandlerId id);

  // Whether the store has held the whole collection.
  bool HasSynced() const;
  // Whether the handler has been told, besides, of all that was there.
  bool HandlerHasSynced(HandlerId id) const;
  // Blocks until HasSynced. DeadlineExceeded, naming the collection and why it cannot be followed
  // (mostly a missing right to list and watch it), or Cancelled by `context`.
  absl::Status AwaitSync(const Context& context) const;

  std::string LastSyncResourceVersion() const { return reflector_.LastSyncResourceVersion(); }

 private:
  struct Handler {
    HandlerId id;
    ResourceEventHandler* handler;
    uint64_t joined_at;  // told of notifications from this number on
    bool synced = false;
  };
  struct Notification {
    enum class Kind { kAdd, kUpdate, kDelete, kSynced } kind = Kind::kAdd;
    ObjectPtr before;
    ObjectPtr after;
    bool flag = false;   // is_in_initial_list, final_state_unknown
    HandlerId only = 0;  // 0: for all
    uint64_t number = 0;
  };

  // ReflectorStore, on Run's thread.
  void Replace(std::vector<Object> objects, const std::string& resource_version) override;
  void Add(Object object) override { Put(std::move(object)); }
  void Update(Object object) override { Put(std::move(object)); }
  void Delete(Object object) override;
  void Resync() override;

  void Put(Object object);
  ObjectPtr Share(Object object) const;
  ReflectorOptions WithErrors(ReflectorOptions options);
  // `after` is in the store in place of `before`, which may be null.
  void TellLocked(const ObjectPtr& before, const ObjectPtr& after, bool initial)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void PushLocked(Notification notification) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void AwaitRoomLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The handlers' thread.
  void Dispatch();
  static void Call(ResourceEventHandler* handler, const Notification& notification);

  ListerWatcher* const client_;
  WaitableClock* const clock_;
  const Options options_;
  Store store_;

  mutable absl::Mutex mutex_;  // over the store and the queue, so that both have one order
  std::vector<Handler> handlers_ ABSL_GUARDED_BY(mutex_);
  HandlerId next_id_ ABSL_GUARDED_BY(mutex_) = 1;
  std::deque<Notification> queue_ ABSL_GUARDED_BY(mutex_);
  uint64_t next_number_ ABSL_GUARDED_BY(mutex_) = 0;
  HandlerId calling_ ABSL_GUARDED_BY(mutex_) = 0;
  std::thread::id dispatcher_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  bool synced_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status last_error_ ABSL_GUARDED_BY(mutex_);
  mutable std::set<Alarm*> awaiting_sync_ ABSL_GUARDED_BY(mutex_);

  Reflector reflector_;
};

// For Options::transform: managedFields are often most of an object, and nobody here reads them.
void StripManagedFields(Object* object);

}  // namespace fractos::kube

#endif  // FRACTOS_LIB_KUBE_INFORMER_H_
