// Reading the Memory objects of another process: on the same node their descriptors
// (socket_transfer.h), from another node their bytes (tcp_transfer.h). On a connection of its own:
// bulk beside small messages would delay those by tens of milliseconds.
#ifndef FRACTOS_LIB_MEMORY_TRANSFER_H_
#define FRACTOS_LIB_MEMORY_TRANSFER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "lib/base/clock.h"
#include "lib/base/unique_fd.h"
#include "lib/memory/memory_store.h"
#include "lib/memory/socket_transfer.h"
#include "lib/memory/tcp_transfer.h"
#include "lib/plan/value.h"

namespace fractos {

// Serves the committed objects of `store` until destroyed: as SocketMemoryServer at a Unix socket,
// as TcpMemoryServer over TCP.
class MemoryServer {
 public:
  // `where` is the path of a Unix socket or "host:port", where port 0 is any. `store` outlives the
  // server. InvalidArgument when the path is too long; another error when nobody can listen there.
  static absl::StatusOr<std::unique_ptr<MemoryServer>> Start(const std::string& where,
                                                             const MemoryStore* store);

  int port() const;               // 0 at a Unix socket
  uint64_t served_bytes() const;  // over TCP; descriptors are handed over without a byte

 private:
  MemoryServer() = default;
  std::unique_ptr<SocketMemoryServer> socket_;  // one of these
  std::unique_ptr<TcpMemoryServer> tcp_;
};

// Pulls objects from other processes' MemoryServers. Thread-safe. Connections are kept and reused.
// The destructor ends what is still asked for, with Cancelled, and waits until everybody was told.
class MemoryClient {
 public:
  // Fetches the bytes of `value` from `where`, the path of a Unix socket or "host:port", on a
  // thread of its own and calls `done` there: with the sealed descriptor; NotFound when the owner
  // does not have the object, Unavailable when nobody listens, ResourceExhausted when one of the
  // two processes has no descriptor left now, DeadlineExceeded after `timeout`, DataLoss when size
  // or seals are wrong (the digest is the owner's word: it hashed the sealed bytes). From
  // "host:port" it is as TcpMemoryClient::Pull says. Returns what Cancel takes: 0 from a Unix
  // socket, where nothing is cancelled.
  uint64_t Pull(const Value& value, const std::string& where, Duration timeout,
                std::function<void(absl::StatusOr<UniqueFd>)> done);
  // Nobody needs it any more: ends what takes long. `done` is called nevertheless.
  void Cancel(uint64_t pull);

 private:
  SocketMemoryClient socket_;
  TcpMemoryClient tcp_;
};

// Whether `where` is "host:port" rather than a path.
bool IsHostPort(absl::string_view where);

}  // namespace fractos

#endif  // FRACTOS_LIB_MEMORY_TRANSFER_H_
