// A run as a Chrome trace, for chrome://tracing or ui.perfetto.dev.
#ifndef FRACTOS_CLI_TRACE_H_
#define FRACTOS_CLI_TRACE_H_

#include <string>

#include "lib/driver/core/record.h"
#include "lib/plan/plan.h"

namespace fractos {

// JSON in the Trace Event Format: one span for every step that was executed, on the daemon that
// executed it, and one for every hop: an edge whose result came from another process, from its
// commit there to its receipt here.
std::string ChromeTrace(const Plan& plan, const RunRecord& record);

}  // namespace fractos

#endif  // FRACTOS_CLI_TRACE_H_
