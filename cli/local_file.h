// The files of this machine that `cp` reads and writes.
#ifndef FRACTOS_CLI_LOCAL_FILE_H_
#define FRACTOS_CLI_LOCAL_FILE_H_

#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "cli/exit_code.h"
#include "lib/base/unique_fd.h"

namespace fractos {

// For reading; standard input, as a duplicate, for "-". A folder is refused.
absl::StatusOr<UniqueFd> OpenLocalFile(const std::string& file);

// Fills `out`. `is_new`: it is an empty file, which nobody will see if this fails.
using FillFile = std::function<ExitCode(int out, bool is_new)>;

// Has `fill` fill `file`, or what that is a symbolic link to. A new file beside it takes its place
// if that succeeds, so no reader sees a part of it; but a device or a pipe is written to as it is,
// and so is the file that standard output goes to. SIGINT, SIGTERM and SIGHUP, unless they are
// ignored, remove the new file and end the process with exit code 130. A folder and a link to
// nothing are refused. Says what goes wrong with the file, and returns what `fill` did otherwise.
ExitCode ReceiveLocalFile(const std::string& file, const FillFile& fill);

// A file in memory that is open nowhere else.
absl::StatusOr<UniqueFd> NewMemoryFile();
// From where each of them stands to the end of `from`: how many bytes.
absl::StatusOr<uint64_t> CopyBytes(int from, int to);

}  // namespace fractos

#endif  // FRACTOS_CLI_LOCAL_FILE_H_
