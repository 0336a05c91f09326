// How fractosctl says what went wrong.
#ifndef FRACTOS_CLI_COMPLAIN_H_
#define FRACTOS_CLI_COMPLAIN_H_

#include <iostream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "cli/exit_code.h"
#include "cli/inputs.h"

namespace fractos {

// Prints the status' message on stderr and returns `code`.
inline ExitCode Complain(const absl::Status& status, ExitCode code = kExitFailed) {
  std::cerr << "fractosctl: " << std::string(status.message()) << "\n";
  return code;
}

// The same for what is wrong with the user's files.
inline ExitCode Refuse(const std::vector<Diagnostic>& diagnostics) {
  std::cerr << FormatDiagnostics(diagnostics);
  return kExitBadInput;
}

}  // namespace fractos

#endif  // FRACTOS_CLI_COMPLAIN_H_
