// Runs another program to its end, in place of ourselves as far as the user is concerned.
#ifndef FRACTOS_CLI_RUN_PROGRAM_H_
#define FRACTOS_CLI_RUN_PROGRAM_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace fractos {

struct ProgramRun {
  std::vector<std::string> command;  // the first is looked up in PATH unless it holds a slash
  std::vector<std::pair<std::string, std::string>> env = {};  // added to ours
  std::string folder = {};                                    // empty: ours
  // Its standard streams; -1: ours.
  int in = -1;
  int out = -1;
  int err = -1;
};

// Its exit code; 128 and the signal's number if it was killed; 126 if it cannot be started, as in a
// folder that has gone, which is said on its standard error; 127 if there is no such program. It
// gets SIGTERM if we end before it. Call on the main thread. Not by ChildProcesses: in a process
// group of its own it could not read from the terminal, and Ctrl-C would not reach it.
absl::StatusOr<int> RunProgram(const ProgramRun& run);

}  // namespace fractos

#endif  // FRACTOS_CLI_RUN_PROGRAM_H_
