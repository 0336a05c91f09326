// A value: immutable bytes that one daemon owns, named by what they are and where they live.
#ifndef FRACTOS_LIB_PLAN_VALUE_H_
#define FRACTOS_LIB_PLAN_VALUE_H_

#include <cstdint>
#include <memory>
#include <string>

#include "lib/base/address.h"
#include "lib/base/digest.h"
#include "lib/base/ids.h"

namespace fractos {

// Names a value and says who owns it. Copying it copies no bytes. A value of at most
// kMaxInlineValueBytes carries its bytes along; a larger one is pulled from `owner` when a step
// needs it. The bytes never change, so two values with equal digests are interchangeable.
struct Value {
  Digest digest;
  uint64_t size = 0;
  Incarnation owner;
  ObjectId object;                                  // at the owner
  std::shared_ptr<const std::string> inline_bytes;  // null: pull from the owner

  bool IsInline() const { return inline_bytes != nullptr; }
  // Equal bytes at the same place; whether they travel inline does not matter.
  friend bool operator==(const Value& a, const Value& b) {
    return a.digest == b.digest && a.size == b.size && a.owner == b.owner && a.object == b.object;
  }
};

}  // namespace fractos

#endif  // FRACTOS_LIB_PLAN_VALUE_H_
