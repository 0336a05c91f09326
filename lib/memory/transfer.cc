#include "lib/memory/transfer.h"

#include <utility>

#include "absl/strings/numbers.h"

namespace fractos {

absl::StatusOr<std::unique_ptr<MemoryServer>> MemoryServer::Start(const std::string& where,
                                                                  const MemoryStore* store) {
  std::unique_ptr<MemoryServer> server(new MemoryServer());
  if (IsHostPort(where)) {
    absl::StatusOr<std::unique_ptr<TcpMemoryServer>> tcp = TcpMemoryServer::Start(where, store);
    if (!tcp.ok()) return tcp.status();
    server->tcp_ = *std::move(tcp);
  } else {
    absl::StatusOr<std::unique_ptr<SocketMemoryServer>> socket =
        SocketMemoryServer::Start(where, store);
    if (!socket.ok()) return socket.status();
    server->socket_ = *std::move(socket);
  }
  return server;
}

int MemoryServer::port() const { return tcp_ == nullptr ? 0 : tcp_->port(); }
uint64_t MemoryServer::served_bytes() const { return tcp_ == nullptr ? 0 : tcp_->served_bytes(); }

uint64_t MemoryClient::Pull(const Value& value, const std::string& where, Duration timeout,
                            std::function<void(absl::StatusOr<UniqueFd>)> done) {
  if (IsHostPort(where)) return tcp_.Pull(value, where, timeout, std::move(done));
  socket_.Pull(value, where, timeout, std::move(done));
  return 0;
}
void MemoryClient::Cancel(uint64_t pull) {
  if (pull != 0) tcp_.Cancel(pull);
}

bool IsHostPort(absl::string_view where) {
  const size_t colon = where.rfind(':');
  uint32_t port;
  return !where.empty() && where[0] != '/' && where[0] != '.' && colon != 0 &&
         colon != absl::string_view::npos && absl::SimpleAtoi(where.substr(colon + 1), &port) &&
         port <= 65535;
}

}  // namespace fractos
