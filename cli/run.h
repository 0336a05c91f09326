// `fractosctl run` and `resume`.
#ifndef FRACTOS_CLI_RUN_H_
#define FRACTOS_CLI_RUN_H_

#include <optional>
#include <string>
#include <vector>

#include "cli/exit_code.h"
#include "cli/report.h"
#include "lib/base/clock.h"
#include "lib/plan/task_graph.h"

namespace fractos {

// How a run is shown, whether it is new or resumed.
struct ShowOptions {
  ReportFormat format = ReportFormat::kText;
  std::string trace_file;  // empty: no trace
  bool quiet = false;
  bool verbose = false;
};

struct RunOptions {
  std::vector<std::string> files;         // the graph, perhaps with DeviceClusters
  std::vector<std::string> device_files;  // --devices
  std::vector<std::string> parameters;    // "name=value"
  std::string name;
  std::optional<Mode> mode;
  std::optional<Duration> deadline;
  bool restart = false;
  ShowOptions show;
};

// Bad input ends before anything is started or written.
ExitCode Run(const RunOptions& options);

// Finishes a run whose fractosctl is gone. `run` is its id or the beginning of it.
ExitCode Resume(const std::string& run, const ShowOptions& options);

}  // namespace fractos

#endif  // FRACTOS_CLI_RUN_H_
