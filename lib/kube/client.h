// What one can ask of a Kubernetes API server. RestClient is the implementation that asks one;
// tests use fakes. Everything blocks the calling thread: whoever wants two things at once has two
// threads. Errors are those of errors.h.
//
// Fields have initializers so that callers may name just those that they set.
#ifndef FRACTOS_LIB_KUBE_CLIENT_H_
#define FRACTOS_LIB_KUBE_CLIENT_H_

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "lib/kube/context.h"
#include "lib/kube/object.h"
#include "lib/kube/watch.h"

namespace fractos::kube {

// The objects of one resource: those in `ns`, or all of them when it is empty. Cluster-scoped
// resources have no namespace.
struct Collection {
  GroupVersionResource resource = {};
  std::string ns = {};

  // "pods in namespace x", "deviceclusters.fractos.dev in all namespaces".
  std::string ToString() const;
  bool operator==(const Collection&) const = default;
};

struct ListOptions {
  int64_t limit = 0;                // 0: all
  std::string continue_token = {};  // of the page before
  std::string resource_version = {};
  std::string resource_version_match = {};  // "Exact" or "NotOlderThan"
  std::string label_selector = {};
  std::string field_selector = {};
};

struct ObjectList {
  std::vector<Object> items;  // apiVersion and kind filled in, which servers leave out of items
  std::string resource_version;
  std::string continue_token;  // not empty: there is more
  int64_t remaining_item_count = 0;
};

struct WatchOptions {
  // Empty: the watch begins with what there is, as synthetic ADDED events.
  std::string resource_version = {};
  std::string resource_version_match = {};
  std::string label_selector = {};
  std::string field_selector = {};
  bool allow_watch_bookmarks = true;
  std::optional<bool> send_initial_events = {};
  std::chrono::seconds timeout{0};  // the server ends the watch then; 0: when it likes
};

struct WriteOptions {
  std::string field_manager = {};
};

struct ApplyOptions {
  std::string field_manager = {};  // must not be empty
  bool force = false;              // takes fields over from other managers; otherwise Conflict
};

struct PatchOptions {
  std::string field_manager = {};
  std::string subresource = {};  // such as "status"
};

enum class Propagation { kDefault, kBackground, kForeground, kOrphan };

struct DeleteOptions {
  std::string uid = {};               // not empty: Conflict unless the object has it
  std::string resource_version = {};  // likewise
  Propagation propagation = Propagation::kDefault;
  std::optional<int64_t> grace_period_seconds = {};
};

// A watch under way. Thread-safe; only one thread at a time may be in Next.
class Watcher {
 public:
  // Stops.
  virtual ~Watcher() = default;

  // Blocks for the next event. Nothing: the server ended the watch in good order, or Stop was
  // called; begin another from the last resourceVersion seen. An error: the watch broke
  // (TransportFailure, or DataLoss for what is no watch event), and every later call says so again.
  // Cancelled and DeadlineExceeded, by `context` alone, leave the watch as it is: Next may be
  // called again. An ERROR event is an event, not an error.
  virtual absl::StatusOr<std::optional<WatchEvent>> Next(const Context& context) = 0;

  // Ends the watch and unblocks Next. Returns at once, may be called from any thread and again.
  virtual void Stop() = 0;
};

// What a Reflector needs (client-go's ListerWatcher).
class ListerWatcher {
 public:
  virtual ~ListerWatcher() = default;

  // One page. Whoever wants all uses a Pager.
  virtual absl::StatusOr<ObjectList> List(const Context& context, const Collection& collection,
                                          const ListOptions& options) = 0;

  // Returns once the server has accepted the watch. `context` bounds this call, not the watch.
  virtual absl::StatusOr<std::unique_ptr<Watcher>> Watch(const Context& context,
                                                         const Collection& collection,
                                                         const WatchOptions& options) = 0;
};

// Thread-safe. Objects that are returned are as the server has them after the call.
class Client : public ListerWatcher {
 public:
  virtual absl::StatusOr<Object> Get(const Context& context, const Collection& collection,
                                     absl::string_view name) = 0;

  // Creates `object` in the collection's namespace. AlreadyExists can also mean that an earlier try
  // of the same call came through although it failed here: name objects, and look whose it is.
  virtual absl::StatusOr<Object> Create(const Context& context, const Collection& collection,
                                        const Object& object, const WriteOptions& options) = 0;

  // Replaces the object (its status), whose resourceVersion must be set: Conflict when the server
  // has another one. InvalidArgument, unsent, when it is not set: an unconditional PUT would undo
  // what others wrote.
  virtual absl::StatusOr<Object> Update(const Context& context, const Collection& collection,
                                        const Object& object, const WriteOptions& options) = 0;
  virtual absl::StatusOr<Object> UpdateStatus(const Context& context, const Collection& collection,
                                              const Object& object,
                                              const WriteOptions& options) = 0;

  // Server-side apply: `object` holds the fields that the manager has an opinion on, its type and
  // its name, and no managedFields. Creates what is not there (ApplyStatus does not).
  virtual absl::StatusOr<Object> Apply(const Context& context, const Collection& collection,
                                       const Object& object, const ApplyOptions& options) = 0;
  virtual absl::StatusOr<Object> ApplyStatus(const Context& context, const Collection& collection,
                                             const Object& object, const ApplyOptions& options) = 0;

  // JSON merge patch (RFC 7386). With metadata.resourceVersion in the patch it is conditional.
  virtual absl::StatusOr<Object> Patch(const Context& context, const Collection& collection,
                                       absl::string_view name, const Json& merge_patch,
                                       const PatchOptions& options) = 0;

  // OK once the server has accepted it: an object with finalizers or a grace period is still there.
  virtual absl::Status Delete(const Context& context, const Collection& collection,
                              absl::string_view name, const DeleteOptions& options) = 0;

  // The body of a GET of any path, such as "/version" and "/readyz".
  virtual absl::StatusOr<std::string> GetRaw(const Context& context, absl::string_view path) = 0;
};

// Lists everything in pages, so that neither the server nor the network carries one huge answer
// (client-go's tools/pager). A continue token that is too old in the middle means starting again
// without pages, at the resourceVersion asked for at first.
class Pager {
 public:
  // `client` must outlive it. `page_size` 0: no pages, as a list at a given resourceVersion must be
  // (with a limit it would bypass the server's watch cache).
  explicit Pager(ListerWatcher* client, int64_t page_size = 500)
      : client_(client), page_size_(page_size) {}

  struct Result {
    ObjectList list;         // its resourceVersion is that of the first page; no continue token
    bool paginated = false;  // the server split it
  };
  absl::StatusOr<Result> List(const Context& context, const Collection& collection,
                              ListOptions options) const;

 private:
  ListerWatcher* const client_;
  const int64_t page_size_;
};

}  // namespace fractos::kube

#endif  // FRACTOS_LIB_KUBE_CLIENT_H_
