// The executions that have not ended: which are with the adaptor, and when each is due.
#ifndef FRACTOS_DAEMON_DEVICE_IN_FLIGHT_H_
#define FRACTOS_DAEMON_DEVICE_IN_FLIGHT_H_

#include <cstddef>
#include <optional>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "daemon/continuation/actions.h"
#include "daemon/continuation/core.h"
#include "daemon/device/frame_stream.h"
#include "daemon/device/request.h"
#include "lib/base/clock.h"

namespace fractos {

// How an execution ended.
struct Executed {
  Ticket ticket = 0;
  AttemptKey attempt;
  Outcome outcome;
};

// An execution waits, with the frame that asks for it, until there is an adaptor; then it is with
// the adaptor until that answers, which it owes exactly once. An execution that is cancelled or
// beyond its deadline is unwanted: one that waits is gone at once, one with the adaptor stays until
// it is answered, and if it is not within `cancel_grace` after its deadline the adaptor hangs.
//
// Pure: frames and answers are passed in and out, and so is the time. Not thread-safe. A ticket is
// added once.
class InFlight {
 public:
  static constexpr Time kNever = Time::max();

  explicit InFlight(Duration cancel_grace) : cancel_grace_(cancel_grace) {}

  // Adds an execution that the adaptor has been asked for, or that waits. Returns its deadline: its
  // timeout from `now`, at most kMaxDeadline.
  Time AddSent(Ticket ticket, Execute execution, Time now);
  Time AddWaiting(Ticket ticket, Execute execution, OutFrame frame, Time now);

  // There is an adaptor: what waited is with it from now on, and these are to be sent to it, in
  // this order, which is that of the tickets.
  std::vector<OutFrame> SendWaiting();

  struct Answered {
    Execute execution;
    bool wanted;  // else the answer is to be dropped
  };
  // The adaptor answered: the execution ends. Nothing if it is not with the adaptor, which then
  // cannot be trusted.
  std::optional<Answered> TakeAnswered(Ticket ticket);

  // Nobody wants the answer any more. True if the adaptor is to be told.
  bool Cancel(Ticket ticket);

  // The adaptor is gone: ends what was with it, and appends what was wanted of that to `done`, as
  // failed retryably. What waits goes on waiting.
  void FailSent(absl::string_view reason, absl::string_view message, std::vector<Executed>* done);

  // What the passing of time asks for.
  struct Due {
    std::vector<Executed> timed_out;
    std::vector<Ticket> to_cancel;  // those of them that the adaptor is to be told of
    Time next = kNever;             // nothing is due before
    Ticket hangs = 0;               // not 0: the adaptor hangs on this one, and must be killed
  };
  // Each execution times out once, and its Cancel is asked for once; `hangs` comes again.
  Due TakeDue(Time now);

  bool empty() const { return running_.empty(); }
  size_t size() const { return running_.size(); }

 private:
  struct Running {
    Execute execution;
    Time deadline;
    OutFrame frame;         // until it is sent
    bool sent = false;      // or queued to be
    bool unwanted = false;  // cancelled, or timed out: only that it is answered matters
  };

  Running& Add(Ticket ticket, Execute execution, Time now);

  const Duration cancel_grace_;
  absl::flat_hash_map<Ticket, Running> running_;
};

}  // namespace fractos

#endif  // FRACTOS_DAEMON_DEVICE_IN_FLIGHT_H_
