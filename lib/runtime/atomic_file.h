// Files that are always whole: a reader, or the process after a crash, finds either the old bytes
// or the new ones.
#ifndef FRACTOS_LIB_RUNTIME_ATOMIC_FILE_H_
#define FRACTOS_LIB_RUNTIME_ATOMIC_FILE_H_

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "lib/base/unique_fd.h"

namespace fractos {

// The places where WriteFileAtomically can fail or be killed, in order.
enum class WriteStage { kCreate, kWrite, kSync, kRename, kSyncDirectory, kDone };

// Called before each stage; an error is taken as that stage's failure. Tests kill the process here.
using WriteFault = std::function<absl::Status(WriteStage)>;

// Replaces `path` by a file holding `bytes`: written beside it, synced, renamed over it, and the
// folder synced, so that it is durable when OK returns. On an error `path` is as it was, unless the
// error came from syncing the folder, after which either is possible. Blocks. The errors name the
// file; a full disk is ResourceExhausted.
absl::Status WriteFileAtomically(const std::string& path, absl::string_view bytes,
                                 const WriteFault& fault = nullptr);

// The same without syncing: whole for readers, but after the machine itself crashed the old bytes,
// the new ones or none may be there. For hints.
absl::Status ReplaceFile(const std::string& path, absl::string_view bytes);

// The whole file; NotFound, or ResourceExhausted when it is longer than `limit`.
absl::StatusOr<std::string> ReadWholeFile(const std::string& path, size_t limit);

// A lock that the kernel frees when its holder dies, however it dies. Holds while the descriptor is
// open; children do not inherit it. FailedPrecondition when another process has it.
// Tries for a tenth of a second, for who only looks holds it shared for a moment.
absl::StatusOr<UniqueFd> LockFile(const std::string& path);

// Looks whether somebody has the lock: FailedPrecondition then. Otherwise nobody gets it as long as
// the descriptor is open, and others may look at the same time.
absl::StatusOr<UniqueFd> ProbeLock(const std::string& path);

// `message` with the file's name and errno's text, under the code that fits errno.
absl::Status ErrnoError(int error, absl::string_view what, absl::string_view path);

}  // namespace fractos

#endif  // FRACTOS_LIB_RUNTIME_ATOMIC_FILE_H_
