// A run as a span, and the trace that it is in.
#ifndef FRACTOS_LIB_DRIVER_RUN_SPAN_H_
#define FRACTOS_LIB_DRIVER_RUN_SPAN_H_

#include <optional>
#include <string>

#include "lib/driver/core/record.h"
#include "lib/plan/plan.h"
#include "lib/runtime/span.h"

namespace fractos {

// What the run's continuations carry. `asked_by` is the traceparent of whoever asked for the run,
// empty or no traceparent at all if they do not trace. With `traced` it names the run's own span,
// in their trace or else in one that has the run's id, the same whoever drives the run; without, it
// is theirs, or empty.
std::string RunTraceparent(const RunId& run, const std::string& asked_by, bool traced);

// The span of a run that has ended; none if whoever asked for it wants no spans.
std::optional<Span> RunSpan(const RunRecord& record, Mode mode, const std::string& asked_by);

}  // namespace fractos

#endif  // FRACTOS_LIB_DRIVER_RUN_SPAN_H_
