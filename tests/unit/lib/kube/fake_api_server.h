// An API server in memory: what FakeClients talk to.
#ifndef FRACTOS_TESTS_UNIT_LIB_KUBE_FAKE_API_SERVER_H_
#define FRACTOS_TESTS_UNIT_LIB_KUBE_FAKE_API_SERVER_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "lib/kube/client.h"
#include "lib/kube/waitable_clock.h"

namespace fractos::kube {

class FakeClient;
class FakeWatcher;

// Whether `object` is what the selectors ask for. Labels: "a=b", "a==b", "a!=b", "a", "!a". Fields:
// "path.to.field=value" or "!=" on any path, of which a real server knows only a few.
bool MatchesSelectors(const Object& object, absl::string_view label_selector,
                      absl::string_view field_selector);

// 410, as the API server says it.
absl::Status TooOldError(int64_t version, int64_t oldest);

// Keeps objects with resourceVersions and a history that watches read, as etcd and the API server
// do between them. Every resource exists, namespaced or not, and every one has a status
// subresource: Create and Update leave `status` alone, UpdateStatus touches nothing else.
// Finalizers and preconditions hold; nothing is validated, nobody collects garbage, and server-side
// apply merges objects but takes lists whole. What is stored has been text: bytes that are no UTF-8
// come back as U+FFFD.
//
// Thread-safe. What FakeClient is for is not here: failing, hanging, counting.
class FakeApiServer {
 public:
  struct Options {
    // Whether it can begin a watch with a list (sendInitialEvents); else such a watch is Invalid,
    // as in Kubernetes 1.33.
    bool watch_list = true;
    // Whether it sends a bookmark at the end of the initial events (it does).
    bool initial_events_end = true;
  };
  // `clock` outlives the server, which outlives its clients and their watches.
  explicit FakeApiServer(WaitableClock* clock) : FakeApiServer(clock, Options()) {}
  FakeApiServer(WaitableClock* clock, Options options) : clock_(clock), options_(options) {}

  // The hand of somebody else: creates or replaces, status included, without asking for a
  // resourceVersion.
  Object Put(const Collection& collection, Object object);
  // Removes at once, whatever finalizers say. False when there is none.
  bool Remove(const Collection& collection, absl::string_view name);
  std::optional<Object> Find(const Collection& collection, absl::string_view name) const;
  std::vector<Object> All(const Collection& collection) const;
  // Blocks until there is such an object for which `holds`; nothing when there never is.
  std::optional<Object> Await(const Collection& collection, absl::string_view name,
                              const std::function<bool(const Object&)>& holds) const;
  std::string resource_version() const;

  // Forgets the history: watches that are behind, and lists and watches from older
  // resourceVersions, are answered 410, and so are continue tokens.
  void Compact();
  // Raises the resourceVersion without any change, as writes to other resources do.
  void Skip(int64_t versions);
  // Sends every watch a bookmark, to be read after the events so far.
  void SendBookmarks();
  // Puts an event into every watch, to be read next.
  void SendToWatches(const WatchEvent& event);
  // Ends every watch of `resource` (empty: all), or has it break with `error`.
  void EndWatches(absl::string_view resource = "");
  void BreakWatches(const absl::Status& error, absl::string_view resource = "");
  // Watches that are open now fall silent: no event, no end.
  void StallWatches(absl::string_view resource = "");
  size_t open_watches() const;
  bool AwaitWatches(size_t n) const;

  WaitableClock* clock() const { return clock_; }

 private:
  friend class FakeClient;
  friend class FakeWatcher;

  using Id = std::pair<GroupVersionResource, ObjectKey>;
  // What changed: from `before`, if there was anything, to `after`. When it was deleted `after` is
  // the last state, with the resourceVersion of the deletion.
  struct Change {
    int64_t version = 0;
    Id id;
    std::optional<Object> before;
    Object after;
    bool deleted = false;
  };
  enum class Part { kAllButStatus, kStatus };

  // The calls of Client, carried out.
  absl::StatusOr<ObjectList> List(const Collection& collection, const ListOptions& options);
  absl::Status Watch(FakeWatcher* watcher);
  absl::StatusOr<Object> Get(const Collection& collection, absl::string_view name);
  absl::StatusOr<Object> Create(const Collection& collection, Object object);
  absl::StatusOr<Object> Update(const Collection& collection, const Object& object, Part part);
  absl::StatusOr<Object> Patch(const Collection& collection, absl::string_view name,
                               const Json& patch, Part part);
  absl::StatusOr<Object> Apply(const Collection& collection, const Object& object,
                               const ApplyOptions& options, Part part);
  absl::Status Delete(const Collection& collection, absl::string_view name,
                      const DeleteOptions& options);

  static Id IdOf(const Collection& collection, absl::string_view name) {
    return {collection.resource, {collection.ns, std::string(name)}};
  }
  static bool In(const Collection& collection, const Id& id) {
    return id.first == collection.resource &&
           (collection.ns.empty() || id.second.ns == collection.ns);
  }
  const Object* FindLocked(const Id& id) const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<Object> CreateLocked(const Collection& collection, Object object)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Replaces what is under `id` by `after`, keeping what the server alone decides on.
  Object ReplaceLocked(const Id& id, Object after) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void DeleteLocked(const Id& id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void RecordLocked(Change change) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void RingLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::string NewTextLocked(absl::string_view prefix) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::string TimestampNow() const;

  WaitableClock* const clock_;
  const Options options_;
  mutable absl::Mutex mutex_;
  int64_t version_ ABSL_GUARDED_BY(mutex_) = 1000;
  int64_t compacted_ ABSL_GUARDED_BY(mutex_) = 0;  // the history begins after it
  int64_t next_number_ ABSL_GUARDED_BY(mutex_) = 1;
  std::map<Id, Object> objects_ ABSL_GUARDED_BY(mutex_);
  std::deque<Change> history_ ABSL_GUARDED_BY(mutex_);
  std::set<FakeWatcher*> watchers_ ABSL_GUARDED_BY(mutex_);
  // Which fields (JSON pointers) each manager has applied.
  std::map<Id, std::map<std::string, std::set<std::string>>> applied_ ABSL_GUARDED_BY(mutex_);
};

// A watch on a FakeApiServer.
class FakeWatcher final : public Watcher {
 public:
  FakeWatcher(FakeApiServer* server, const FakeClient* client, Collection collection,
              WatchOptions options);
  ~FakeWatcher() override;

  absl::StatusOr<std::optional<WatchEvent>> Next(const Context& context) override;
  void Stop() override;

 private:
  friend class FakeApiServer;
  friend class FakeClient;

  std::optional<WatchEvent> TakeLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(server_->mutex_);
  std::optional<WatchEvent> Convert(const FakeApiServer::Change& change) const;

  FakeApiServer* const server_;
  const FakeClient* const client_;  // whose it is
  const Collection collection_;
  const WatchOptions options_;
  const std::unique_ptr<Alarm> alarm_;
  const Time ends_at_;
  // By the server's lock.
  std::deque<WatchEvent> first_;  // to be read before anything else
  int64_t seen_ = 0;              // the history was read up to here
  int64_t bookmark_at_ = 0;       // a bookmark is due once it was read up to here; 0: none is
  bool ended_ = false;
  bool stalled_ = false;
  bool stopped_ = false;
  absl::Status broken_;
};

}  // namespace fractos::kube

#endif  // FRACTOS_TESTS_UNIT_LIB_KUBE_FAKE_API_SERVER_H_
