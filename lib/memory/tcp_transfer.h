// Reading the Memory objects of a process on another node: their bytes, streamed by gRPC over a
// connection of its own and into a sealed memory file here. On the same node descriptors are handed
// over instead (socket_transfer.h).
//
//   reader                                       owner
//     │ call kMemoryMethod: 16 bytes, an object's id │
//     ├─────────────────────────────────────────────▶│ committed? else NOT_FOUND
//     │◀── its bytes, up to 256 KiB a message ───────┤ straight from the mapped file
//     │◀── OK ───────────────────────────────────────┤
//     └ size and digest as the value says? then sealed, then given
#ifndef FRACTOS_LIB_MEMORY_TCP_TRANSFER_H_
#define FRACTOS_LIB_MEMORY_TCP_TRANSFER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "lib/base/clock.h"
#include "lib/base/unique_fd.h"
#include "lib/memory/memory_store.h"
#include "lib/plan/value.h"

namespace fractos {

inline constexpr char kMemoryMethod[] = "/fractos.v1.Memory/Read";
inline constexpr size_t kMemoryChunkBytes = 256 * 1024;
// Who moves fewer bytes a second than this is given up, by either end.
inline constexpr uint64_t kSlowestMemoryBytesPerSecond = 4 * 1024 * 1024;

// Serves the committed objects of `store` at "host:port" until destroyed, on threads of gRPC's. At
// most 256 readers at once (RESOURCE_EXHAUSTED beyond); one that stalls is cut off, and holds up
// nobody else. Released objects that are under way are sent to their end.
class TcpMemoryServer {
 public:
  // Port 0: any. Unavailable when nobody can listen there. `store` outlives the server.
  static absl::StatusOr<std::unique_ptr<TcpMemoryServer>> Start(const std::string& endpoint,
                                                                const MemoryStore* store);
  // Cuts off whoever reads.
  ~TcpMemoryServer();

  int port() const;
  uint64_t served_bytes() const;

 private:
  class Impl;
  explicit TcpMemoryServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Pulls objects from TcpMemoryServers. Thread-safe. At most 8 at once, in the order asked for; the
// others wait. So no more than 8 values can be on their way beyond what a quota has room for.
class TcpMemoryClient {
 public:
  using Done = std::function<void(absl::StatusOr<UniqueFd>)>;

  TcpMemoryClient();
  // Cancels all, and waits until everybody was told.
  ~TcpMemoryClient();

  // Fetches the bytes of `value` from `endpoint` and calls `done` once, on a thread of gRPC's,
  // unless Cancel or the destructor finds the pull still waiting: then within those. It is called
  // with the sealed descriptor; NotFound when the owner does not have the object, Unavailable when
  // it cannot be reached or died in the middle, DeadlineExceeded when it took more than `timeout`
  // and what its size takes at kSlowestMemoryBytesPerSecond, DataLoss when size or digest are not
  // the value's, ResourceExhausted when there is no descriptor or memory for it here, Cancelled.
  // Returns what Cancel takes, never 0.
  uint64_t Pull(const Value& value, const std::string& endpoint, Duration timeout, Done done);
  // Nobody needs it any more: ends soon, with Cancelled unless it had ended already.
  void Cancel(uint64_t pull);

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace fractos

#endif  // FRACTOS_LIB_MEMORY_TCP_TRANSFER_H_
