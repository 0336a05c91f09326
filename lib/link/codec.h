// The only code that turns messages into bytes and back.
#ifndef FRACTOS_LIB_LINK_CODEC_H_
#define FRACTOS_LIB_LINK_CODEC_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "lib/base/address.h"
#include "lib/protocol/message.h"

namespace fractos {

// What a process says of itself when a Link opens, and again when it changes.
struct PeerInfo {
  Incarnation self;
  uint64_t epoch = 0;            // not 0: leads its cluster under this epoch
  std::string description_json;  // of the device; empty until the adaptor has described itself
  std::string memory_endpoint;   // where its Memory objects are read
  friend bool operator==(const PeerInfo&, const PeerInfo&) = default;
};

// One frame of a Link, as received.
struct Frame {
  std::vector<Message> messages;
  std::optional<PeerInfo> hello;
  uint64_t ping = 0;
  uint64_t pong = 0;
};

// Each of these yields a piece of a frame; pieces put one behind the other are a frame. The bytes
// of inline values are in a message once, however many values share them, and never those of
// ancestors. Failure messages are cut to what DecodeFrame accepts.
std::string EncodeMessage(const Message& message);
std::string EncodeHello(const PeerInfo& info);
std::string EncodePing(uint64_t number);
std::string EncodePong(uint64_t number);

// Reads a frame that anybody may have sent: InvalidArgument names the field that is missing, of a
// wrong length, out of its range, or in excess of a bound (lib/base/limits.h; other lists 4096,
// names 128 bytes, texts 4 KiB); a frame that would become more than 32 MiB besides its texts is
// refused, too. Nothing of a frame that has an error is used.
absl::StatusOr<Frame> DecodeFrame(absl::string_view bytes);

}  // namespace fractos

#endif  // FRACTOS_LIB_LINK_CODEC_H_
