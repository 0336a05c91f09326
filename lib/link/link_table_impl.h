// The inside of LinkTable, shared by the files that implement its parts:
//   link_table.cc  what is said: messages, batches, signs of life
//   dialling.cc    Links come and go: dials, Hellos, what is lost or given up
//   shutdown.cc    the end, after what is queued
#ifndef FRACTOS_LIB_LINK_LINK_TABLE_IMPL_H_
#define FRACTOS_LIB_LINK_LINK_TABLE_IMPL_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/inlined_vector.h"
#include "absl/synchronization/mutex.h"
#include "lib/base/random.h"
#include "lib/base/recent_map.h"
#include "lib/link/link_server.h"
#include "lib/link/link_table.h"
#include "lib/link/outbox.h"
#include "lib/link/redial.h"
#include "lib/link/stream.h"
#include "lib/protocol/leader_book.h"

namespace fractos {

// One lock holds it all together. Streams are written, closed and cancelled, and the observer is
// called, without it: methods gather under the lock what is to be done after. Streams under way
// keep this object alive beyond Stop, and then tell nobody.
class LinkTable::Impl final : public Stream::Owner, public std::enable_shared_from_this<Impl> {
 public:
  // A message on its way into a queue.
  struct Piece {
    Address to;
    std::string bytes;
    bool may_wait = false;
  };
  using Gathered = std::vector<Piece>;

  // A thread's outermost Batch. What it gathers is kept here and not in the queues, from where a
  // write that ends meanwhile would take the first half.
  struct BatchState {
    const void* table = nullptr;
    int depth = 0;
    Gathered gathered;
  };
  static thread_local BatchState batch_state;

  Impl(EventLoop* loop, PeerInfo self, LinkObserver* observer, LinkOptions options)
      : loop_(loop), options_(options), observer_(observer), self_(std::move(self)) {}

  // link_table.cc
  void Start();
  void Stop();
  absl::Status Listen(const std::string& endpoint);
  std::string endpoint() const;
  void Send(const Address& address, const Message& message);
  void Flush(Gathered gathered);
  void Update(PeerInfo self);
  std::optional<Duration> SilentFor(const Address& address) const;
  Stats stats() const;

  // dialling.cc
  void Learn(const ClusterView& cluster);
  void Connect(const Address& address);
  void Disconnect(const Address& address);

  // shutdown.cc
  void Shutdown(Duration grace, std::function<void()> done);

  // Stream::Owner: on the loop's thread. OnBroken is in dialling.cc.
  void OnStarted(const std::shared_ptr<Stream>& stream) override;
  void OnFrame(const std::shared_ptr<Stream>& stream, absl::string_view bytes) override;
  void OnWritten(const std::shared_ptr<Stream>& stream) override;
  void OnBroken(const std::shared_ptr<Stream>& stream) override;

 private:
  static constexpr size_t kMaxPeers = 4096;

  // One stream and what LinkTable knows of it.
  struct Link {
    std::shared_ptr<Stream> stream;
    Address peer;  // whom we dialled, or who said so; none: has not said yet
    BootId boot;
    PeerInfo said;  // by whom we dialled; of the others, who may be anybody, nothing is kept
    bool dialled = false;
    bool started = false;  // the stream takes writes
    bool open = false;     // Hello came
    bool writing = false;
    bool owes_hello = true;
    bool closing = false;
    uint64_t ping = 0, pong = 0;  // to be written; 0: none
    uint64_t silent_ticks = 0;
  };

  struct Peer {
    Peer(Address address_in, Duration open_timeout)
        : address(std::move(address_in)), redial(open_timeout) {}

    const Address address;
    std::string endpoint;
    BootId boot;             // of the process that the observer knows as open
    bool keep = false;       // Connect was called
    bool told_open = false;  // the observer knows it as open
    bool told_lost = false;  // ... as lost, and nothing changed since
    Redial redial;
    bool dial_posted = false;
    Time not_before{};  // of the next round of dials
    Time give_up{};     // the dials of the round under way
    EventLoop::TimerId dial = 0, beside = 0;
    std::vector<Link*> links;  // in the order in which they came
    Outbox queue;
  };

  // A frame to be written once the lock is free again.
  struct Work {
    std::shared_ptr<Stream> stream;
    std::string frame;
  };
  using WorkList = absl::InlinedVector<Work, 4>;
  static void WriteAll(WorkList work) {
    for (Work& w : work) w.stream->Write(std::move(w.frame));
  }

