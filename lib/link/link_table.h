// Links: one long-lived bidirectional stream per pair of processes, each frame a batch of whatever
// queued while the last write was under way. Values larger than an inline one never go here.
#ifndef FRACTOS_LIB_LINK_LINK_TABLE_H_
#define FRACTOS_LIB_LINK_LINK_TABLE_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "lib/base/address.h"
#include "lib/base/clock.h"
#include "lib/plan/step.h"
#include "lib/protocol/message.h"
#include "lib/runtime/event_loop.h"

namespace fractos {

// What a process says of itself when a Link opens, and again when it changes.
struct PeerInfo {
  Incarnation self;
  uint64_t epoch = 0;            // not 0: leads its cluster under this epoch
  std::string description_json;  // of the device; empty until the adaptor has described itself
  std::string memory_endpoint;   // where its Memory objects are read
};

// Told what happens on the Links. Called on the event loop's thread, without locks held.
class LinkObserver {
 public:
  virtual ~LinkObserver() = default;
  // A Link to `peer` is open, or what it says of itself changed.
  virtual void OnPeer(const PeerInfo& peer) = 0;
  // The last Link to `peer` closed, or could not be opened.
  virtual void OnPeerLost(const Address& peer) = 0;
  // All messages of one frame, in order.
  virtual void OnMessages(const Incarnation& from, std::vector<Message> messages) = 0;
};

// All Links of one process. Thread-safe. Messages may be lost when a Link breaks; nothing is
// reordered on one Link, and nothing is said twice.
class LinkTable {
 public:
  // `loop` and `observer` outlive the table.
  LinkTable(EventLoop* loop, PeerInfo self, LinkObserver* observer);
  ~LinkTable();
  LinkTable(const LinkTable&) = delete;
  LinkTable& operator=(const LinkTable&) = delete;

  // Serves Links at "unix:/path" or "host:port". Call once, before Run; a driver need not.
  absl::Status Listen(const std::string& endpoint);
  // The endpoint with the port that was chosen.
  std::string endpoint() const;

  // Where to dial the replicas of a cluster.
  void Learn(const ClusterView& cluster);

  // Keeps a Link to `peer` open from now on, dialling again (50 ms doubling to 250 ms, jittered)
  // whenever it breaks, until Disconnect. Daemons dial drivers never: drivers connect to them.
  void Connect(const Address& peer);
  void Disconnect(const Address& peer);

  // Queues `message` for `peer`; opens a Link if there is none and an endpoint is known. Dropped
  // when there is neither, or when the queue holds more than 64 MiB. The thread that calls writes
  // the frame itself when no write is under way.
  void Send(const Address& peer, const Message& message);

  // Gathers Sends into one frame per peer until the Batch is destroyed.
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

  struct Stats {
    uint64_t messages_sent = 0, frames_sent = 0, messages_received = 0, frames_received = 0;
    size_t links = 0;
  };
  Stats stats() const;

  // Closes every Link after what is queued has been written, or after `grace`; call before the loop
  // stops. OnPeerLost is not called for these.
  void Shutdown(Duration grace);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace fractos

#endif  // FRACTOS_LIB_LINK_LINK_TABLE_H_
