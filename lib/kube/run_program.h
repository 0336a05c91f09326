// Programs that are run for what they print, once.
#ifndef FRACTOS_LIB_KUBE_RUN_PROGRAM_H_
#define FRACTOS_LIB_KUBE_RUN_PROGRAM_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "lib/kube/context.h"

namespace fractos::kube {

// Runs a program without a shell, with our environment and `env`, its standard error being ours,
// and returns what it printed, 1 MiB at most. Standard input is empty unless `interactive`. Killed,
// with all that it started, on `context` (unless interactive: then the program alone, for it shares
// our process group so as to have the terminal). An error says what is wrong without naming the
// program. `command` is not empty. Thread-safe.
absl::StatusOr<std::string> RunProgram(const Context& context,
                                       const std::vector<std::string>& command,
                                       const std::vector<std::pair<std::string, std::string>>& env,
                                       bool interactive);

}  // namespace fractos::kube

#endif  // FRACTOS_LIB_KUBE_RUN_PROGRAM_H_
