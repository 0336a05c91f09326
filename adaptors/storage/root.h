// A folder that files are created in whole and never leave.
#ifndef FRACTOS_ADAPTORS_STORAGE_ROOT_H_
#define FRACTOS_ADAPTORS_STORAGE_ROOT_H_

#include <cstdint>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "lib/base/unique_fd.h"

namespace fractos {

inline constexpr size_t kMaxKeyBytes = 1024;
inline constexpr size_t kMaxKeySegmentBytes = 255;
inline constexpr size_t kMaxListedKeys = 100'000;
// Holds files that are being written. Not a key, and in no list.
inline constexpr absl::string_view kStagingFolder = ".fractos-staging";

// InvalidArgument, naming the key and what is wrong, unless it is 1 to kMaxKeyBytes bytes of
// segments with '/' between them, none empty, ".", "..", longer than kMaxKeySegmentBytes or with a
// control character, the first not kStagingFolder.
absl::Status CheckKey(absl::string_view key);

// Files under one folder, by key. Several processes may have the same folder open (the replicas of
// one DeviceCluster). No key leads outside: besides CheckKey, no symbolic link below the folder is
// ever followed, whoever puts one there and whenever. Thread-safe.
class Root {
 public:
  // Creates the folder when it is missing, and removes what crashed writers left there more than an
  // hour ago.
  static absl::StatusOr<Root> Open(const std::string& path);

  struct File {
    UniqueFd fd;  // at offset 0, read-only
    uint64_t size = 0;
    // From the current offset to the end.
    absl::StatusOr<std::string> ReadAll() const;
  };
  // NotFound naming the key when there is no such file, FailedPrecondition when it is a folder.
  absl::StatusOr<File> OpenFile(absl::string_view key) const;

  // Creates the file with `bytes`, folders included. No reader ever sees a part of it; when this
  // has returned OK the bytes are on disk, and the folders that lead to them. OK when equal bytes
  // are already there, AlreadyExists when other bytes are, which then stay. ResourceExhausted when
  // the disk is full, Cancelled when asked to stop before the file is there, Aborted when it was
  // deleted meanwhile, FailedPrecondition in a folder that cannot be written, InvalidArgument for a
  // key that is none: nothing is left then but folders. After any other error the file may be
  // there, and not on disk: put it again.
  absl::Status Put(absl::string_view key, absl::string_view bytes,
                   const std::stop_token& stop = {}) const;

  // OK when the file is gone, also from the disk, and also when it was not there.
  absl::Status Delete(absl::string_view key) const;

  // Sorted. ResourceExhausted beyond kMaxListedKeys.
  absl::StatusOr<std::vector<std::string>> List(absl::string_view prefix) const;

 private:
  explicit Root(std::string path) : path_(std::move(path)) {}
  // A folder below the root (or the root itself for "").
  absl::StatusOr<UniqueFd> OpenFolder(absl::string_view folder, bool create) const;
  // Writes `bytes` to a new file in the staging folder and sets `name` once that exists.
  absl::Status Stage(absl::string_view key, absl::string_view bytes, const std::stop_token& stop,
                     std::string* name) const;
  absl::Status Publish(const std::string& staged, absl::string_view key, absl::string_view bytes,
                       const std::stop_token& stop) const;
  absl::Status CompareExisting(absl::string_view key, absl::string_view bytes,
                               const std::stop_token& stop) const;
  // Has what stands in the key's folder on disk.
  absl::Status SyncFolderOf(absl::string_view key) const;
  // Has the way from the root to the key on disk: a folder that is there may be one whose maker
  // died before it synced that.
  absl::Status SyncAbove(absl::string_view key) const;
  void RemoveStale() const;

  std::string path_;  // for messages
  UniqueFd root_;
  UniqueFd staging_;
};

}  // namespace fractos

#endif  // FRACTOS_ADAPTORS_STORAGE_ROOT_H_
