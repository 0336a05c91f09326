// The commands that look at files and devices and change nothing.
#ifndef FRACTOS_CLI_INSPECT_H_
#define FRACTOS_CLI_INSPECT_H_

#include <string>
#include <vector>

#include "cli/exit_code.h"

namespace fractos {

struct InspectOptions {
  std::vector<std::string> files;
  std::vector<std::string> device_files;
  std::vector<std::string> parameters;
  std::string format;
};

// `validate`: every TaskGraph and DeviceCluster in the files. Starts no process.
ExitCode ValidateFiles(const InspectOptions& options);
// `graph`: a picture as Mermaid, dot or SVG. Starts no process but Graphviz.
ExitCode DrawGraph(const InspectOptions& options);
// `devices`: what each device offers. Starts only those that nobody knows without.
ExitCode ShowDevices(const InspectOptions& options);

}  // namespace fractos

#endif  // FRACTOS_CLI_INSPECT_H_