  using Links = absl::flat_hash_map<const Stream*, std::unique_ptr<Link>>;

  Peer* FindLocked(const Address& address) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    auto found = peers_.find(address);
    return found == peers_.end() ? nullptr : found->second.get();
  }
  const Link* FirstOpenLocked(const Peer& peer) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    for (const Link* link : peer.links) {
      if (link->open && !link->closing) return link;
    }
    return nullptr;
  }

  // link_table.cc
  void SweepLaterLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Writes what nothing else took along.
  void Sweep();
  // Puts a message into its peer's queue; null if it was dropped.
  Peer* EnqueueLocked(Piece piece) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void TakeAllWorkLocked(WorkList* work) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void TakeWorkLocked(Peer& peer, WorkList* work) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Takes what `link` is to write next, if it can be written now.
  void TakeWorkLocked(Link& link, WorkList* work) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool IsOpen(const std::shared_ptr<Stream>& stream) const ABSL_LOCKS_EXCLUDED(mutex_);
  // Whether a peer may say this on this Link: who it is first, and not who it is not.
  bool AgreesLocked(const Link& link, const Frame& frame) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Asks every peer for a sign of life, then again after the interval.
  void Tick();

  // dialling.cc
  // Where a replica listens; empty: not known.
  std::string EndpointLocked(const Address& address) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Says once more who is at the other end of an open Link.
  void Announce(const Address& address);
  Peer* FindOrAddLocked(const Address& address) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Forgets all that nobody speaks to now, but not where they are.
  void ForgetIdleLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Links::iterator AddLinkLocked(std::shared_ptr<Stream> stream, Duration patience)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void GiveUpAfter(Duration patience, std::weak_ptr<Stream> late);
  void GiveUp(Duration patience, const std::shared_ptr<Stream>& stream);
  void DialSoonLocked(Peer& peer) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Has another dial go out a while from now, in case that none of those under way gets there.
  void DialBesideLocked(Peer& peer) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The first dial of a round, or one beside those that are under way.
  void Dial(const Address& address, bool beside);
  // Handles a Hello. Returns whether another process had been known there until now; fills `told`
  // if the observer is to hear of it.
  bool OpenLocked(Link& link, const PeerInfo& hello, std::vector<std::shared_ptr<Stream>>* stale,
                  bool* told) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The last Link to `peer` is gone, or the last open one. Returns whether the observer is to hear
  // of it.
  bool LostLocked(Peer& peer, bool opened) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // shutdown.cc
  bool CloseNowLocked(Link& link) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void CloseIdle();
  void CancelAll();
  void FinishShutdownLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  EventLoop* const loop_;
  const LinkOptions options_;
  LinkObserver* const observer_;
  std::unique_ptr<LinkServer> server_;  // after Listen only read

  mutable absl::Mutex mutex_;
  SystemRandom random_;
  PeerInfo self_ ABSL_GUARDED_BY(mutex_);
  std::string endpoint_ ABSL_GUARDED_BY(mutex_);
  // Endpoints by replica. What a daemon's LeaderBook knows is no news to it, and would not be
  // learnt again: so nothing may be forgotten here that it still has. It is told the same, in that
  // order.
  RecentMap<std::string, std::vector<std::string>> endpoints_ ABSL_GUARDED_BY(mutex_){
      LeaderBook::kMostClusters};
  absl::flat_hash_map<Address, std::unique_ptr<Peer>> peers_ ABSL_GUARDED_BY(mutex_);
  Links links_ ABSL_GUARDED_BY(mutex_);
  Stats stats_ ABSL_GUARDED_BY(mutex_);
  uint64_t pings_ ABSL_GUARDED_BY(mutex_) = 0;
  EventLoop::TimerId tick_ ABSL_GUARDED_BY(mutex_) = 0;
  EventLoop::TimerId grace_ ABSL_GUARDED_BY(mutex_) = 0;
  EventLoop::TimerId sweep_ ABSL_GUARDED_BY(mutex_) = 0;
  std::function<void()> shut_down_ ABSL_GUARDED_BY(mutex_);
  bool shutting_down_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace fractos

#endif  // FRACTOS_LIB_LINK_LINK_TABLE_IMPL_H_
