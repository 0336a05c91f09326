#include "tests/kube/mirror.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace fractos::kube_probe {
namespace {

constexpr size_t kMaxKept = 5;

// Not the pointers: a list gives new ones for what has not changed.
std::string Describe(const kube::ObjectPtr& object) {
  if (object == nullptr) return "nothing";
  return absl::StrCat(object->uid(), "@", object->resource_version());
}

}  // namespace

std::map<std::string, kube::ObjectPtr> Mirror::objects() const {
  absl::MutexLock lock(&mutex_);
  return objects_;
}

std::vector<std::string> Mirror::contradictions(size_t* count) const {
  absl::MutexLock lock(&mutex_);
  *count = contradiction_count_;
  return contradictions_;
}

int64_t Mirror::told() const {
  absl::MutexLock lock(&mutex_);
  return told_;
}

void Mirror::OnAdd(const kube::ObjectPtr& object, bool) {
  const std::string key = object->key().ToString();
  {
    absl::MutexLock lock(&mutex_);
    CheckLocked("add", nullptr, *object, /*may_repeat=*/false);
    objects_[key] = object;
  }
  on_key_(key);
}

void Mirror::OnUpdate(const kube::ObjectPtr& before, const kube::ObjectPtr& after) {
  const std::string key = after->key().ToString();
  {
    absl::MutexLock lock(&mutex_);
    CheckLocked("update", before, *after, /*may_repeat=*/false);
    objects_[key] = after;
  }
  on_key_(key);
}

void Mirror::OnDelete(const kube::ObjectPtr& last, bool final_state_unknown) {
  const std::string key = last->key().ToString();
  {
    absl::MutexLock lock(&mutex_);
    const auto found = objects_.find(key);
    // The last state has a version of its own, that of the deletion; only the object must be it.
    const bool same = found != objects_.end() && found->second->uid() == last->uid();
    CheckLocked("delete", same ? found->second : last, *last, final_state_unknown);
    objects_.erase(key);
  }
  on_key_(key);
}

void Mirror::CheckLocked(const char* what, const kube::ObjectPtr& before,
                         const kube::Object& object, bool may_repeat) {
  ++told_;
  const std::string key = object.key().ToString();
  const auto found = objects_.find(key);
  const kube::ObjectPtr there = found == objects_.end() ? nullptr : found->second;
  int64_t version = 0;
  const bool is_number = absl::SimpleAtoi(object.resource_version(), &version);
  int64_t& newest = newest_[key];
  const bool newer = is_number && (version > newest || (may_repeat && version == newest));
  if (Describe(there) != Describe(before) || !newer) {
    ++contradiction_count_;
    if (contradictions_.size() < kMaxKept) {
      contradictions_.push_back(absl::StrCat(what, " of ", key, " to version ",
                                             object.resource_version(), ", from ", Describe(before),
                                             ", after ", Describe(there), ", newest ", newest));
    }
  }
  newest = std::max(newest, version);
}

}  // namespace fractos::kube_probe
