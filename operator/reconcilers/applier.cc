#include "operator/reconcilers/applier.h"

#include <chrono>
#include <optional>

#include "absl/strings/str_cat.h"
#include "lib/api/names.h"
#include "lib/kube/errors.h"

namespace fractos {
namespace {

// The generation, where the kind has one: it counts changes of the spec and not of the status.
std::string MarkerOf(const kube::Object& object) {
  const int64_t generation = object.generation();
  return generation > 0 ? absl::StrCat("generation ", generation) : object.resource_version();
}

// Whether `object` may be applied over by the owner of `desired`.
absl::Status CheckOwner(const kube::Object& object, const kube::Object& desired) {
  const std::optional<kube::OwnerReference> wanted = desired.controller_of();
  const std::optional<kube::OwnerReference> owner = object.controller_of();
  if (!wanted.has_value() || (owner.has_value() && owner->uid == wanted->uid)) {
    return absl::OkStatus();
  }
  const std::string what = absl::StrCat(desired.kind(), " ", desired.key().ToString());
  if (owner.has_value() && owner->kind == wanted->kind && owner->name == wanted->name) {
    return absl::UnavailableError(
        absl::StrCat(what, " is of an earlier ", owner->kind, " and will be collected"));
  }
  return absl::AlreadyExistsError(
      absl::StrCat(what, " is there already and belongs to ",
                   owner.has_value() ? absl::StrCat(owner->kind, " ", owner->name) : "nobody",
                   ": rename one of the two"));
}

}  // namespace

kube::ObjectPtr Applier::Find(const kube::Collection& collection, const std::string& name) const {
  const auto cache = caches_.find(collection.resource);
  if (cache == caches_.end()) return nullptr;
  return cache->second->Get({collection.ns, name});
}

absl::Status Applier::Apply(const std::stop_token& stop, const DesiredObject& desired) {
  const kube::Collection& collection = desired.collection;
  const std::string& name = desired.object.name();
  const Digest digest = Digest::Of(desired.object.ToText());
  const kube::ObjectPtr cached = Find(collection, name);
  if (cached != nullptr) {
    if (absl::Status status = CheckOwner(*cached, desired.object); !status.ok()) return status;
    const absl::MutexLock lock(&mutex_);
    const auto applied = applied_.find(IdOf(collection, name));
    if (applied != applied_.end() && applied->second.digest == digest &&
        applied->second.marker == MarkerOf(*cached)) {
      return absl::OkStatus();
    }
  } else {
    // The caches hold only what carries our labels, so somebody else's is not in them.
    const absl::StatusOr<kube::Object> found = client_->Get({stop}, collection, name);
    if (!found.ok() && !kube::IsNotFound(found.status())) {
      return kube::WithContext(
          found.status(), absl::StrCat("looking for ", name, " among ", collection.ToString()));
    }
    if (found.ok()) {
      if (absl::Status status = CheckOwner(*found, desired.object); !status.ok()) return status;
    }
  }
  const absl::StatusOr<kube::Object> result =
      client_->Apply({stop}, collection, desired.object, {kFieldManager, /*force=*/true});
  if (!result.ok()) {
    return kube::WithContext(result.status(),
                             absl::StrCat("applying ", desired.object.kind(), " ", name));
  }
  const absl::MutexLock lock(&mutex_);
  applied_[IdOf(collection, name)] = {digest, MarkerOf(*result), result->generation()};
  return absl::OkStatus();
}

absl::Status Applier::EnsureExists(const std::stop_token& stop, const DesiredObject& desired) {
  const std::string& name = desired.object.name();
  const kube::ObjectPtr cached = Find(desired.collection, name);
  if (cached != nullptr) return CheckOwner(*cached, desired.object);
  const absl::StatusOr<kube::Object> found = client_->Get({stop}, desired.collection, name);
  if (found.ok()) return CheckOwner(*found, desired.object);
  if (!kube::IsNotFound(found.status())) return found.status();
  // AlreadyExists, too, is tried again: it is not known whose that is.
  const absl::Status status =
      client_->Create({stop}, desired.collection, desired.object, {kFieldManager}).status();
  if (status.ok()) return status;
  return kube::WithContext(status, absl::StrCat("creating ", desired.object.kind(), " ", name));
}

absl::Status Applier::Remove(const std::stop_token& stop, const kube::Collection& collection,
                             const std::string& name, const std::string& owner_uid) {
  const kube::ObjectPtr cached = Find(collection, name);
  if (cached == nullptr || cached->deleting()) return absl::OkStatus();
  const std::optional<kube::OwnerReference> owner = cached->controller_of();
  if (!owner.has_value() || owner->uid != owner_uid) return absl::OkStatus();
  kube::DeleteOptions options;
  options.uid = cached->uid();
  const absl::Status status = client_->Delete({stop}, collection, name, options);
  if (status.ok() || kube::IsNotFound(status) || kube::IsConflict(status)) return absl::OkStatus();
  return kube::WithContext(status, absl::StrCat("deleting ", cached->kind(), " ", name));
}

int64_t Applier::AppliedGeneration(const kube::Collection& collection,
                                   const std::string& name) const {
  const absl::MutexLock lock(&mutex_);
  const auto applied = applied_.find(IdOf(collection, name));
  return applied == applied_.end() ? 0 : applied->second.generation;
}

void Applier::Forget(const kube::ObjectKey& key) {
  const absl::MutexLock lock(&mutex_);
  std::erase_if(applied_, [&key](const auto& entry) { return entry.first.second == key; });
}

}  // namespace fractos
