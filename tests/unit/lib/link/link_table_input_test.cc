// What a Link makes of those who do not speak its protocol.
#include <grpcpp/create_channel.h>
#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "lib/base/limits.h"
#include "lib/link/stream.h"
#include "tests/unit/lib/link/link_table_harness.h"
#include "tests/unit/lib/runtime/raw_call.h"

namespace fractos {
namespace {

using std::chrono::milliseconds;

// Speaks gRPC but no Link: sends `frames` and waits for the end, DEADLINE_EXCEEDED when none comes.
grpc::Status SendRaw(const std::string& endpoint, const std::string& method,
                     const std::vector<std::string>& frames,
                     grpc_compression_algorithm compression = GRPC_COMPRESS_NONE) {
  // What a Link would not do, other clients may.
  const grpc::ChannelArguments arguments = compression == GRPC_COMPRESS_NONE
                                               ? ChannelArgumentsFor("unix:/x", kMaxMessageBytes)
                                               : grpc::ChannelArguments();
  return CallRaw(grpc::CreateCustomChannel(endpoint, grpc::InsecureChannelCredentials(), arguments),
                 method, frames, AfterwardsSay::kNothing, compression);
}

// Promise: what a peer says is hostile input; the Link is closed and the process lives.
// promise: H-43
TEST_F(LinkTableTest, GarbageClosesTheLinkAndNothingElse) {
  Node a("a"), b("b");
  const std::string endpoint = b.ListenAndStart(Socket("b"));
  const std::string hello = EncodeHello(a.self());
  PeerInfo other = a.self();
  other.self.address.cluster = "default/other";
  const std::string message = EncodeMessage(NumberedEnd(1));
  for (const std::vector<std::string>& frames :
       std::vector<std::vector<std::string>>{{"garbage"},
                                             {hello, std::string(100, '\xff')},
                                             {message},
                                             {hello, EncodeHello(other)},
                                             {""}}) {
    SendRaw(endpoint, kLinkMethod, frames);
  }
  EXPECT_EQ(b.links().stats().frames_refused, 5u);
  EXPECT_EQ(SendRaw(endpoint, "/fractos.v1.Link/Other", {}).error_code(),
            grpc::StatusCode::UNIMPLEMENTED);
  b.WaitForMessages(0);
  Node good("good");
  good.Learn(b, endpoint);
  good.Start();
  good.links().Send(b.address(), NumberedEnd(3));
  b.WaitForMessages(1);
}

// promise: H-45
TEST_F(LinkTableTest, ALongFrameIsReadOnlyFromWhoeverSaidWhoItIs) {
  Node a("a"), b("b");
  const std::string endpoint = b.ListenAndStart(Socket("b"));
  const std::string hello = EncodeHello(a.self());
  std::string messages;
  while (messages.size() <= kMaxSpecBytes + 16 * 1024) messages += EncodeMessage(NumberedEnd(1));
  SendRaw(endpoint, kLinkMethod, {hello + messages, "garbage"});
  EXPECT_EQ(b.links().stats().frames_refused, 1u);
  EXPECT_EQ(b.links().stats().messages_received, 0u);
  SendRaw(endpoint, kLinkMethod, {hello, messages, "garbage"});
  EXPECT_EQ(b.links().stats().frames_refused, 2u);
  EXPECT_GT(b.links().stats().messages_received, 0u);
}

// promise: T-11
TEST(ChannelArgumentsTest, TurnCompressionOffBothWays) {
  for (const char* endpoint : {"unix:/x", "host:1"}) {
    const grpc::ChannelArguments arguments = ChannelArgumentsFor(endpoint, kMaxMessageBytes);
    const grpc_channel_args raw = arguments.c_channel_args();
    std::map<std::string, int> off;
    for (size_t i = 0; i < raw.num_args; ++i) {
      if (raw.args[i].type == GRPC_ARG_INTEGER) off[raw.args[i].key] = raw.args[i].value.integer;
    }
    ASSERT_TRUE(off.contains(GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION));
    EXPECT_EQ(off[GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION], 0);
    ASSERT_TRUE(off.contains(GRPC_ARG_ENABLE_PER_MESSAGE_COMPRESSION));
    EXPECT_EQ(off[GRPC_ARG_ENABLE_PER_MESSAGE_COMPRESSION], 0);
  }
}

// Few bytes that swell to many would get round every bound on what is read.
// promise: T-11
TEST_F(LinkTableTest, CompressedMessagesAreNotTaken) {
  for (const grpc_compression_algorithm compression : {GRPC_COMPRESS_NONE, GRPC_COMPRESS_GZIP}) {
    Node a("a"), b("b", {.open_timeout = milliseconds(1000)});
    const std::string endpoint =
        b.ListenAndStart(Socket(compression == GRPC_COMPRESS_NONE ? "plain" : "compressed"));
    // Long and uniform, so that it does get compressed; the last frame ends the call.
    StaleEpoch swollen;
    swollen.cluster = "default/" + std::string(30, 'a');
    std::string message;
    for (int i = 0; i < 100; ++i) message += EncodeMessage(swollen);
    SendRaw(endpoint, kLinkMethod, {EncodeHello(a.self()), message, "garbage"}, compression);
    b.WaitForMessages(compression == GRPC_COMPRESS_NONE ? 100 : 0);
    EXPECT_EQ(b.links().stats().frames_refused, 1u);
  }
}

TEST_F(LinkTableTest, WhoeverDoesNotSayWhoItIsIsCutOff) {
  Node b("b", {.open_timeout = milliseconds(20)});
  EXPECT_EQ(SendRaw(b.ListenAndStart(Socket("b")), kLinkMethod, {}).error_code(),
            grpc::StatusCode::CANCELLED);
}

}  // namespace
}  // namespace fractos
