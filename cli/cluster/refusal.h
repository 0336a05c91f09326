// What an API server's refusal is to the user.
#ifndef FRACTOS_CLI_CLUSTER_REFUSAL_H_
#define FRACTOS_CLI_CLUSTER_REFUSAL_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "cli/exit_code.h"

namespace fractos::cluster {

// As lines for stderr: where the server names fields, one line for each, "source: field: message";
// else the message, and what can be done about it if that is known. `source` is the file that was
// refused; empty: none was.
std::string ExplainRefusal(const absl::Status& status, absl::string_view source);

// Whether the server knows no such kind of object, rather than not this one.
bool LacksFractos(const absl::Status& status);

// Prints that. kExitBadInput when the server says that what it was given is wrong, kExitDeadline
// when it did not answer in time, else kExitFailed.
ExitCode ComplainOfCluster(const absl::Status& status, absl::string_view source = "");

}  // namespace fractos::cluster

#endif  // FRACTOS_CLI_CLUSTER_REFUSAL_H_
