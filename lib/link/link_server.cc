#include "lib/link/link_server.h"

#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>
#include <sys/un.h>

#include <chrono>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "lib/base/limits.h"

namespace fractos {
namespace {

absl::Status CheckEndpoint(const std::string& endpoint) {
  if (!absl::StartsWith(endpoint, "unix:")) return absl::OkStatus();
  if (endpoint.size() - 5 >= sizeof(sockaddr_un::sun_path)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the socket path ", endpoint.substr(5), " is longer than ",
        sizeof(sockaddr_un::sun_path) - 1,
        " bytes; use a shorter folder (fractosctl makes its own under XDG_RUNTIME_DIR)"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<LinkServer>> LinkServer::Listen(const std::string& endpoint,
                                                               const Keepalive& keepalive,
                                                               EventLoop* loop) {
  if (absl::Status status = CheckEndpoint(endpoint); !status.ok()) return status;
  std::unique_ptr<LinkServer> server(new LinkServer(loop));
  grpc::ServerBuilder* builder = loop->server_builder();
  int port = 0;
  ApplyArguments(ChannelArgumentsFor(endpoint, kMaxMessageBytes, keepalive), builder);
  builder->RegisterAsyncGenericService(&server->service_);
  builder->AddListeningPort(endpoint, grpc::InsecureServerCredentials(), &port);
  server->server_ = builder->BuildAndStart();
  if (server->server_ == nullptr) {
    return absl::UnavailableError(absl::StrCat("cannot listen at ", endpoint));
  }
  server->endpoint_ = endpoint;
  if (!absl::StartsWith(endpoint, "unix:")) {
    server->endpoint_ = absl::StrCat(endpoint.substr(0, endpoint.rfind(':')), ":", port);
  }
  return server;
}

void LinkServer::Accept(std::shared_ptr<Stream::Owner> owner) {
  auto stream = std::make_shared<ServerStream>(owner, loop_);
  stream->Accept(&service_, [this, owner = std::move(owner)] {
    if (!stopped_) Accept(owner);
  });
}

void LinkServer::Stop() {
  stopped_ = true;
  server_->Shutdown(std::chrono::system_clock::now());
}

}  // namespace fractos
