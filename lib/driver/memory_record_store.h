// Records that last as long as the process: for tests, and for benchmarks that measure the path of
// a run rather than a disk.
#ifndef FRACTOS_LIB_DRIVER_MEMORY_RECORD_STORE_H_
#define FRACTOS_LIB_DRIVER_MEMORY_RECORD_STORE_H_

#include <map>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "lib/driver/core/record.h"

namespace fractos {

// Compares and swaps as the interface says. Thread-safe. FailNext lets a test have the next Write
// fail after or before it took effect, as a store behind a network may.
class MemoryRecordStore final : public RecordStore {
 public:
  absl::StatusOr<Versioned> Load(const RunId& run) override;
  absl::StatusOr<uint64_t> Write(const RunRecord& record, uint64_t version) override;

  void FailNext(absl::Status status, bool after_writing);

 private:
  absl::Mutex mu_;
  std::map<RunId, Versioned> records_ ABSL_GUARDED_BY(mu_);
  absl::Status fail_ ABSL_GUARDED_BY(mu_);
  bool fail_after_writing_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace fractos

#endif  // FRACTOS_LIB_DRIVER_MEMORY_RECORD_STORE_H_
