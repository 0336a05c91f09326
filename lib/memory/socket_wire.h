// What travels between SocketMemoryServer and SocketMemoryClient.
#ifndef FRACTOS_LIB_MEMORY_SOCKET_WIRE_H_
#define FRACTOS_LIB_MEMORY_SOCKET_WIRE_H_

#include <cstdint>

#include "lib/base/ids.h"

namespace fractos {

enum class MemoryFound : uint8_t {
  kNotFound,
  kFound,   // its descriptor is beside the answer
  kNotNow,  // it is there, and the owner has nothing left to hand it over with
};

// In packets that keep their boundaries: a request is an object's id, the answer this.
struct MemoryAnswer {
  char object[ObjectId::kSize];
  MemoryFound found;
  uint8_t unused[7];
};
static_assert(sizeof(MemoryAnswer) == 24);

}  // namespace fractos

#endif  // FRACTOS_LIB_MEMORY_SOCKET_WIRE_H_
