// A step as a span.
#ifndef FRACTOS_DAEMON_STEP_SPAN_H_
#define FRACTOS_DAEMON_STEP_SPAN_H_

#include <optional>

#include "daemon/continuation/actions.h"
#include "lib/runtime/span.h"

namespace fractos {

// From the last hand-over that the step needed to its commit. Named by its result's id, it hangs
// from the span of its first predecessor, with links to those of the others; that of a first step
// from the continuation's traceparent. None when that is none, or says that nobody wants spans.
std::optional<Span> StepSpan(const Traced& traced);

}  // namespace fractos

#endif  // FRACTOS_DAEMON_STEP_SPAN_H_
