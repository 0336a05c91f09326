// A bounded map for entries that nobody may ever remove: the oldest make room.
#ifndef FRACTOS_LIB_BASE_RECENT_MAP_H_
#define FRACTOS_LIB_BASE_RECENT_MAP_H_

#include <cstddef>
#include <deque>
#include <utility>

#include "absl/container/flat_hash_map.h"

namespace fractos {

// Forgets what was put in first when it holds more than it may. The pointers that it gives live
// until the next TryEmplace. Not thread-safe.
template <typename Key, typename Value>
class RecentMap {
 public:
  explicit RecentMap(size_t most) : most_(most) {}

  // The value of `key`, made if there is none, and whether it was made.
  std::pair<Value*, bool> TryEmplace(const Key& key) {
    auto [entry, added] = values_.try_emplace(key);
    if (added) {
      order_.push_back(key);
      if (order_.size() > most_) {
        values_.erase(order_.front());
        order_.pop_front();
        entry = values_.find(key);
      }
    }
    return {&entry->second, added};
  }
  Value* Find(const Key& key) {
    auto entry = values_.find(key);
    return entry == values_.end() ? nullptr : &entry->second;
  }
  const Value* Find(const Key& key) const {
    const auto entry = values_.find(key);
    return entry == values_.end() ? nullptr : &entry->second;
  }
  // In no order.
  template <typename F>
  void ForEachValue(F visit) {
    for (auto& [key, value] : values_) visit(value);
  }
  size_t size() const { return values_.size(); }

 private:
  const size_t most_;
  absl::flat_hash_map<Key, Value> values_;
  std::deque<Key> order_;
};

}  // namespace fractos

#endif  // FRACTOS_LIB_BASE_RECENT_MAP_H_
