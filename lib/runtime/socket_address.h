// Where a Unix socket is bound or dialled.
#ifndef FRACTOS_LIB_RUNTIME_SOCKET_ADDRESS_H_
#define FRACTOS_LIB_RUNTIME_SOCKET_ADDRESS_H_

#include <sys/un.h>

#include <string>

#include "absl/status/statusor.h"

namespace fractos {

// `path`, of 1 to 107 bytes, as bind(2) and connect(2) want it, with their size
// sizeof(sockaddr_un). InvalidArgument names the path and the bound: the kernel's own answer would
// do neither.
absl::StatusOr<sockaddr_un> SocketAddress(const std::string& path);

}  // namespace fractos

#endif  // FRACTOS_LIB_RUNTIME_SOCKET_ADDRESS_H_
