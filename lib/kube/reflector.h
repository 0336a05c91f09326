// Keeps a store like a collection on the API server: lists it once, then follows its changes.
// Semantics: client-go tools/cache/reflector.go and KEP-3157 (WatchList).
#ifndef FRACTOS_LIB_KUBE_REFLECTOR_H_
#define FRACTOS_LIB_KUBE_REFLECTOR_H_

#include <functional>
#include <map>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "lib/base/random.h"
#include "lib/kube/backoff.h"
#include "lib/kube/client.h"
#include "lib/kube/waitable_clock.h"

namespace fractos::kube {

// Where a reflector puts what it hears. Called on the reflector's thread, in the order in which the
// API server sent it.
class ReflectorStore {
 public:
  virtual ~ReflectorStore() = default;
  // Exactly `objects` are there, as of `resource_version`. What was there and is not among them was
  // deleted meanwhile, unseen.
  virtual void Replace(std::vector<Object> objects, const std::string& resource_version) = 0;
  virtual void Add(Object object) = 0;
  virtual void Update(Object object) = 0;
  // `object` is its last state.
  virtual void Delete(Object object) = 0;
  // Everything up to `resource_version` was heard.
  virtual void Bookmark(const std::string& resource_version) {
    static_cast<void>(resource_version);
  }
  // Time to tell again what is there; nothing was listed for it.
  virtual void Resync() {}
};

struct ReflectorOptions {
  Collection collection;
  std::string label_selector;
  std::string field_selector;
  // How often to Resync; 0: never.
  Duration resync_period{};
  // Whether to begin with a watch that lists (WatchList), which spares the server the list as one
  // answer. A server that refuses it is asked for a list instead.
  bool use_watch_list = true;
  // Told why a list or watch failed, on the reflector's thread; may be empty. It goes on trying.
  std::function<void(const absl::Status&)> on_error;
};

// What one gets to rely on:
//
//   * The store holds what the server had at some resourceVersion, and moves forward only.
//   * A watch that ended in good order, or whose connection broke, begins again at once where it
//     was: no list. A refused connection or 429 waits first, and lists nothing either; a refused
//     one for 800 ms doubling to 5 s, with up to as much again by chance.
//   * A resourceVersion that the server has forgotten (410), or does not know yet, leads to a list:
//     first from the last resourceVersion seen, and if that fails too from whatever is newest.
//   * Anything else leads to a list after a wait: 800 ms doubling to 30 s, with up to as much again
//     by chance, and from the beginning after two quiet minutes, or after a watch of 10 s that was
//     longer than the last wait. So does a watch that ended within a second without an event, lest
//     a broken proxy make this a busy loop.
//   * A watch is stalled, and begun again, when it outlives the timeout it was given by 30 s, or
//     when it has sent bookmarks, which come about every minute, and then nothing for 3 min.
//
// client-go waits in one row for all of these, and begins it anew after two quiet minutes alone. A
// server that is away for half a minute, or restarted three times, leaves it blind for a minute or
// two after the server is back: the wait that the refusals have made long comes once more when its
// resourceVersion turns out to be forgotten.
//
// Run blocks its thread; everything else is thread-safe.
class Reflector {
 public:
  // All outlive the reflector; `random` is used on Run's thread alone.
  Reflector(ListerWatcher* client, WaitableClock* clock, Random* random, ReflectorStore* store,
            ReflectorOptions options);

  // Lists and watches until `stop`. Once.
  void Run(const std::stop_token& stop);

  // That of the last list or event; empty at first.
  std::string LastSyncResourceVersion() const;

 private:
  // One turn: list, then watch until that ends for a reason to list again. OK when stopped or when
  // the reason is no error.
  absl::Status ListAndWatch(const std::stop_token& stop);
  absl::Status List(const std::stop_token& stop);
  // A watch whose initial events have been put into the store; null when stopped.
  absl::StatusOr<std::unique_ptr<Watcher>> WatchList(const std::stop_token& stop);
  // Follows `watcher` (null: one begun here) and its successors.
  absl::Status Watch(const std::stop_token& stop, std::unique_ptr<Watcher> watcher);

  enum class Ended {
    kStopped,  // by us
    kClosed,   // in good order or by a broken connection: go on where it was
    kTooSoon,  // within a second, with nothing sent
    kFailed,   // `error` says why
    kInitialEventsEnd,
  };
  // One watch under way.
  struct Stream {
    Watcher* watcher = nullptr;
    Time started;
    bool initial = false;         // ends at the bookmark that ends the initial events
    bool publish_version = true;  // events are in order from the first one
    std::map<ObjectKey, Object> initial_objects;
    std::string version;  // of the last event
    absl::Status error;
  };
  Ended Follow(const std::stop_token& stop, Stream* stream);
  void Take(Stream* stream, WatchEvent event);

  // Sets `watch_ends_`, too.
  WatchOptions MakeWatchOptions();
  void ResyncIfDue();
  // As long as it is time for after that error, or after none.
  void Wait(const std::stop_token& stop, const absl::Status& error);
  // A watch has lasted so long.
  void NoteWatched(Duration length);
  void Report(const absl::Status& error) const;

  std::string version() const;
  void set_version(const std::string& version);

  ListerWatcher* const client_;
  WaitableClock* const clock_;
  Random* const random_;
  ReflectorStore* const store_;
  const ReflectorOptions options_;

  // Of Run's thread.
  Backoff backoff_;
  Backoff refused_backoff_;
  Duration last_wait_{};  // of backoff_
  Time next_resync_ = Time::max();
  Time watch_ends_;                   // by when the last watch begun must be over
  bool version_unavailable_ = false;  // the server answered that it has not got it
  bool paginated_ = false;  // it pages even lists at resourceVersion 0: has no watch cache

  mutable absl::Mutex mutex_;
  std::string version_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace fractos::kube

#endif  // FRACTOS_LIB_KUBE_REFLECTOR_H_
