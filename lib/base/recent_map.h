// A bounded map for entries that nobody may ever remove: those not in use make room.
#ifndef FRACTOS_LIB_BASE_RECENT_MAP_H_
#define FRACTOS_LIB_BASE_RECENT_MAP_H_

#include <cstddef>
#include <deque>
#include <utility>

#include "absl/container/flat_hash_map.h"

namespace fractos {

// When it is full, a new key takes the place of what was put in first and not asked for by
// TryEmplace since; what was asked for goes to the end of that line (a queue with a second chance).
// The pointers that it gives live until the next TryEmplace. Not thread-safe.
template <typename Key, typename Value>
class RecentMap {
 public:
  explicit RecentMap(size_t most) : most_(most) {}

  // The value of `key`, made if there is none, and whether it was made.
  std::pair<Value*, bool> TryEmplace(const Key& key) {
    if (const auto known = entries_.find(key); known != entries_.end()) {
      known->second.used = true;
      return {&known->second.value, false};
    }
    if (entries_.size() >= most_) Forget();
    order_.push_back(key);
    return {&entries_.try_emplace(key).first->second.value, true};
  }
  Value* Find(const Key& key) {
    const auto entry = entries_.find(key);
    return entry == entries_.end() ? nullptr : &entry->second.value;
  }
  const Value* Find(const Key& key) const {
    const auto entry = entries_.find(key);
    return entry == entries_.end() ? nullptr : &entry->second.value;
  }
  // In no order.
  template <typename F>
  void ForEachValue(F visit) {
    for (auto& [key, entry] : entries_) visit(entry.value);
  }
  size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    Value value{};
    bool used = false;  // asked for since it was put in, or since it went to the end
  };

  // Ends: each that it keeps is kept once.
  void Forget() {
    while (true) {
      Key oldest = std::move(order_.front());
      order_.pop_front();
      const auto entry = entries_.find(oldest);
      if (!entry->second.used) {
        entries_.erase(entry);
        return;
      }
      entry->second.used = false;
      order_.push_back(std::move(oldest));
    }
  }

  const size_t most_;  // at least 1
  absl::flat_hash_map<Key, Entry> entries_;
  std::deque<Key> order_;
};

}  // namespace fractos

#endif  // FRACTOS_LIB_BASE_RECENT_MAP_H_
