#include "lib/driver/memory_record_store.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace fractos {

absl::StatusOr<RecordStore::Versioned> MemoryRecordStore::Load(const RunId& run) {
  const absl::MutexLock lock(&mu_);
  const auto found = records_.find(run);
  if (found == records_.end()) {
    return absl::NotFoundError(absl::StrCat("there is no run ", run.ToHex()));
  }
  return found->second;
}

absl::StatusOr<uint64_t> MemoryRecordStore::Write(const RunRecord& record, uint64_t version) {
  const absl::MutexLock lock(&mu_);
  const absl::Status fail = std::exchange(fail_, absl::OkStatus());
  if (!fail.ok() && !fail_after_writing_) return fail;
  Versioned& stored = records_[record.run];
  if (stored.version != version) {
    const std::string message = absl::StrCat("run ", record.run.ToHex(), " is recorded at version ",
                                             stored.version, ", not ", version);
    return version == 0 ? absl::AlreadyExistsError(message) : absl::AbortedError(message);
  }
  stored = {record, version + 1};
  if (!fail.ok()) return fail;
  return version + 1;
}

void MemoryRecordStore::FailNext(absl::Status status, bool after_writing) {
  const absl::MutexLock lock(&mu_);
  fail_ = std::move(status);
  fail_after_writing_ = after_writing;
}

}  // namespace fractos
