#include "lib/link/outbox.h"

#include <utility>

namespace fractos {

bool Outbox::Add(std::string bytes, bool may_wait) {
  if (bytes.size() > kMaxPieceBytes || bytes_ + bytes.size() > kMaxBytes) return false;
  bytes_ += bytes.size();
  if (!frames_.empty() && frames_.back().size() + bytes.size() <= kMaxGatheredBytes) {
    frames_.back() += bytes;
  } else {
    frames_.push_back(std::move(bytes));
  }
  if (!may_wait) due_ = true;
  return true;
}

std::string Outbox::TakeFrame() {
  std::string frame = std::move(frames_.front());
  frames_.pop_front();
  bytes_ -= frame.size();
  if (frames_.empty()) due_ = false;
  return frame;
}

void Outbox::Clear() {
  frames_.clear();
  bytes_ = 0;
  due_ = false;
}

}  // namespace fractos
