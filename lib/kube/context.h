// How long a blocking call of this folder may block.
#ifndef FRACTOS_LIB_KUBE_CONTEXT_H_
#define FRACTOS_LIB_KUBE_CONTEXT_H_

#include <stop_token>

#include "lib/base/clock.h"

namespace fractos::kube {

// A call ends soon after `stop` is requested, with Cancelled, and at `deadline`, by the callee's
// clock, with DeadlineExceeded (without an ApiStatus: what the server calls a timeout is
// kube::IsTimeout). A write that ends so may have happened.
struct Context {
  std::stop_token stop = {};
  Time deadline = Time::max();
};

}  // namespace fractos::kube

#endif  // FRACTOS_LIB_KUBE_CONTEXT_H_
