// A Client of a FakeApiServer whose calls can be made to fail, hang, and be counted. Each stands
// for one process: what is injected into one does not happen to the others.
#ifndef FRACTOS_TESTS_UNIT_LIB_KUBE_FAKE_CLIENT_H_
#define FRACTOS_TESTS_UNIT_LIB_KUBE_FAKE_CLIENT_H_

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "lib/kube/client.h"
#include "lib/kube/errors.h"
#include "tests/unit/lib/kube/fake_api_server.h"

namespace fractos::kube {

// A call as it came. `verb` is "get", "list", "watch", "create", "update", "update-status",
// "patch", "patch-status", "apply", "apply-status", "delete" or "raw".
struct Call {
  std::string verb;
  Collection collection;
  std::string name;
  ListOptions list;    // of list
  WatchOptions watch;  // of watch
  Json body;           // of what writes
};

// What happens to a call instead of, or besides, what it asks for.
struct Fault {
  std::string verb;      // empty: any
  std::string resource;  // the plural; empty: any
  std::string name;      // empty: any
  int times = 1;         // how many calls; less than 0: all
  // Called first, on the caller's thread: what somebody else does just before.
  std::function<void()> before;
  // Takes so long, by the clock; the context may end it sooner. Duration::max(): hangs.
  Duration delay{0};
  // What the caller is told.
  absl::Status error;
  // Whether the call is carried out although the caller is told of an error, or has given up.
  bool carried_out = false;
  // Called last, on the caller's thread, when the call was carried out.
  std::function<void()> after;
};

// Thread-safe.
class FakeClient final : public Client {
 public:
  // `server` outlives the client.
  explicit FakeClient(FakeApiServer* server) : server_(server) {}

  void Inject(Fault fault);
  void ClearFaults();
  // Cut off: calls are refused and open watches of this client break, or works again.
  void SetPartitioned(bool partitioned);

  // The calls so far, of `verb` if it is not empty.
  std::vector<Call> calls(absl::string_view verb = "") const;
  size_t count(absl::string_view verb) const { return calls(verb).size(); }
  // Blocks until there were `n` calls of `verb`.
  bool AwaitCalls(absl::string_view verb, size_t n) const;

  absl::StatusOr<ObjectList> List(const Context& context, const Collection& collection,
                                  const ListOptions& options) override;
  absl::StatusOr<std::unique_ptr<Watcher>> Watch(const Context& context,
                                                 const Collection& collection,
                                                 const WatchOptions& options) override;
  absl::StatusOr<Object> Get(const Context& context, const Collection& collection,
                             absl::string_view name) override;
  absl::StatusOr<Object> Create(const Context& context, const Collection& collection,
                                const Object& object, const WriteOptions& options) override;
  absl::StatusOr<Object> Update(const Context& context, const Collection& collection,
                                const Object& object, const WriteOptions& options) override;
  absl::StatusOr<Object> UpdateStatus(const Context& context, const Collection& collection,
                                      const Object& object, const WriteOptions& options) override;
  absl::StatusOr<Object> Apply(const Context& context, const Collection& collection,
                               const Object& object, const ApplyOptions& options) override;
  absl::StatusOr<Object> ApplyStatus(const Context& context, const Collection& collection,
                                     const Object& object, const ApplyOptions& options) override;
  absl::StatusOr<Object> Patch(const Context& context, const Collection& collection,
                               absl::string_view name, const Json& merge_patch,
                               const PatchOptions& options) override;
  absl::Status Delete(const Context& context, const Collection& collection, absl::string_view name,
                      const DeleteOptions& options) override;
  absl::StatusOr<std::string> GetRaw(const Context& context, absl::string_view path) override;

 private:
  using Part = FakeApiServer::Part;

  // Records the call and does what is injected into it, which is put into `fault`. OK: carry it
  // out. An error: tell the caller.
  absl::Status Meet(const Context& context, Call call, Fault* fault);
  absl::Status Wait(const Context& context, Duration delay);
  template <typename Result, typename CarryOut>
  Result Do(const Context& context, Call call, CarryOut carry_out) {
    Fault fault;
    const absl::Status met = Meet(context, std::move(call), &fault);
    if (!met.ok() && !fault.carried_out) return met;
    Result result = carry_out();
    if (fault.after) fault.after();
    if (!met.ok()) return met;
    return result;
  }

  FakeApiServer* const server_;
  mutable absl::Mutex mutex_;
  std::vector<Call> calls_ ABSL_GUARDED_BY(mutex_);
  std::deque<Fault> faults_ ABSL_GUARDED_BY(mutex_);
  bool partitioned_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace fractos::kube

#endif  // FRACTOS_TESTS_UNIT_LIB_KUBE_FAKE_CLIENT_H_
