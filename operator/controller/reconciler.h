// What a controller calls when an object may not be as it should be. Semantics: controller-runtime
// pkg/reconcile.
#ifndef FRACTOS_OPERATOR_CONTROLLER_RECONCILER_H_
#define FRACTOS_OPERATOR_CONTROLLER_RECONCILER_H_

#include <stop_token>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "lib/base/clock.h"
#include "lib/kube/object.h"

namespace fractos::ctrl {

// Which object to look at. It says nothing of what happened: whoever reconciles compares what there
// is with what there should be, so that a change that nobody heard of is mended by the next one.
struct Request {
  kube::ObjectKey key;
  bool operator==(const Request&) const = default;
};

struct Result {
  // More than 0: look again after this long, whatever happens in between.
  Duration requeue_after{};
};

// Never called for one object twice at the same time; for different ones, from several threads. An
// error has the object tried again, later each time; a TerminalError has it left alone until it
// changes. Has to return soon once `stop` is requested.
class Reconciler {
 public:
  virtual ~Reconciler() = default;
  virtual absl::StatusOr<Result> Reconcile(const Request& request, const std::stop_token& stop) = 0;
};

// The same error, marked as one that trying again does not mend.
absl::Status TerminalError(const absl::Status& status);
bool IsTerminalError(const absl::Status& status);

}  // namespace fractos::ctrl

#endif  // FRACTOS_OPERATOR_CONTROLLER_RECONCILER_H_
