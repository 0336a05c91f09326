// What is to be written to one peer: messages, gathered into frames while a write is under way.
#ifndef FRACTOS_LIB_LINK_OUTBOX_H_
#define FRACTOS_LIB_LINK_OUTBOX_H_

#include <cstddef>
#include <deque>
#include <string>

#include "lib/base/limits.h"

namespace fractos {

// A bounded queue of encoded messages. Not thread-safe.
class Outbox {
 public:
  // The longest message it takes: a frame has room beside it for Hello, ping and pong.
  static constexpr size_t kMaxBesideBytes = kMaxSpecBytes + 16 * 1024;
  static constexpr size_t kMaxPieceBytes = kMaxMessageBytes - kMaxBesideBytes;
  // Small messages are gathered up to this, for their receiver makes many times as much of them.
  static constexpr size_t kMaxGatheredBytes = kMaxMessageBytes / 4;
  static constexpr size_t kMaxBytes = 64 * 1024 * 1024;

  // Appends an encoded message, which is never divided between frames. False, and nothing happens:
  // it is longer than kMaxPieceBytes, or there would be more than kMaxBytes. One that may wait goes
  // out with the next frame, at the latest when MakeDue is called.
  bool Add(std::string bytes, bool may_wait);

  bool empty() const { return frames_.empty(); }
  // Something in it may not wait, or not any longer.
  bool due() const { return due_; }
  void MakeDue() { due_ = !frames_.empty(); }

  // The oldest frame: messages gathered up to kMaxGatheredBytes, or a longer one alone. Not when it
  // is empty.
  std::string TakeFrame();
  void Clear();

 private:
  std::deque<std::string> frames_;  // oldest first
  size_t bytes_ = 0;
  bool due_ = false;
};

}  // namespace fractos

#endif  // FRACTOS_LIB_LINK_OUTBOX_H_
