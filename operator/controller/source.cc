#include "operator/controller/source.h"

#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace fractos::ctrl {

MapFunc EnqueueRequestForObject() {
  return [](const kube::Object& object) { return std::vector<kube::ObjectKey>{object.key()}; };
}

MapFunc EnqueueRequestForOwner(absl::string_view group, absl::string_view kind) {
  return [prefix = absl::StrCat(group, "/"),
          kind = std::string(kind)](const kube::Object& object) -> std::vector<kube::ObjectKey> {
    const std::optional<kube::OwnerReference> owner = object.controller_of();
    if (!owner.has_value() || owner->kind != kind) return {};
    if (!absl::StartsWith(owner->api_version, prefix)) return {};
    return {{object.ns(), owner->name}};
  };
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
