// The files of this machine that `cp` reads and writes.
#ifndef FRACTOS_CLI_LOCAL_FILE_H_
#define FRACTOS_CLI_LOCAL_FILE_H_

#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "cli/exit_code.h"
#include "lib/base/unique_fd.h"

namespace fractos {

// For reading; standard input, as a duplicate, for "-".
absl::StatusOr<UniqueFd> OpenLocalFile(const std::string& file);

// Has `write` fill a new file beside `file`, which takes its place if that succeeds: no reader sees
// a part of it. Says what goes wrong with the file, and returns what `write` did otherwise.
ExitCode ReceiveLocalFile(const std::string& file, const std::function<ExitCode(int out)>& write);

// A file in memory that is open nowhere else.
absl::StatusOr<UniqueFd> NewMemoryFile();
// From where each of them stands to the end of `from`: how many bytes.
absl::StatusOr<uint64_t> CopyBytes(int from, int to);

}  // namespace fractos

#endif  // FRACTOS_CLI_LOCAL_FILE_H_
