// What the two halves of the codec, encode.cc and decode.cc, share.
#ifndef FRACTOS_LIB_LINK_WIRE_H_
#define FRACTOS_LIB_LINK_WIRE_H_

#include <google/protobuf/arena.h>

#include <cstddef>
#include <cstdint>

#include "fractos/v1/link.pb.h"

namespace fractos::wire {

inline constexpr uint32_t kProtocol = 1;
inline constexpr size_t kMaxNameBytes = 128;   // of clusters, paths, operations, inputs
inline constexpr size_t kMaxKeyBytes = 256;    // NAMESPACE/CLUSTER:OPERATION
inline constexpr size_t kMaxTextBytes = 4096;  // of what people read

// A frame's arena starts on the stack: most frames never touch the heap for their messages.
class FrameArena {
 public:
  FrameArena() : arena_(Options(block_)) {}
  // Each lives until the next Reset.
  template <typename M>
  M* New() {
    return google::protobuf::Arena::CreateMessage<M>(&arena_);
  }
  v1::Frame* NewFrame() { return New<v1::Frame>(); }
  void Reset() { arena_.Reset(); }
  size_t allocated() const { return arena_.SpaceAllocated(); }

 private:
  static google::protobuf::ArenaOptions Options(char (&block)[16 * 1024]) {
    google::protobuf::ArenaOptions options;
    options.initial_block = block;
    options.initial_block_size = sizeof(block);
    return options;
  }
  alignas(16) char block_[16 * 1024];
  google::protobuf::Arena arena_;
};

}  // namespace fractos::wire

#endif  // FRACTOS_LIB_LINK_WIRE_H_
