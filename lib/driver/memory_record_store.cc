#include "lib/driver/memory_record_store.h"

#include "absl/strings/str_cat.h"

namespace fractos {

absl::StatusOr<RecordStore::Versioned> MemoryRecordStore::Load(const RunId& run) {
  const absl::MutexLock lock(&mutex_);
  const auto found = records_.find(run);
  if (found == records_.end()) {
    return absl::NotFoundError(absl::StrCat("there is no run ", run.ToHex()));
  }
  return found->second;
}

absl::StatusOr<uint64_t> MemoryRecordStore::Write(const RunRecord& record, uint64_t version) {
  const absl::MutexLock lock(&mutex_);
  Versioned& stored = records_[record.run];
  if (stored.version != version) {
    const std::string message = absl::StrCat("run ", record.run.ToHex(), " is recorded at version ",
                                             stored.version, ", not ", version);
    return version == 0 ? absl::AlreadyExistsError(message) : absl::AbortedError(message);
  }
  stored = {record, version + 1};
  return version + 1;
}

}  // namespace fractos
