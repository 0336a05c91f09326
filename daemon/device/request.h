// What the daemon says to its adaptor, as frames.
#ifndef FRACTOS_DAEMON_DEVICE_REQUEST_H_
#define FRACTOS_DAEMON_DEVICE_REQUEST_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "daemon/continuation/actions.h"
#include "daemon/continuation/core.h"
#include "daemon/device/frame_stream.h"
#include "lib/memory/memory_store.h"

namespace fractos {

// Names one execution at this daemon; never used twice. An attempt that is cancelled and executed
// again has another ticket, so a late answer is never taken for the new one's.
using Ticket = uint64_t;

OutFrame ConfigureFrame(absl::string_view options_json);

// With the inputs from `store`: inline, or as descriptors in the order in which the frame names
// them; the frame keeps what these belong to. NotFound when `store` has an input no more,
// ResourceExhausted when no descriptor is left for one or the whole is longer than a frame may be.
absl::StatusOr<OutFrame> ExecuteFrame(Ticket ticket, const Execute& execution,
                                      const MemoryStore& store);

OutFrame CancelFrame(Ticket ticket);

}  // namespace fractos

#endif  // FRACTOS_DAEMON_DEVICE_REQUEST_H_
