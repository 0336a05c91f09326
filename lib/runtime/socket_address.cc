#include "lib/runtime/socket_address.h"

#include <string.h>
#include <sys/socket.h>

#include "absl/strings/str_cat.h"

namespace fractos {

absl::StatusOr<sockaddr_un> SocketAddress(const std::string& path) {
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
