// Records in files: one folder per run, one record in it, one driver at a time.
#ifndef FRACTOS_LIB_DRIVER_FILE_RECORD_STORE_H_
#define FRACTOS_LIB_DRIVER_FILE_RECORD_STORE_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "lib/base/unique_fd.h"
#include "lib/driver/core/record.h"
#include "lib/runtime/atomic_file.h"

namespace fractos {

// Keeps the record of run R in DIRECTORY/<R in hex>/record.json, with the version it is compared
// and swapped by. The folder of a run is locked from Lock (or the first Write) until the store is
// destroyed or its process dies, so that two drivers cannot drive one run and a killed one frees it
// at once. Write is durable when it returns, and a crash at any point leaves the record before or
// the record after, never a part of either. Not thread-safe.
class FileRecordStore final : public RecordStore {
 public:
  // `directory` holds the folders of runs and is made when it is missing. `fault` is for tests.
  explicit FileRecordStore(std::string directory, WriteFault fault = nullptr);

  // Makes the folder of `run` and locks it. FailedPrecondition: another process drives this run.
  absl::Status Lock(const RunId& run);

  // Reading takes no lock: a record can be looked at while it is driven.
  absl::StatusOr<Versioned> Load(const RunId& run) override;
  absl::StatusOr<uint64_t> Write(const RunRecord& record, uint64_t version) override;

  // Every run that has a folder, in no order.
  absl::StatusOr<std::vector<RunId>> List() const;

  std::string FolderOf(const RunId& run) const;

 private:
  const std::string directory_;
  const WriteFault fault_;
  std::map<RunId, UniqueFd> locks_;
};

}  // namespace fractos

#endif  // FRACTOS_LIB_DRIVER_FILE_RECORD_STORE_H_
