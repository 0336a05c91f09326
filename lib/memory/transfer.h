// Reading the Memory objects of another process. On the same node the owner hands over the sealed
// descriptor, so no byte is copied; from another node the bytes come (tcp_transfer.h). On a
// connection of its own: bulk beside small messages would delay those by tens of milliseconds.
#ifndef FRACTOS_LIB_MEMORY_TRANSFER_H_
#define FRACTOS_LIB_MEMORY_TRANSFER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "lib/base/clock.h"
#include "lib/base/unique_fd.h"
#include "lib/memory/memory_store.h"
#include "lib/memory/tcp_transfer.h"
#include "lib/plan/value.h"

namespace fractos {

// Serves the committed objects of `store` until destroyed, at a Unix socket or over TCP.
//
// At a Unix socket a request is an object's id; the answer its size and descriptor, or that there
// is none. One thread for all readers; a reader that stalls or sends garbage is cut off and harms
// nobody else. When the process has no descriptor left, readers wait. Over TCP it is as
// TcpMemoryServer says.
class MemoryServer {
 public:
  // `where` is the path of a Unix socket or "host:port", where port 0 is any. `store` outlives the
  // server. InvalidArgument when the path is too long; another error when nobody can listen there.
  static absl::StatusOr<std::unique_ptr<MemoryServer>> Start(const std::string& where,
                                                             const MemoryStore* store);
  ~MemoryServer();

  int port() const;               // 0 at a Unix socket
  uint64_t served_bytes() const;  // over TCP; descriptors are handed over without a byte

 private:
  class SocketServer;
  MemoryServer();
  std::unique_ptr<SocketServer> socket_;  // one of these
  std::unique_ptr<TcpMemoryServer> tcp_;
};

// Pulls objects from other processes' MemoryServers. Thread-safe. Connections are kept and reused.
class MemoryClient {
 public:
  MemoryClient();
  ~MemoryClient();

  // Fetches the bytes of `value` from `where`, the path of a Unix socket or "host:port", on a
  // thread of its own and calls `done` there: with the sealed descriptor; NotFound when the owner
  // does not have the object, Unavailable when nobody listens, ResourceExhausted when one of the
  // two processes has no descriptor left now, DeadlineExceeded after `timeout`, DataLoss when size
  // or seals are wrong (the digest is the owner's word: it hashed the sealed bytes). From
  // "host:port" it is as TcpMemoryClient::Pull says. Returns what Cancel takes.
  uint64_t Pull(const Value& value, const std::string& where, Duration timeout,
                std::function<void(absl::StatusOr<UniqueFd>)> done);
  // Nobody needs it any more: ends what takes long. `done` is called nevertheless.
  void Cancel(uint64_t pull);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// Whether `where` is "host:port" rather than a path.
bool IsHostPort(absl::string_view where);

}  // namespace fractos

#endif  // FRACTOS_LIB_MEMORY_TRANSFER_H_
