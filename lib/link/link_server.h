// Where others dial a process.
#ifndef FRACTOS_LIB_LINK_LINK_SERVER_H_
#define FRACTOS_LIB_LINK_LINK_SERVER_H_

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/server.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "lib/link/stream.h"
#include "lib/runtime/channel.h"
#include "lib/runtime/event_loop.h"

namespace fractos {

// Listens at one endpoint and makes a stream of every dial. The stream that waits for the next dial
// keeps its owner alive like any other, so whoever owns the streams owns this, too, and Stop is
// what lets both go.
class LinkServer {
 public:
  // At "unix:/path" or "host:port" (port 0: any). InvalidArgument or Unavailable when nobody can
  // listen there. One for a loop, before it runs.
  static absl::StatusOr<std::unique_ptr<LinkServer>> Listen(const std::string& endpoint,
                                                            const Keepalive& keepalive,
                                                            EventLoop* loop);
  LinkServer(const LinkServer&) = delete;
  LinkServer& operator=(const LinkServer&) = delete;

  // With the port that was chosen.
  const std::string& endpoint() const { return endpoint_; }

  // From now on `owner` gets the streams of those who dial. Call once.
  void Accept(std::shared_ptr<Stream::Owner> owner);
  // Listens no more; streams that were accepted are their owner's to end. On the loop's thread, or
  // when Run has returned.
  void Stop();

 private:
  explicit LinkServer(EventLoop* loop) : loop_(loop) {}

  EventLoop* const loop_;
  grpc::AsyncGenericService service_;
  std::unique_ptr<grpc::Server> server_;
  std::string endpoint_;
  bool stopped_ = false;  // the loop's thread's
};

}  // namespace fractos

#endif  // FRACTOS_LIB_LINK_LINK_SERVER_H_
