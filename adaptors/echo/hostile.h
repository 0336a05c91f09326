// What a broken or malicious adaptor does, on demand: the operations behind echo's `hostile`
// option.
#ifndef FRACTOS_ADAPTORS_ECHO_HOSTILE_H_
#define FRACTOS_ADAPTORS_ECHO_HOSTILE_H_

#include <string>

#include "absl/strings/string_view.h"
#include "adaptors/kit/answer.h"
#include "adaptors/kit/request.h"

namespace fractos {

// `description` with the hostile operations added.
std::string AddHostileOperations(absl::string_view description);

// Answers, or does worse. `log` is the file that `append` appends to. Unimplemented when there is
// no such operation.
adaptor::Answer ExecuteHostile(const adaptor::Request& request, const std::string& log);

}  // namespace fractos

#endif  // FRACTOS_ADAPTORS_ECHO_HOSTILE_H_
