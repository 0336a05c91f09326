// How fractosctl ends, so that scripts can tell (docs/fractosctl.md).
#ifndef FRACTOS_CLI_EXIT_CODE_H_
#define FRACTOS_CLI_EXIT_CODE_H_

namespace fractos {

enum ExitCode : int {
  kExitSucceeded = 0,
  kExitFailed = 1,
  kExitBadInput = 2,
  kExitDeadline = 3,
  kExitInterrupted = 130,
  kExitBrokenPipe = 141,  // what a shell says of a program that SIGPIPE killed
};

}  // namespace fractos

#endif  // FRACTOS_CLI_EXIT_CODE_H_
