#include "lib/link/redial.h"

#include <algorithm>

namespace fractos {
namespace {

using std::chrono::milliseconds;

constexpr Duration kFirstWait = milliseconds(50);
constexpr Duration kLastWait = milliseconds(250);
constexpr int kMostDoublings = 8;  // far beyond either bound

}  // namespace

Duration Redial::Begin() {
  beside_ = kFirstBeside;
  return std::min(open_timeout_ * (1 << std::min(failures_, kMostDoublings)),
                  MostPatience(open_timeout_));
}

Duration Redial::Beside() {
  const Duration wait = beside_;
  beside_ *= 2;
  return wait;
}

Duration Redial::Lost(bool opened, Random& random) {
  failures_ = opened ? 1 : failures_ + 1;
  const Duration wait =
      std::min(kLastWait, kFirstWait * (1 << std::min(failures_ - 1, kMostDoublings)));
  return wait / 2 + Duration(random.Below(static_cast<uint64_t>(wait.count() / 2) + 1));
}

}  // namespace fractos
