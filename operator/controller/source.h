// From what an informer says to keys in a work queue. Semantics: controller-runtime pkg/source,
// pkg/handler and pkg/predicate.
#ifndef FRACTOS_OPERATOR_CONTROLLER_SOURCE_H_
#define FRACTOS_OPERATOR_CONTROLLER_SOURCE_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "lib/kube/informer.h"
#include "lib/kube/work_queue.h"

namespace fractos::ctrl {

// Whom a change of an object concerns.
using MapFunc = std::function<std::vector<kube::ObjectKey>(const kube::Object&)>;
// Whether an update is worth a look. Additions and deletions always are.
using UpdatePredicate = std::function<bool(const kube::Object& before, const kube::Object& after)>;

// The object itself.
MapFunc EnqueueRequestForObject();
// The object, in the same namespace, that a label names.
MapFunc EnqueueRequestForLabel(absl::string_view label);

// The spec changed, or somebody asked for deletion. Leaves out changes of the status alone: mostly
// one's own.
bool GenerationChanged(const kube::Object& before, const kube::Object& after);
// The object is another one than before, not merely told again.
bool ResourceVersionChanged(const kube::Object& before, const kube::Object& after);

// Puts the keys that `map` gives into a queue. An update concerns those of the state before, too:
// an owner that lost an object wants to know.
class EnqueueHandler final : public kube::ResourceEventHandler {
 public:
  // `queue` outlives the handler. `predicate` may be empty.
  EnqueueHandler(kube::WorkQueue* queue, MapFunc map, UpdatePredicate predicate = nullptr);

  void OnAdd(const kube::ObjectPtr& object, bool is_in_initial_list) override;
  void OnUpdate(const kube::ObjectPtr& before, const kube::ObjectPtr& after) override;
  void OnDelete(const kube::ObjectPtr& last, bool final_state_unknown) override;

 private:
  void Enqueue(const kube::Object& object);

  kube::WorkQueue* const queue_;
  const MapFunc map_;
  const UpdatePredicate predicate_;
};

}  // namespace fractos::ctrl

#endif  // FRACTOS_OPERATOR_CONTROLLER_SOURCE_H_
