// What a run was started with, kept beside its record so that it can be resumed after fractosctl,
// or the files it was given, are gone.
#ifndef FRACTOS_CLI_RUN_FOLDER_H_
#define FRACTOS_CLI_RUN_FOLDER_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cli/inputs.h"
#include "lib/base/clock.h"
#include "lib/plan/plan.h"
#include "lib/plan/task_graph.h"

namespace fractos {

struct RunInputs {
  std::vector<SourceFile> sources;  // whole, so that later changes to the files do not matter
  ParameterValues parameters;
  std::string name;
  Mode mode = Mode::kDistributed;
  Duration deadline{};
  std::string traceparent;  // of whoever asked for the run
  bool restart = false;
  // The folder of the data centre used: one that `up` keeps, or the run's own.
  std::string data_centre;
  bool data_centre_kept = false;
};

std::string EncodeRunInputs(const RunInputs& inputs);
absl::StatusOr<RunInputs> DecodeRunInputs(absl::string_view text);

// FOLDER/inputs.json, durable when it returns.
absl::Status WriteRunInputs(const std::string& folder, const RunInputs& inputs);
absl::StatusOr<RunInputs> ReadRunInputs(const std::string& folder);

}  // namespace fractos

#endif  // FRACTOS_CLI_RUN_FOLDER_H_
