// What a device offers, as text for people.
#ifndef FRACTOS_CLI_OPERATIONS_TEXT_H_
#define FRACTOS_CLI_OPERATIONS_TEXT_H_

#include <string>

#include "lib/plan/operation.h"

namespace fractos {

// One operation with its arguments and inputs, indented, a line each.
std::string FormatOperation(const OperationSpec& operation);

}  // namespace fractos

#endif  // FRACTOS_CLI_OPERATIONS_TEXT_H_
