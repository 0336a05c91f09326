// Whether a step's `when` clause holds.
#ifndef FRACTOS_DAEMON_DEVICE_WHEN_H_
#define FRACTOS_DAEMON_DEVICE_WHEN_H_

#include <optional>
#include <vector>

#include "daemon/continuation/actions.h"
#include "daemon/continuation/core.h"
#include "lib/memory/memory_store.h"
#include "lib/plan/task_graph.h"

namespace fractos {

// Nothing: the step is to run. Skipped when the clause does not hold; Failed when it cannot be
// decided: the input is missing, or over kMaxInlineValueBytes (no text to compare is that long, and
// a graph should not make a daemon search megabytes), or the expression is none. The bytes of an
// input that does not travel inline are looked up in `store`.
std::optional<Outcome> CheckWhen(const WhenSpec& when, const std::vector<NamedValue>& inputs,
                                 const MemoryStore& store);

}  // namespace fractos

#endif  // FRACTOS_DAEMON_DEVICE_WHEN_H_
