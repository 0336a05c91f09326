// A map that forgets what was used least recently.
#ifndef FRACTOS_LIB_KUBE_LRU_CACHE_H_
#define FRACTOS_LIB_KUBE_LRU_CACHE_H_

#include <cstddef>
#include <list>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"

namespace fractos::kube {

// Not thread-safe.
template <typename Value>
class LruCache {
 public:
  // Holds at most `capacity` > 0 values.
  explicit LruCache(size_t capacity) : capacity_(capacity) {}

  // Null when there is none. Counts as a use. Valid until the next Put.
  Value* Get(absl::string_view key) {
    const auto found = places_.find(key);
    if (found == places_.end()) return nullptr;
    entries_.splice(entries_.begin(), entries_, found->second);
    return &found->second->second;
  }

  // Adds or replaces. Valid likewise.
  Value* Put(absl::string_view key, Value value) {
    if (Value* there = Get(key)) {
      *there = std::move(value);
      return there;
    }
    if (entries_.size() == capacity_) {
      places_.erase(entries_.back().first);
      entries_.pop_back();
    }
    entries_.emplace_front(std::string(key), std::move(value));
    places_[key] = entries_.begin();
    return &entries_.front().second;
  }

  size_t size() const { return entries_.size(); }

 private:
  using Entries = std::list<std::pair<std::string, Value>>;

  const size_t capacity_;
  Entries entries_;  // most recently used first
  absl::flat_hash_map<std::string, typename Entries::iterator> places_;
};

}  // namespace fractos::kube

#endif  // FRACTOS_LIB_KUBE_LRU_CACHE_H_
