// Keeps runs' records in the status of their TaskGraphs.
#ifndef FRACTOS_OPERATOR_RECONCILERS_TASK_GRAPH_RECORD_STORE_H_
#define FRACTOS_OPERATOR_RECONCILERS_TASK_GRAPH_RECORD_STORE_H_

#include <functional>
#include <map>
#include <memory>
#include <stop_token>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "lib/api/task_graph_record.h"
#include "lib/base/random.h"
#include "lib/driver/core/record.h"
#include "lib/kube/client.h"
#include "lib/kube/waitable_clock.h"
#include "operator/reconcilers/operator_metrics.h"

namespace fractos {

// A record is compared and swapped by its object's resourceVersion. Whoever else writes the status
// drives the run; whoever changes the rest of the object (spec.cancel, a label) does not, so such a
// conflict is no reason to let go: the write is tried again on the object as it is now.
//
// Write goes on trying while the API server is away: all runs wait alike then. It ends, with an
// error, when somebody else drives the run (Aborted), when the TaskGraph was deleted (NotFound),
// when the API server will not have the record (InvalidArgument), when it has refused this record,
// or all of the namespace, for ten seconds, as for want of a right or of an admission webhook (what
// the server said), and when this operator stops or leads no more (Cancelled). What is refused may
// be the matter of one namespace, and whoever waits for it in Write keeps the runs of others
// waiting: of a namespace that is refused for so long one write at a time asks the server, not
// sooner than ten seconds after it refused last; the others end at once with what it said.
//
// Thread-safe; one Write of a run at a time.
class TaskGraphRecordStore final : public RecordStore {
 public:
  struct Options {
    // All outlive the store; `metrics` may be null. `random` is thread-safe.
    kube::Client* client = nullptr;
    kube::WaitableClock* clock = nullptr;
    Random* random = nullptr;
    OperatorMetrics* metrics = nullptr;
    std::stop_token stop;
    // Whether this process leads, asked before each write; may be empty.
    std::function<bool()> leads;
    // Called on the writer's thread for each try that failed; and for each write that was not tried
    // because its namespace is refused, with what the server said last. May be empty.
    std::function<void(const kube::Object& task_graph, const absl::Status& why)> on_error;
  };
  explicit TaskGraphRecordStore(Options options) : options_(std::move(options)) {}

  // Before Driver::Start: the object as it is now, and the version to start with.
  uint64_t Track(const RunId& run, const kube::Object& task_graph, const StatusContext& context);
  void Forget(const RunId& run);
  // Nothing more will be written of the run: its end stands, or writing failed for good. True for a
  // run that is not tracked.
  bool IsSettled(const RunId& run) const;

  absl::StatusOr<Versioned> Load(const RunId& run) override;
  absl::StatusOr<uint64_t> Write(const RunRecord& record, uint64_t version) override;

 private:
  struct Entry {
    kube::Object object;  // as the server had it last
    StatusContext context;
    uint64_t version = 1;
    uint64_t redrive = 0;
    bool settled = false;
  };
  // A circuit breaker for one namespace: closed until it has been refused for kPatience, then open.
  struct Refused {
    // The first refusal since which no write came through. Before it has lasted for long, a try
    // that begins later than kPatience after `last` starts it anew.
    Time since;
    Time last;
    absl::Status status;   // what was said last
    bool probing = false;  // half-open: a write of it asks the server
    bool ForLong() const;
  };
  // One write, and once more when the conflict was none.
  absl::Status TryWrite(const RunRecord& record, WallTime said_at, Entry* entry);
  absl::StatusOr<bool> Resolve(const kube::Object& attempted, Entry* entry);
  // Whether to ask the server for a write of the namespace, which NoteAnswer then ends; an error is
  // what it said, where that is known to be refused still.
  absl::Status MayAsk(const std::string& ns);
  // Takes note of what became of a try that began at `start`. Whether it is a refusal, and the
  // namespace has now been refused for kPatience.
  bool NoteAnswer(const std::string& ns, Time start, const absl::Status& status);
  absl::Status Settle(const RunId& run, absl::Status why);

  const Options options_;
  mutable absl::Mutex mutex_;
  absl::flat_hash_map<RunId, Entry> entries_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, Refused> refused_ ABSL_GUARDED_BY(mutex_);  // by namespace
};

}  // namespace fractos

#endif  // FRACTOS_OPERATOR_RECONCILERS_TASK_GRAPH_RECORD_STORE_H_
