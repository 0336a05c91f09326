// Reading the Memory objects of a process on the same node: their owner hands over the sealed
// descriptor, so no byte is copied. From another node the bytes come instead (tcp_transfer.h).
#ifndef FRACTOS_LIB_MEMORY_SOCKET_TRANSFER_H_
#define FRACTOS_LIB_MEMORY_SOCKET_TRANSFER_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "lib/base/clock.h"
#include "lib/base/unique_fd.h"
#include "lib/memory/memory_store.h"
#include "lib/plan/value.h"

namespace fractos {

// Serves the committed objects of `store` at a Unix socket until destroyed.
//
// A request is an object's id; the answer its descriptor, or that there is none. One thread for all
// readers; a reader that stalls or sends garbage is cut off and harms nobody else. When the process
// has no descriptor left, readers wait.
class SocketMemoryServer {
 public:
  // Replaces a file that was left at `path`. `store` outlives the server. InvalidArgument when the
  // path is too long; another error when nobody can listen there.
  static absl::StatusOr<std::unique_ptr<SocketMemoryServer>> Start(const std::string& path,
                                                                   const MemoryStore* store);
  ~SocketMemoryServer();

 private:
  class Impl;
  explicit SocketMemoryServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Pulls objects from SocketMemoryServers. Thread-safe. Connections are kept and reused.
class SocketMemoryClient {
 public:
  SocketMemoryClient();
  // What is still asked for ends with Cancelled.
  ~SocketMemoryClient();

  // Fetches `value` from the owner at `path` and calls `done` once, on a thread of its own: with
  // the sealed descriptor, or an error as MemoryClient::Pull says.
  void Pull(const Value& value, const std::string& path, Duration timeout,
            std::function<void(absl::StatusOr<UniqueFd>)> done);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace fractos

#endif  // FRACTOS_LIB_MEMORY_SOCKET_TRANSFER_H_
