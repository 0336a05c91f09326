// Holds: the hand-overs a sender keeps until it may forget them. One noun of the protocol with one
// implementation, for daemons and the driver hold alike.
//
// A hold is sent at once, again every 2 s, when the link to its receiver breaks, when the
// receiver's cluster has a newer leader, and after a refusal that may pass. It is forgotten on
// Passed, when its step stands in the record, or when its owner drops it; never on Accepted.
#ifndef FRACTOS_LIB_PROTOCOL_HOLD_TABLE_H_
#define FRACTOS_LIB_PROTOCOL_HOLD_TABLE_H_

#include <functional>
#include <map>
#include <optional>
#include <queue>
#include <utility>
#include <vector>

#include "lib/base/clock.h"
#include "lib/base/random.h"
#include "lib/protocol/leader_book.h"
#include "lib/protocol/message.h"

namespace fractos {

struct Hold {
  HandOver hand_over;
  Time deadline;          // of the run; nothing is sent after it
  bool accepted = false;  // by `receiver`, which still lives as far as is known
  Incarnation receiver;
  bool suspended = false;  // not sent until its run's redrive epoch is settled
  Address last_target;
  Time due;  // sent again at this time
  Duration backoff{};
};

// Not thread-safe. Sends are appended to the vector given.
class HoldTable {
 public:
  using Sends = std::vector<Send>;

  // `book` and `random` outlive the table.
  HoldTable(const LeaderBook* book, Random* random) : book_(book), random_(random) {}

  // Keeps `hand_over` and sends it. Replaces a hold of the same key.
  void Add(Time now, HandOver hand_over, Time deadline, Sends* sends);

  Hold* Find(const EdgeKey& key);
  void Erase(const EdgeKey& key) { holds_.erase(key); }
  void EraseIf(const RunId& run, const std::function<bool(const Hold&)>& condition);
  // Every hold of a run, for questions about it and for settling its redrive epoch.
  void ForEach(const RunId& run, const std::function<void(Hold&)>& visit);

  // A receiver accepted: it is the one to watch from now on. Whether there is such a hold.
  bool OnAccepted(const Incarnation& from, const EdgeKey& key);
  // Sends again after a back-off of 50 ms doubling to 250 ms with full jitter, or `at_least`.
  void Retry(Time now, const EdgeKey& key, Duration at_least);
  // Sends again at the next Tick.
  void Resend(Time now, Hold& hold);

  // The link to `peer` broke, or it came back as another incarnation, or it leads under a new
  // epoch: what it had accepted may be gone, so those holds are sent again.
  void OnLost(Time now, const Address& peer);
  void OnPeer(Time now, const Incarnation& peer, bool new_leader);

  std::optional<Time> NextTick() const;
  // Sends what is due; how many were sent not for the first time.
  size_t Tick(Time now, Sends* sends);

  size_t size() const { return holds_.size(); }

 private:
  void SendNow(Time now, Hold& hold, Sends* sends);
  void Schedule(const EdgeKey& key, Hold& hold, Time due);

  const LeaderBook* book_;
  Random* random_;
  // Ordered, so that the simulator replays a seed bit for bit.
  std::map<EdgeKey, Hold> holds_;
  // Times at which some hold may be due; entries whose hold was since sent or forgotten are stale.
  using Due = std::pair<Time, EdgeKey>;
  mutable std::priority_queue<Due, std::vector<Due>, std::greater<Due>> due_;
};

}  // namespace fractos

#endif  // FRACTOS_LIB_PROTOCOL_HOLD_TABLE_H_
