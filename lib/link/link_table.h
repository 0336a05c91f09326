// Links: one long-lived bidirectional stream per pair of processes, each frame a batch of whatever
// queued while the last write was under way. Values larger than an inline one never go here.
#ifndef FRACTOS_LIB_LINK_LINK_TABLE_H_
#define FRACTOS_LIB_LINK_LINK_TABLE_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "lib/base/address.h"
#include "lib/base/clock.h"
#include "lib/link/codec.h"  // PeerInfo
#include "lib/plan/step.h"
#include "lib/protocol/message.h"
#include "lib/runtime/channel.h"
#include "lib/runtime/event_loop.h"

namespace fractos {

// Told what happens on the Links. Called on the event loop's thread, without locks held.
class LinkObserver {
 public:
  virtual ~LinkObserver() = default;
  // A Link to `peer` is open, or what it says of itself changed, or Connect was called for it. When
  // the process there is another one than before, OnPeerLost came first.
  virtual void OnPeer(const PeerInfo& peer) = 0;
  // The last Link to `peer` closed, or could not be opened. What was queued for it is dropped. Not
  // called again while dialling keeps failing and nothing is queued.
  virtual void OnPeerLost(const Address& peer) = 0;
  // All messages of one frame, in order.
  virtual void OnMessages(const Incarnation& from, std::vector<Message> messages) = 0;
};

struct LinkOptions {
  // Dials that gave no open Link by then are given up; how they go on is Redial's.
  Duration open_timeout = std::chrono::seconds(2);
  // Not 0: asks every peer for a sign of life this often, for SilentFor. The loop at the other end
  // answers, so a process that is stopped, or whose loop hangs, is silent.
  Duration ping_interval{};
  // Of Links between machines.
  Keepalive keepalive = {};
};

// All Links of one process. Thread-safe. Messages may be lost when a Link breaks; nothing is
// reordered on one Link, and nothing is said twice.
class LinkTable {
 public:
  // `loop` and `observer` outlive the table.
  LinkTable(EventLoop* loop, PeerInfo self, LinkObserver* observer, LinkOptions options = {});
  // Closes every Link at once. On the loop's thread, or when Run has returned.
  ~LinkTable();
  LinkTable(const LinkTable&) = delete;
  LinkTable& operator=(const LinkTable&) = delete;

  // Serves Links at "unix:/path" or "host:port" (port 0: any). Call once, before Run; a driver need
  // not. InvalidArgument or Unavailable when nobody can listen there.
  absl::Status Listen(const std::string& endpoint);
  // The endpoint with the port that was chosen; empty before Listen.
  std::string endpoint() const;

  // Where to dial the replicas of a cluster; an empty endpoint says nothing. Beyond
  // LeaderBook::kMostClusters the first is forgotten: who is told what a LeaderBook calls news, in
  // that order, has the same ones.
  void Learn(const ClusterView& cluster);

  // Keeps a Link to `peer` open from now on, dialling again (as Redial says) whenever it breaks,
  // until Disconnect. If a Send has opened it before, OnPeer says again on the loop's thread who is
  // there: until now that may have concerned nobody. (Not of one that only the peer dialled.)
  // Daemons dial drivers never: drivers connect to them.
  void Connect(const Address& peer);
  // Closes every Link to `peer`, without OnPeerLost.
  void Disconnect(const Address& peer);

  // Queues `message` for `peer`; opens a Link if there is none and an endpoint is known. Dropped
  // when there is neither, when the queue would hold more than 64 MiB, or when the message alone
  // is longer than a frame may be. The thread that calls writes the frame itself when no write is
  // under way. What nobody waits for (Accepted, Passed, Recorded, End) leaves with the next frame
  // to that peer, at the latest after 5 ms.
  void Send(const Address& peer, const Message& message);

  // Gathers this thread's Sends into one frame per peer until the outermost Batch is destroyed.
  class Batch {
   public:
    explicit Batch(LinkTable* table);
    ~Batch();
    Batch(const Batch&) = delete;
    Batch& operator=(const Batch&) = delete;

   private:
    LinkTable* table_;
  };

  // Tells every peer.
  void Update(PeerInfo self);

  // How long `peer` has given no sign of life, in whole ping intervals of this process's own loop
  // (so that pausing this process accuses nobody); none when no Link to it is open or
  // LinkOptions::ping_interval is 0.
  std::optional<Duration> SilentFor(const Address& peer) const;

  struct Stats {
    uint64_t messages_sent = 0, frames_sent = 0, messages_received = 0;
    uint64_t messages_dropped = 0;  // found no Link or no room
    uint64_t frames_refused = 0;    // unreadable, or against the rules; the Link ends
    size_t links = 0;               // open ones
  };
  Stats stats() const;

  // Closes every Link after what is queued has been written, or after `grace`, and opens none any
  // more. Returns at once; `done` is called on the loop's thread, so stop the loop there.
  // OnPeerLost is not called for these. Call once.
  void Shutdown(Duration grace, std::function<void()> done = nullptr);

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace fractos

#endif  // FRACTOS_LIB_LINK_LINK_TABLE_H_
