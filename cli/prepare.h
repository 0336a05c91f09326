// From what a run was given to what it takes to start it.
#ifndef FRACTOS_CLI_PREPARE_H_
#define FRACTOS_CLI_PREPARE_H_

#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/exit_code.h"
#include "cli/inputs.h"
#include "cli/kept_centre.h"
#include "cli/run_folder.h"
#include "lib/plan/task_graph.h"

namespace fractos {

// A run that is ready to be started: what `run` made of the files, or `resume` of the folder.
struct PreparedRun {
  RunInputs inputs;
  TaskGraph graph;
  std::vector<PlacedCluster> needed;
  std::optional<KeptCentre> kept;  // the data centre that is up, if the run may use it
};

// Reads, checks and chooses, and starts nothing. An error's message is what to print, line
// ends included, and `*code` what to end with.
absl::StatusOr<PreparedRun> PrepareRun(RunInputs run, ExitCode* code);

}  // namespace fractos

#endif  // FRACTOS_CLI_PREPARE_H_
