// Where fractosctl finds programs and keeps things.
#ifndef FRACTOS_CLI_PATHS_H_
#define FRACTOS_CLI_PATHS_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace fractos {

// Makes the folders that the environment names absolute there, for us and for what we start: a data
// centre that is kept, and its adaptors, work in other folders. Call before anything uses them, and
// before any thread starts.
void SettleFolders();

// $FRACTOS_HOME, else $XDG_DATA_HOME/fractos, else ~/.local/share/fractos. Empty when there is no ~
// either, which CheckHome says before anything is done.
std::string HomeFolder();
// NotFound when there is no home folder, naming the way out.
absl::Status CheckHome();
// HOME/runs: a folder for each run.
std::string RunsFolder();

// The folder of fractosctl's own program, where the others are.
std::string ProgramFolder();
// `name` beside our own program. NotFound says where it was looked for.
absl::StatusOr<std::string> FindProgram(absl::string_view name);

// The folder of a file, as an absolute path; ours for an empty name.
std::string AbsoluteFolderOf(absl::string_view file);

absl::Status MakeFolders(const std::string& path);
// Removes `path` and what is in it; what cannot be removed stays.
void RemoveFolder(const std::string& path);

}  // namespace fractos

#endif  // FRACTOS_CLI_PATHS_H_
