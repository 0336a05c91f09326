// What travels between SocketMemoryServer and SocketMemoryClient, and where.
#ifndef FRACTOS_LIB_MEMORY_SOCKET_WIRE_H_
#define FRACTOS_LIB_MEMORY_SOCKET_WIRE_H_

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
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

// InvalidArgument when the path is too long.
inline absl::StatusOr<sockaddr_un> SocketAddress(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(address.sun_path)) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", path, "\" cannot be a socket path: it is empty or longer than ",
                     sizeof(address.sun_path) - 1, " bytes"));
  }
  ::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

}  // namespace fractos

#endif  // FRACTOS_LIB_MEMORY_SOCKET_WIRE_H_
