// Writes the records of runs to a store that may take long.
#ifndef FRACTOS_LIB_DRIVER_RECORD_WRITER_H_
#define FRACTOS_LIB_DRIVER_RECORD_WRITER_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "lib/base/ids.h"
#include "lib/driver/core/record.h"

namespace fractos {

// Owns the threads on which the store is called: so many records are written at a time, in the
// order in which they came. Two of one run may be written at once; whoever adds sees to it that
// there are none. Thread-safe.
class RecordWriter {
 public:
  struct Callbacks {
    // The version that the run's record has in the store; none when the run is not driven any more,
    // so that nothing is written.
    std::function<std::optional<uint64_t>(const RunId&)> version;
    // The new version, or why it could not be written.
    std::function<void(const RunId&, const absl::StatusOr<uint64_t>&)> written;
  };
  // `store` outlives the writer. The callbacks are called on its threads, without a lock.
  RecordWriter(size_t threads, RecordStore* store, Callbacks callbacks);
  // As Stop.
  ~RecordWriter();
  RecordWriter(const RecordWriter&) = delete;
  RecordWriter& operator=(const RecordWriter&) = delete;

  void Add(const RunId& run, RunRecord record);
  // Waits for the writes under way; those that wait are dropped, and nothing is called back after
  // it. By one thread, which holds no lock that a callback takes.
  void Stop();

 private:
  struct Pending {
    RunId run;
    RunRecord record;
  };

  void Write();

  RecordStore* const store_;
  const Callbacks callbacks_;
  absl::Mutex mutex_;
  std::deque<Pending> pending_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;  // last: they use the rest
};

}  // namespace fractos

#endif  // FRACTOS_LIB_DRIVER_RECORD_WRITER_H_
