#include "lib/runtime/channel.h"

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <atomic>

#include "absl/base/call_once.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace fractos {
namespace {

// Never ended. An atomic, for a pointer that nobody reads would be optimized away, and what it
// points to taken for lost.
std::atomic<const grpc::Server*> g_kept{nullptr};

int Milliseconds(Duration duration) {
  return static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(duration).count());
}

}  // namespace

std::string ChannelTarget(const std::string& endpoint) {
  if (absl::StartsWith(endpoint, "unix:")) return endpoint;
  if (absl::StartsWith(endpoint, "[")) return absl::StrCat("ipv6:", endpoint);
  if (endpoint.find_first_not_of("0123456789.:") == std::string::npos) {
    return absl::StrCat("ipv4:", endpoint);
  }
  return absl::StrCat("dns:///", endpoint);
}

grpc::ChannelArguments ChannelArgumentsFor(const std::string& endpoint, size_t max_message_bytes,
                                           const Keepalive& keepalive) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(static_cast<int>(max_message_bytes));
  arguments.SetMaxSendMessageSize(static_cast<int>(max_message_bytes));
  arguments.SetInt(GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0);
  arguments.SetInt(GRPC_ARG_ENABLE_PER_MESSAGE_COMPRESSION, 0);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  arguments.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  // Two servers at one port would each get some of the peers.
  arguments.SetInt(GRPC_ARG_ALLOW_REUSEPORT, 0);
  if (!absl::StartsWith(endpoint, "unix:")) {
    arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, Milliseconds(keepalive.interval));
    arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, Milliseconds(keepalive.timeout));
    // By default gRPC stops asking after two pings without data between them.
    arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
    arguments.SetInt(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                     Milliseconds(keepalive.interval / 2));
    arguments.SetInt(GRPC_ARG_HTTP2_MAX_PING_STRIKES, 0);
  }
  return arguments;
}

void KeepCallbackThreads() {
  static absl::once_flag once;
  absl::call_once(once, [] {
    auto* const service = new grpc::CallbackGenericService();
    grpc::ServerBuilder builder;
    builder.RegisterCallbackGenericService(service);
    g_kept = builder.BuildAndStart().release();
  });
}

void ApplyArguments(const grpc::ChannelArguments& arguments, grpc::ServerBuilder* builder) {
  const grpc_channel_args raw = arguments.c_channel_args();
  for (size_t i = 0; i < raw.num_args; ++i) {
    if (raw.args[i].type == GRPC_ARG_INTEGER) {
      builder->AddChannelArgument(raw.args[i].key, raw.args[i].value.integer);
    }
  }
}

}  // namespace fractos
