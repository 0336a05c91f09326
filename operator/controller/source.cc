#include "operator/controller/source.h"

#include <utility>

namespace fractos::ctrl {

MapFunc EnqueueRequestForObject() {
  return [](const kube::Object& object) { return std::vector<kube::ObjectKey>{object.key()}; };
}

MapFunc EnqueueRequestForLabel(absl::string_view label) {
  return [label = std::string(label)](const kube::Object& object) -> std::vector<kube::ObjectKey> {
    const std::string& name = object.label(label);
    if (name.empty()) return {};
    return {{object.ns(), name}};
  };
}

bool GenerationChanged(const kube::Object& before, const kube::Object& after) {
  return before.generation() != after.generation() || before.deleting() != after.deleting();
}

bool ResourceVersionChanged(const kube::Object& before, const kube::Object& after) {
  return before.resource_version() != after.resource_version();
}

EnqueueHandler::EnqueueHandler(kube::WorkQueue* queue, MapFunc map, UpdatePredicate predicate)
    : queue_(queue), map_(std::move(map)), predicate_(std::move(predicate)) {}

void EnqueueHandler::OnAdd(const kube::ObjectPtr& object, bool) { Enqueue(*object); }

void EnqueueHandler::OnUpdate(const kube::ObjectPtr& before, const kube::ObjectPtr& after) {
  if (predicate_ != nullptr && !predicate_(*before, *after)) return;
  Enqueue(*before);
  Enqueue(*after);
}

void EnqueueHandler::OnDelete(const kube::ObjectPtr& last, bool) { Enqueue(*last); }

void EnqueueHandler::Enqueue(const kube::Object& object) {
  for (const kube::ObjectKey& key : map_(object)) queue_->Add(key.ToString());
}

}  // namespace fractos::ctrl
