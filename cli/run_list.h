// `fractosctl runs`.
#ifndef FRACTOS_CLI_RUN_LIST_H_
#define FRACTOS_CLI_RUN_LIST_H_

#include <string>

#include "cli/exit_code.h"

namespace fractos {

// Every run that is recorded here, the latest first; `format` is "text" or "json".
ExitCode ListRuns(const std::string& format);

}  // namespace fractos

#endif  // FRACTOS_CLI_RUN_LIST_H_
