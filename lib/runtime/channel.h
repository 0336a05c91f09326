// What every gRPC channel and server of this project has in common.
#ifndef FRACTOS_LIB_RUNTIME_CHANNEL_H_
#define FRACTOS_LIB_RUNTIME_CHANNEL_H_

#include <grpcpp/support/channel_arguments.h>

#include <chrono>
#include <string>

#include "lib/base/clock.h"

namespace grpc {
class ServerBuilder;
}  // namespace grpc

namespace fractos {

// How soon a peer whose machine vanished is noticed. When only its process ends, the kernel says so
// at once. Both ends ask, also while nothing is sent: at the latest after `interval` + `timeout`.
struct Keepalive {
  Duration interval = std::chrono::seconds(8);
  Duration timeout = std::chrono::seconds(5);
};

// What gRPC calls an endpoint, "unix:/path" or "host:port": an address is said to be one, so that
// nobody looks it up. A name is looked up by each new channel, so whoever dials by a new channel
// every time reaches a peer that has moved.
std::string ChannelTarget(const std::string& endpoint);

// No compression, no proxy, no retries, no sharing of connections between channels, and messages of
// at most `max_message_bytes`; between machines, keepalive.
grpc::ChannelArguments ChannelArgumentsFor(const std::string& endpoint, size_t max_message_bytes,
                                           const Keepalive& keepalive = {});

// The same for a server.
void ApplyArguments(const grpc::ChannelArguments& arguments, grpc::ServerBuilder* builder);

// To be called before gRPC's callback API is used. gRPC 1.51 has threads for it that end when the
// last channel or server that uses it goes, and now and then they crash as they end; so one server,
// which serves nothing anywhere, stays until the process ends.
void KeepCallbackThreads();

}  // namespace fractos

#endif  // FRACTOS_LIB_RUNTIME_CHANNEL_H_
