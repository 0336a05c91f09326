#include "lib/kube/store.h"

#include <utility>

namespace fractos::kube {
namespace {

// Abseil's string_view is a type of its own, which std::less<> does not compare with a string.
std::string_view Std(absl::string_view text) { return {text.data(), text.size()}; }

}  // namespace

void Store::AddIndex(absl::string_view name, IndexFunc function) {
  absl::MutexLock lock(&mutex_);
  Index& index = indices_[std::string(name)];
  index = {std::move(function), {}};
  for (const auto& [key, object] : objects_) UpdateIndex(&index, key, nullptr, object.get());
}

ObjectPtr Store::Get(absl::string_view key) const {
  absl::ReaderMutexLock lock(&mutex_);
  const auto found = objects_.find(Std(key));
  return found == objects_.end() ? nullptr : found->second;
}

std::vector<ObjectPtr> Store::List() const {
  absl::ReaderMutexLock lock(&mutex_);
  std::vector<ObjectPtr> objects;
  objects.reserve(objects_.size());
  for (const auto& [key, object] : objects_) objects.push_back(object);
  return objects;
}

std::vector<std::string> Store::Keys() const {
  absl::ReaderMutexLock lock(&mutex_);
  std::vector<std::string> keys;
  keys.reserve(objects_.size());
  for (const auto& [key, object] : objects_) keys.push_back(key);
  return keys;
}

size_t Store::size() const {
  absl::ReaderMutexLock lock(&mutex_);
  return objects_.size();
}

std::vector<ObjectPtr> Store::ByIndex(absl::string_view index, absl::string_view value) const {
  absl::ReaderMutexLock lock(&mutex_);
  std::vector<ObjectPtr> objects;
  const auto found = indices_.find(Std(index));
  if (found == indices_.end()) return objects;
  const auto keys = found->second.keys.find(Std(value));
  if (keys == found->second.keys.end()) return objects;
  objects.reserve(keys->second.size());
  for (const std::string& key : keys->second) objects.push_back(objects_.at(key));
  return objects;
}

ObjectPtr Store::Put(ObjectPtr object) {
  const std::string key = object->key().ToString();
  absl::MutexLock lock(&mutex_);
  ObjectPtr& place = objects_[key];
  IndexLocked(key, place.get(), object.get());
  return std::exchange(place, std::move(object));
}

ObjectPtr Store::Erase(absl::string_view key) {
  absl::MutexLock lock(&mutex_);
  const auto found = objects_.find(Std(key));
  if (found == objects_.end()) return nullptr;
  IndexLocked(found->first, found->second.get(), nullptr);
  return std::move(objects_.extract(found).mapped());
}

std::map<std::string, ObjectPtr, std::less<>> Store::Replace(
    const std::vector<ObjectPtr>& objects) {
  std::map<std::string, ObjectPtr, std::less<>> replaced;
  for (const ObjectPtr& object : objects) replaced[object->key().ToString()] = object;
  absl::MutexLock lock(&mutex_);
  objects_.swap(replaced);
  for (auto& [name, index] : indices_) {
    index.keys.clear();
    for (const auto& [key, object] : objects_) UpdateIndex(&index, key, nullptr, object.get());
  }
  return replaced;
}

void Store::IndexLocked(const std::string& key, const Object* before, const Object* after) {
  for (auto& [name, index] : indices_) UpdateIndex(&index, key, before, after);
}

void Store::UpdateIndex(Index* index, const std::string& key, const Object* before,
                        const Object* after) {
  if (before != nullptr) {
    for (const std::string& value : index->function(*before)) {
      const auto found = index->keys.find(value);
      if (found == index->keys.end()) continue;
      found->second.erase(key);
      if (found->second.empty()) index->keys.erase(found);
    }
  }
  if (after != nullptr) {
    for (std::string& value : index->function(*after)) {
      index->keys[std::move(value)].insert(key);
    }
  }
}

}  // namespace fractos::kube
