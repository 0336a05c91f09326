// When a peer is dialled, and for how long.
#ifndef FRACTOS_LIB_LINK_REDIAL_H_
#define FRACTOS_LIB_LINK_REDIAL_H_

#include "lib/base/clock.h"
#include "lib/base/random.h"

namespace fractos {

// The attempts to open a Link to one peer. An attempt that hangs need not say that the peer is not
// there: it may have been dialled where the peer was before, since a name goes on standing for the
// old address for a moment after a pod has moved, and who dials an address that is gone hears
// nothing. So another is dialled beside it, by a name looked up anew (RFC 8305 gives 250 ms to the
// attempt before). All of one round are given up together.
//
// Pure: clock and chance come from outside. Not thread-safe.
class Redial {
 public:
  // The first round has `open_timeout`; each further one twice the time, up to eight times: on an
  // overloaded machine a Link takes long to open, and giving up again and again takes longer.
  explicit Redial(Duration open_timeout) : open_timeout_(open_timeout) {}

  // The longest that a round may last.
  static Duration MostPatience(Duration open_timeout) { return 8 * open_timeout; }

  // The first dial of a round. Returns how long the round may last.
  Duration Begin();
  // After a dial: when to look whether another is to go beside those that hang. 250 ms, doubling
  // within the round.
  Duration Beside();
  // One attempt was refused while another hangs: the next comes as after the first.
  void RefusedBeside() { beside_ = kFirstBeside; }

  void Opened() { failures_ = 0; }
  // The last Link to the peer is gone; `opened` says whether it had been open. Returns how long to
  // wait before the next round: 50 ms doubling to 250 ms, with full jitter over the upper half, so
  // that many that lost the same peer do not come back together.
  Duration Lost(bool opened, Random& random);

  bool HasFailed() const { return failures_ > 0; }  // since it was open

 private:
  static constexpr Duration kFirstBeside = std::chrono::milliseconds(250);

  Duration open_timeout_;
  Duration beside_ = kFirstBeside;
  int failures_ = 0;  // rounds in a row that gave no open Link, and at least 1 after a Link broke
};

}  // namespace fractos

#endif  // FRACTOS_LIB_LINK_REDIAL_H_
