// What travels with a hand-over. Daemons and the driver hand over alike, so both make it here.
#ifndef FRACTOS_LIB_PROTOCOL_CONTINUATION_H_
#define FRACTOS_LIB_PROTOCOL_CONTINUATION_H_

#include <string_view>
#include <vector>

#include "lib/plan/step.h"
#include "lib/protocol/leader_book.h"
#include "lib/protocol/message.h"

namespace fractos {

// The rest of a run from `first` on: `first`, those of `later` that can be reached from it, and of
// `signatures` and `book` what doing them takes. Which run it is the caller fills in.
Continuation RestFrom(const StepPtr& first, const std::vector<StepPtr>& later,
                      const std::vector<OperationSignature>& signatures, const LeaderBook& book);

// The clusters where steps of `continuation` are done, and where what they refine to may be: each
// once and sorted, valid as long as it is.
std::vector<std::string_view> ClustersOf(const Continuation& continuation);

}  // namespace fractos

#endif  // FRACTOS_LIB_PROTOCOL_CONTINUATION_H_
