// Completion scripts for shells, made from the commands themselves so that they never lag behind.
#ifndef FRACTOS_CLI_COMPLETION_H_
#define FRACTOS_CLI_COMPLETION_H_

#include <string>

#include "CLI/App.hpp"
#include "absl/status/statusor.h"

namespace fractos {

// `shell` is bash, zsh or fish; InvalidArgument otherwise.
absl::StatusOr<std::string> CompletionScript(const CLI::App& app, const std::string& shell);

}  // namespace fractos

#endif  // FRACTOS_CLI_COMPLETION_H_
