// What an adaptor answered, judged: the boundary where hostile input becomes an outcome.
#ifndef FRACTOS_DAEMON_DEVICE_ANSWER_H_
#define FRACTOS_DAEMON_DEVICE_ANSWER_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "daemon/continuation/actions.h"
#include "daemon/continuation/core.h"
#include "fractos/v1/adaptor.pb.h"
#include "lib/base/unique_fd.h"
#include "lib/memory/memory_store.h"
#include "lib/plan/operation.h"
#include "lib/plan/reasons.h"

namespace fractos {

inline constexpr size_t kMaxFailureMessageBytes = 1024;
inline constexpr size_t kMaxFailureReasonBytes = 64;

// The reasons that the device side itself gives for a failed execution.
using reason::kAdaptorCrashed;
using reason::kAdaptorGarbage;
using reason::kMemoryExhausted;
using reason::kReplyTooLarge;
using reason::kTimeout;
using reason::kUnsealable;

// What an adaptor says of itself in its first frame. FailedPrecondition: it refuses its options,
// and somebody has to mend them. InvalidArgument: no description, or none that can be used.
absl::StatusOr<DeviceDescription> JudgeDescription(absl::string_view frame);

Outcome FailedOutcome(absl::string_view reason, absl::string_view message, bool retryable = false);

// The outcome of every answer but a file's. Values are staged in `store`. An answer that breaks a
// bound or names what is not there is a Failed outcome: the adaptor is wrong, not the stream.
Outcome JudgeAnswer(v1::Result* result, const Execute& execution, MemoryStore* store);

// The outcome of a file of `size` bytes, invalid when the adaptor sent none. Seals and hashes it,
// so it blocks.
Outcome JudgeFile(UniqueFd file, uint64_t size, MemoryStore* store);

}  // namespace fractos

#endif  // FRACTOS_DAEMON_DEVICE_ANSWER_H_
