// `kubectl fractos logs`: what was logged while a run went on, where it went on.
#ifndef FRACTOS_CLI_CLUSTER_LOGS_H_
#define FRACTOS_CLI_CLUSTER_LOGS_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "cli/cluster/target.h"
#include "cli/exit_code.h"
#include "lib/base/ids.h"

namespace fractos::cluster {

// Prints the lines of the daemons and adaptors that executed the run's steps, in the order of their
// times, each with its pod and container. Left out are lines from before and after the run, and
// those that name another run. A pod that is gone, or may not be read, is said on stderr.
ExitCode Logs(const Target& target, const std::string& run);

// One line of a container, as the API server gives it with timestamps.
struct LogLine {
  std::string time;  // RFC 3339, as it was given
  std::string text;
};
std::vector<LogLine> SplitLog(absl::string_view log);

// Whether `text` says that it is of another run than `run`: daemons write run="HEX", or as JSON
// "run":"HEX".
bool NamesAnotherRun(absl::string_view text, const RunId& run);

}  // namespace fractos::cluster

#endif  // FRACTOS_CLI_CLUSTER_LOGS_H_
