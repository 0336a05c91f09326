// Records that last as long as the process: for sessions that drive no run, and for benchmarks that
// measure the path of a run rather than a disk.
#ifndef FRACTOS_LIB_DRIVER_MEMORY_RECORD_STORE_H_
#define FRACTOS_LIB_DRIVER_MEMORY_RECORD_STORE_H_

#include <map>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "lib/driver/core/record.h"

namespace fractos {

// Compares and swaps as the interface says. Thread-safe.
class MemoryRecordStore final : public RecordStore {
 public:
  absl::StatusOr<Versioned> Load(const RunId& run) override;
  absl::StatusOr<uint64_t> Write(const RunRecord& record, uint64_t version) override;

 private:
  absl::Mutex mutex_;
  std::map<RunId, Versioned> records_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace fractos

#endif  // FRACTOS_LIB_DRIVER_MEMORY_RECORD_STORE_H_
