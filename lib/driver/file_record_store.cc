#include "lib/driver/file_record_store.h"

#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace fractos {
namespace {

// 256 steps, each with a message of 1 KiB or an output of 16 KiB, take half of this at most.
constexpr size_t kMaxRecordBytes = size_t{16} << 20;

// The first line of the file is the version, so that it can be compared without reading the rest.
std::string WithVersion(uint64_t version, absl::string_view record) {
  return absl::StrCat(version, "\n", record, "\n");
}

}  // namespace

FileRecordStore::FileRecordStore(std::string directory, WriteFault fault)
    : directory_(std::move(directory)), fault_(std::move(fault)) {}

std::string FileRecordStore::FolderOf(const RunId& run) const {
  return absl::StrCat(directory_, "/", run.ToHex());
}

absl::Status FileRecordStore::Lock(const RunId& run) {
  if (locks_.contains(run)) return absl::OkStatus();
  const std::string folder = FolderOf(run);
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return ErrnoError(error.value(), "cannot make", folder);
  absl::StatusOr<UniqueFd> lock = LockFile(absl::StrCat(folder, "/lock"));
  if (absl::IsFailedPrecondition(lock.status())) {
    return absl::FailedPreconditionError(
        absl::StrCat("run ", run.ToHex(), " is being driven by another fractosctl"));
  }
  if (!lock.ok()) return lock.status();
  locks_.emplace(run, *std::move(lock));
  return absl::OkStatus();
}

absl::StatusOr<RecordStore::Versioned> FileRecordStore::Load(const RunId& run) {
  const std::string path = absl::StrCat(FolderOf(run), "/record.json");
  absl::StatusOr<std::string> text = ReadWholeFile(path, kMaxRecordBytes);
  if (absl::IsNotFound(text.status())) {
    return absl::NotFoundError(absl::StrCat("there is no run ", run.ToHex()));
  }
  if (!text.ok()) return text.status();
  const size_t line = text->find('\n');
  Versioned found;
  if (line == std::string::npos ||
      !absl::SimpleAtoi(absl::string_view(*text).substr(0, line), &found.version)) {
    return absl::DataLossError(absl::StrCat(path, " is damaged: it has no version"));
  }
  absl::StatusOr<RunRecord> record = DecodeRecord(absl::string_view(*text).substr(line + 1));
  if (!record.ok()) {
    return absl::DataLossError(absl::StrCat(path, " is damaged: ", record.status().message()));
  }
  if (record->run != run) {
    return absl::DataLossError(absl::StrCat(path, " is the record of another run"));
  }
  found.record = *std::move(record);
  return found;
}

absl::StatusOr<uint64_t> FileRecordStore::Write(const RunRecord& record, uint64_t version) {
  absl::Status locked = Lock(record.run);
  // Whoever has the lock drives the run: for our driver this is a lost compare-and-swap.
  if (absl::IsFailedPrecondition(locked)) return absl::AbortedError(locked.message());
  if (!locked.ok()) return locked;

  const absl::StatusOr<Versioned> stored = Load(record.run);
  if (!stored.ok() && !absl::IsNotFound(stored.status())) return stored.status();
  const uint64_t current = stored.ok() ? stored->version : 0;
  if (current != version) {
    const std::string message = absl::StrCat("run ", record.run.ToHex(), " is recorded at version ",
                                             current, ", not ", version);
    return version == 0 ? absl::AlreadyExistsError(message) : absl::AbortedError(message);
  }
  absl::Status written =
      WriteFileAtomically(absl::StrCat(FolderOf(record.run), "/record.json"),
                          WithVersion(version + 1, EncodeRecord(record)), fault_);
  if (!written.ok()) return written;
  return version + 1;
}

absl::StatusOr<std::vector<RunId>> FileRecordStore::List() const {
  std::vector<RunId> runs;
  std::error_code error;
  std::filesystem::directory_iterator entries(directory_, error);
  if (error == std::errc::no_such_file_or_directory) return runs;
  for (; !error && entries != std::filesystem::directory_iterator(); entries.increment(error)) {
    const absl::StatusOr<RunId> run = RunId::FromHex(entries->path().filename().string());
    if (run.ok()) runs.push_back(*run);
  }
  if (error) return ErrnoError(error.value(), "cannot read", directory_);
  return runs;
}

}  // namespace fractos
