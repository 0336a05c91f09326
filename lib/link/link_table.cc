#include "lib/link/link_table.h"

#include <algorithm>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/inlined_vector.h"
#include "absl/synchronization/mutex.h"
#include "lib/base/random.h"
#include "lib/link/link_server.h"
#include "lib/link/outbox.h"
#include "lib/link/redial.h"
#include "lib/link/stream.h"

namespace fractos {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr size_t kMaxPeers = 4096;
// How long a message that nobody waits for may lie here until another takes it along.
constexpr Duration kMayLie = milliseconds(5);

// One stream and what LinkTable knows of it.
struct Link {
  std::shared_ptr<Stream> stream;
  Address peer;  // whom we dialled, or who said so; none: has not said yet
  BootId boot;
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

void WriteAll(WorkList work) {
  for (Work& w : work) w.stream->Write(std::move(w.frame));
}

// What only lets the receiver forget something: holds, runs. A frame of its own for each of these
// would wake a process once more per hop, and more often than the hand-overs do.
bool MayLie(const Message& message) {
  return std::holds_alternative<Accepted>(message) || std::holds_alternative<Passed>(message) ||
         std::holds_alternative<Recorded>(message) || std::holds_alternative<End>(message);
}

// A message on its way into a queue.
struct Piece {
  Address to;
  std::string bytes;
  bool may_lie = false;
};

// This thread's outermost Batch. What it gathers is kept here and not in the queues, from where a
// write that ends meanwhile would take the first half.
using Gathered = std::vector<Piece>;
struct BatchState {
  const void* table = nullptr;
  int depth = 0;
  Gathered gathered;
};
thread_local BatchState batch_state;

}  // namespace

class LinkTable::Impl final : public Stream::Owner, public std::enable_shared_from_this<Impl> {
 public:
  Impl(EventLoop* loop, PeerInfo self, LinkObserver* observer, LinkOptions options)
      : loop_(loop), options_(options), observer_(observer), self_(std::move(self)) {}

  void Start() {
    if (options_.ping_interval > Duration::zero()) Tick();
  }

  // What is under way keeps this object alive until it has ended, and tells nobody.
  void Stop() {
    std::vector<std::shared_ptr<Stream>> streams;
    {
      absl::MutexLock lock(&mutex_);
      stopped_ = shutting_down_ = true;
      for (auto& [stream, link] : links_) streams.push_back(link->stream);
      links_.clear();
      peers_.clear();
      loop_->Cancel(tick_);
      loop_->Cancel(sweep_);
    }
    for (const std::shared_ptr<Stream>& stream : streams) stream->Cancel();
    if (server_ != nullptr) server_->Stop();
  }

  absl::Status Listen(const std::string& endpoint) {
    absl::StatusOr<std::unique_ptr<LinkServer>> server =
        LinkServer::Listen(endpoint, options_.keepalive, loop_);
    if (!server.ok()) return server.status();
    server_ = *std::move(server);
    {
      absl::MutexLock lock(&mutex_);
      endpoint_ = server_->endpoint();
    }
    server_->Accept(shared_from_this());
    return absl::OkStatus();
  }

  std::string endpoint() const {
    absl::MutexLock lock(&mutex_);
    return endpoint_;
  }

  void Learn(const ClusterView& cluster) {
    absl::MutexLock lock(&mutex_);
    for (size_t i = 0; i < cluster.endpoints.size(); ++i) {
      if (cluster.endpoints[i].empty()) continue;
      Peer* peer = FindOrAddLocked({cluster.cluster, static_cast<uint32_t>(i)});
      if (peer == nullptr) return;
      if (peer->endpoint == cluster.endpoints[i]) continue;
      peer->endpoint = cluster.endpoints[i];
      if (peer->keep && peer->links.empty()) DialSoonLocked(*peer);
    }
  }

  void Connect(const Address& address) {
    absl::MutexLock lock(&mutex_);
    Peer* peer = FindOrAddLocked(address);
    if (peer == nullptr || peer->keep) return;
    peer->keep = true;
    peer->told_lost = false;
    if (peer->links.empty()) DialSoonLocked(*peer);
  }

  void Disconnect(const Address& address) {
    std::vector<std::shared_ptr<Stream>> streams;
    {
      absl::MutexLock lock(&mutex_);
      Peer* peer = FindLocked(address);
      if (peer == nullptr) return;
      peer->keep = peer->told_open = false;
      peer->told_lost = true;
      peer->queue.Clear();
      loop_->Cancel(peer->dial);
      peer->dial_posted = false;
      for (Link* link : peer->links) {
        link->closing = true;
        streams.push_back(link->stream);
      }
    }
    for (const std::shared_ptr<Stream>& stream : streams) stream->Cancel();
  }

  void Send(const Address& address, const Message& message) {
    Piece piece{address, EncodeMessage(message), MayLie(message)};
    if (batch_state.table == this) {
      batch_state.gathered.push_back(std::move(piece));
      return;
    }
    WorkList work;
    {
      absl::MutexLock lock(&mutex_);
      Peer* peer = EnqueueLocked(std::move(piece));
      if (peer != nullptr) TakeWorkLocked(*peer, &work);
    }
    WriteAll(std::move(work));
  }

  void Flush(Gathered gathered) {
    WorkList work;
    {
      absl::MutexLock lock(&mutex_);
      absl::InlinedVector<Peer*, 4> peers;
      for (Piece& piece : gathered) {
        Peer* peer = EnqueueLocked(std::move(piece));
        if (peer != nullptr && !absl::c_linear_search(peers, peer)) peers.push_back(peer);
      }
      for (Peer* peer : peers) TakeWorkLocked(*peer, &work);
    }
    WriteAll(std::move(work));
  }

  void Update(PeerInfo self) {
    WorkList work;
    {
      absl::MutexLock lock(&mutex_);
      if (self_ == self) return;
      self_ = std::move(self);
      for (auto& [stream, link] : links_) {
        link->owes_hello = true;
        TakeWorkLocked(*link, &work);
      }
    }
    WriteAll(std::move(work));
  }

  std::optional<Duration> SilentFor(const Address& address) const {
    absl::MutexLock lock(&mutex_);
    auto peer = peers_.find(address);
    if (peer == peers_.end() || options_.ping_interval == Duration::zero()) return std::nullopt;
    std::optional<Duration> silent;
    for (const Link* link : peer->second->links) {
      if (!link->open) continue;
      const Duration ticks = options_.ping_interval * static_cast<int64_t>(link->silent_ticks);
      silent = std::min(silent.value_or(ticks), ticks);
    }
    return silent;
  }

  Stats stats() const {
    absl::MutexLock lock(&mutex_);
    Stats stats = stats_;
    for (const auto& [stream, link] : links_) stats.links += link->open;
    return stats;
  }

  void Shutdown(Duration grace, std::function<void()> done) {
    absl::MutexLock lock(&mutex_);
    shutting_down_ = true;
    shut_down_ = std::move(done);
    loop_->Cancel(tick_);
    std::weak_ptr<Impl> weak = weak_from_this();
    auto cancel_all = [weak] {
      if (std::shared_ptr<Impl> self = weak.lock()) self->CancelAll();
    };
    grace_ = loop_->At(steady_clock::now() + grace, cancel_all);
    loop_->Post([weak] {
      if (std::shared_ptr<Impl> self = weak.lock()) self->CloseIdle();
    });
  }

  // ---- Stream::Owner: on the loop's thread

  void OnStarted(const std::shared_ptr<Stream>& stream) override {
    WorkList work;
    {
      absl::MutexLock lock(&mutex_);
      auto found = links_.find(stream.get());
      if (found == links_.end() && !shutting_down_ && links_.size() < kMaxPeers) {
        // Somebody dialled us, and gives up by itself.
        found = AddLinkLocked(stream, Redial::MostPatience(options_.open_timeout));
      }
      if (found != links_.end()) {
        found->second->started = true;
        TakeWorkLocked(*found->second, &work);
      }
    }
    if (work.empty()) return stream->Cancel();
    WriteAll(std::move(work));
  }

  void OnFrame(const std::shared_ptr<Stream>& stream, absl::string_view bytes) override {
    absl::StatusOr<Frame> frame = DecodeFrame(bytes);
    bool lost = false;
    bool told = false;
    Incarnation from;
    WorkList work;
    std::vector<std::shared_ptr<Stream>> stale;
    {
      absl::MutexLock lock(&mutex_);
      auto found = links_.find(stream.get());
      if (found == links_.end() || stopped_) return;
      Link& link = *found->second;
      if (link.closing) return;
      ++stats_.frames_received;
      stats_.bytes_received += bytes.size();
      link.silent_ticks = 0;
      if (!frame.ok() || !AgreesLocked(link, *frame)) {
        ++stats_.frames_refused;
        link.closing = true;
        stale.push_back(stream);
      } else {
        if (frame->hello.has_value()) lost = OpenLocked(link, *frame->hello, &stale, &told);
        stats_.messages_received += frame->messages.size();
        if (frame->ping != 0) link.pong = frame->ping;
        from = {link.peer, link.boot};
        if (Peer* peer = FindLocked(link.peer); peer != nullptr) TakeWorkLocked(*peer, &work);
        TakeWorkLocked(link, &work);
      }
    }
    for (const std::shared_ptr<Stream>& s : stale) s->Cancel();
    WriteAll(std::move(work));
    if (lost) observer_->OnPeerLost(from.address);
    if (told) observer_->OnPeer(*frame->hello);
    if (from.address.IsNone() || frame->messages.empty()) return;
    observer_->OnMessages(from, std::move(frame->messages));
  }

  void OnWritten(const std::shared_ptr<Stream>& stream) override {
    WorkList work;
    bool close = false;
    {
      absl::MutexLock lock(&mutex_);
      auto found = links_.find(stream.get());
      if (found == links_.end()) return;
      Link& link = *found->second;
      link.writing = false;
      TakeWorkLocked(link, &work);
      close = work.empty() && CloseNowLocked(link);
    }
    WriteAll(std::move(work));
    if (close) stream->Close();
  }

  void OnBroken(const std::shared_ptr<Stream>& stream) override {
    Address lost;
    WorkList work;
    {
      absl::MutexLock lock(&mutex_);
      auto found = links_.find(stream.get());
      if (found == links_.end()) return;
      const std::unique_ptr<Link> link = std::move(found->second);
      links_.erase(found);
      if (Peer* peer = FindLocked(link->peer); peer != nullptr) {
        std::erase(peer->links, link.get());
        TakeWorkLocked(*peer, &work);
        const bool last = link->open ? FirstOpenLocked(*peer) == nullptr : peer->links.empty();
        if (last) {
          if (LostLocked(*peer, link->open)) lost = link->peer;
        } else if (link->dialled && !link->open) {
          peer->redial.RefusedBeside();
          DialBesideLocked(*peer);
        }
      }
      FinishShutdownLocked();
    }
    WriteAll(std::move(work));
    if (!lost.IsNone()) observer_->OnPeerLost(lost);
  }

 private:
  using Links = absl::flat_hash_map<const Stream*, std::unique_ptr<Link>>;

  Peer* FindLocked(const Address& address) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    auto found = peers_.find(address);
    return found == peers_.end() ? nullptr : found->second.get();
  }

  // Puts a message into its peer's queue; null if it was dropped.
  Peer* EnqueueLocked(Piece piece) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    Peer* peer = FindLocked(piece.to);
    if (peer == nullptr || shutting_down_ || (peer->links.empty() && peer->endpoint.empty()) ||
        !peer->queue.Add(std::move(piece.bytes), piece.may_lie)) {
      ++stats_.messages_dropped;
      return nullptr;
    }
    ++stats_.messages_sent;
    if (!peer->queue.due() && sweep_ == 0) SweepLaterLocked();
    if (peer->links.empty()) DialSoonLocked(*peer);
    return peer;
  }

  void SweepLaterLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    std::weak_ptr<Impl> weak = weak_from_this();
    sweep_ = loop_->At(steady_clock::now() + kMayLie, [weak] {
      if (std::shared_ptr<Impl> self = weak.lock()) self->Sweep();
    });
  }

  // Writes what nothing else took along.
  void Sweep() {
    WorkList work;
    {
      absl::MutexLock lock(&mutex_);
      sweep_ = 0;
      TakeAllWorkLocked(&work);
    }
    WriteAll(std::move(work));
  }

  void TakeAllWorkLocked(WorkList* work) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    for (auto& [address, peer] : peers_) {
      if (peer->queue.empty()) continue;
      peer->queue.MakeDue();
      TakeWorkLocked(*peer, work);
    }
  }

  Peer* FindOrAddLocked(const Address& address) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (Peer* peer = FindLocked(address); peer != nullptr) return peer;
    if (peers_.size() >= kMaxPeers) ForgetIdleLocked();
    if (peers_.size() >= kMaxPeers) return nullptr;
    auto peer = std::make_unique<Peer>(address, options_.open_timeout);
    return peers_.emplace(address, std::move(peer)).first->second.get();
  }

  // Forgets all that nobody speaks to now, clusters that are long gone among them. Of those still
  // needed the next continuation that names them says where they are.
  void ForgetIdleLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    absl::erase_if(peers_, [](const auto& entry) {
      const Peer& peer = *entry.second;
      return !peer.keep && peer.links.empty() && peer.queue.empty();
    });
  }

  Links::iterator AddLinkLocked(std::shared_ptr<Stream> stream, Duration patience)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    auto link = std::make_unique<Link>();
    const Stream* key = stream.get();
    GiveUpAfter(patience, stream);
    link->stream = std::move(stream);
    return links_.emplace(key, std::move(link)).first;
  }

  void GiveUpAfter(Duration patience, std::weak_ptr<Stream> late) {
    std::weak_ptr<Impl> weak = weak_from_this();
    loop_->At(steady_clock::now() + patience, [weak, late = std::move(late), patience] {
      std::shared_ptr<Impl> self = weak.lock();
      std::shared_ptr<Stream> stream = late.lock();
      if (self != nullptr && stream != nullptr) self->GiveUp(patience, stream);
    });
  }

  void GiveUp(Duration patience, const std::shared_ptr<Stream>& stream) {
    {
      absl::MutexLock lock(&mutex_);
      auto found = links_.find(stream.get());
      if (found != links_.end()) {
        if (found->second->open) return;
        // Beside one that is open it may be open at the other end, which then may have written to
        // it, and would not hear that it is lost.
        const Peer* peer = FindLocked(found->second->peer);
        if (peer != nullptr && FirstOpenLocked(*peer) != nullptr) {
          return GiveUpAfter(patience, stream);
        }
      }
    }
    stream->Cancel();
  }

  void DialSoonLocked(Peer& peer) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (peer.dial_posted || peer.endpoint.empty() || shutting_down_) return;
    peer.dial_posted = true;
    std::weak_ptr<Impl> weak = weak_from_this();
    auto dial = [weak, address = peer.address] {
      if (std::shared_ptr<Impl> self = weak.lock()) self->Dial(address, /*beside=*/false);
    };
    if (peer.redial.HasFailed()) {
      peer.dial = loop_->At(peer.not_before, std::move(dial));
    } else {
      loop_->Post(std::move(dial));
    }
  }

  // Has another dial go out a while from now, in case that none of those under way gets there.
  void DialBesideLocked(Peer& peer) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    loop_->Cancel(peer.beside);
    const Time when = steady_clock::now() + peer.redial.Beside();
    if (when >= peer.give_up) return;
    std::weak_ptr<Impl> weak = weak_from_this();
    peer.beside = loop_->At(when, [weak, address = peer.address] {
      if (std::shared_ptr<Impl> self = weak.lock()) self->Dial(address, /*beside=*/true);
    });
  }

  // The first dial of a round, or one beside those that are under way.
  void Dial(const Address& address, bool beside) {
    std::shared_ptr<ClientStream> stream;
    std::string endpoint;
    {
      absl::MutexLock lock(&mutex_);
      Peer* peer = FindLocked(address);
      if (peer == nullptr || shutting_down_) return;
      if (!beside) peer->dial_posted = false;
      if (peer->links.empty() == beside || FirstOpenLocked(*peer) != nullptr) return;
      if (!peer->keep && peer->queue.empty()) return;
      const Time now = steady_clock::now();
      if (!beside) peer->give_up = now + peer->redial.Begin();
      endpoint = peer->endpoint;
      stream = std::make_shared<ClientStream>(shared_from_this(), loop_);
      Link& link = *AddLinkLocked(stream, peer->give_up - now)->second;
      link.peer = address;
      link.dialled = true;
      peer->links.push_back(&link);
      DialBesideLocked(*peer);
    }
    stream->Dial(endpoint, options_.keepalive);
  }

  // Whether a peer may say this on this Link: who it is first, and not who it is not.
  bool AgreesLocked(const Link& link, const Frame& frame) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (!frame.hello.has_value()) return link.open;
    if (link.open) return frame.hello->self == Incarnation{link.peer, link.boot};
    return !link.dialled || frame.hello->self.address == link.peer;
  }

  // Handles a Hello. Returns whether another process had been known there until now; fills `told`
  // if the observer is to hear of it.
  bool OpenLocked(Link& link, const PeerInfo& hello, std::vector<std::shared_ptr<Stream>>* stale,
                  bool* told) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    *told = !shutting_down_;
    if (link.open) return false;
    Peer* peer = FindOrAddLocked(hello.self.address);
    if (peer == nullptr) {
      link.closing = true;
      stale->push_back(link.stream);
      *told = false;
      return false;
    }
    link.open = true;
    link.peer = hello.self.address;
    link.boot = hello.self.boot;
    if (!link.dialled) peer->links.push_back(&link);
    for (Link* other : peer->links) {
      if (!other->open || other->boot == link.boot) continue;
      other->closing = true;  // the process of that one is no more
      stale->push_back(other->stream);
    }
    const bool replaced = peer->told_open && peer->boot != link.boot;
    peer->boot = link.boot;
    peer->redial.Opened();
    peer->told_open = true;
    peer->told_lost = false;
    return replaced && !shutting_down_;
  }

  // The last Link to `peer` is gone, or the last open one. Returns whether the observer is to hear
  // of it.
  bool LostLocked(Peer& peer, bool opened) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const bool tell =
        !shutting_down_ && !stopped_ && (peer.told_open || !peer.told_lost || !peer.queue.empty());
    peer.told_open = false;
    peer.told_lost = true;
    peer.queue.Clear();
    peer.not_before = steady_clock::now() + peer.redial.Lost(opened, random_);
    if (!peer.links.empty()) {  // being dialled, and may be so for long already
      peer.give_up = steady_clock::now() + peer.redial.Begin();
      DialBesideLocked(peer);
    } else if (peer.keep) {
      DialSoonLocked(peer);
    } else if (peer.endpoint.empty()) {
      peers_.erase(peer.address);
    }
    return tell;
  }

  void TakeWorkLocked(Peer& peer, WorkList* work) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    for (Link* link : peer.links) {
      if (!link->open || link->closing) continue;
      return TakeWorkLocked(*link, work);
    }
  }

  // Takes what `link` is to write next, if it can be written now.
  void TakeWorkLocked(Link& link, WorkList* work) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (!link.started || link.writing || link.closing) return;
    std::string frame;
    Peer* peer = link.open ? FindLocked(link.peer) : nullptr;
    const bool anyway = link.owes_hello || link.ping != 0 || link.pong != 0;
    if (peer != nullptr && !peer->queue.empty() && (peer->queue.due() || anyway) &&
        FirstOpenLocked(*peer) == &link) {
      frame = peer->queue.TakeFrame();
    }
    if (link.owes_hello) frame += EncodeHello(self_);
    if (link.ping != 0) frame += EncodePing(std::exchange(link.ping, 0));
    if (link.pong != 0) frame += EncodePong(std::exchange(link.pong, 0));
    if (frame.empty()) return;
    link.owes_hello = false;
    link.writing = true;
    ++stats_.frames_sent;
    stats_.bytes_sent += frame.size();
    work->push_back({link.stream, std::move(frame)});
  }

  const Link* FirstOpenLocked(const Peer& peer) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    for (const Link* link : peer.links) {
      if (link->open && !link->closing) return link;
    }
    return nullptr;
  }

  // Asks every peer for a sign of life, then again after the interval.
  void Tick() {
    WorkList work;
    {
      absl::MutexLock lock(&mutex_);
      if (shutting_down_) return;
      ++pings_;
      for (auto& [stream, link] : links_) {
        if (!link->open) continue;
        ++link->silent_ticks;
        link->ping = pings_;
        TakeWorkLocked(*link, &work);
      }
      std::weak_ptr<Impl> weak = weak_from_this();
      tick_ = loop_->At(steady_clock::now() + options_.ping_interval, [weak] {
        if (std::shared_ptr<Impl> self = weak.lock()) self->Tick();
      });
    }
    WriteAll(std::move(work));
  }

  bool CloseNowLocked(Link& link) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (!shutting_down_ || link.writing || link.closing || !link.open) return false;
    const Peer* peer = FindLocked(link.peer);
    if (peer != nullptr && !peer->queue.empty() && FirstOpenLocked(*peer) == &link) return false;
    link.closing = true;
    return true;
  }

  void CloseIdle() {
    std::vector<std::shared_ptr<Stream>> idle, unopened;
    WorkList work;
    {
      absl::MutexLock lock(&mutex_);
      loop_->Cancel(sweep_);
      TakeAllWorkLocked(&work);
      for (auto& [stream, link] : links_) {
        if (!link->open) unopened.push_back(link->stream);
        if (CloseNowLocked(*link)) idle.push_back(link->stream);
      }
      FinishShutdownLocked();
    }
    WriteAll(std::move(work));
    for (const std::shared_ptr<Stream>& stream : idle) stream->Close();
    for (const std::shared_ptr<Stream>& stream : unopened) stream->Cancel();
  }

  void CancelAll() {
    std::vector<std::shared_ptr<Stream>> streams;
    {
      absl::MutexLock lock(&mutex_);
      for (auto& [stream, link] : links_) streams.push_back(link->stream);
    }
    for (const std::shared_ptr<Stream>& stream : streams) stream->Cancel();
  }

  void FinishShutdownLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (!shutting_down_ || !links_.empty()) return;
    loop_->Cancel(grace_);
    if (shut_down_ != nullptr) loop_->Post(std::exchange(shut_down_, nullptr));
  }

  EventLoop* const loop_;
  const LinkOptions options_;
  LinkObserver* const observer_;
  std::unique_ptr<LinkServer> server_;  // after Listen only read

  mutable absl::Mutex mutex_;
  SystemRandom random_;
  PeerInfo self_ ABSL_GUARDED_BY(mutex_);
  std::string endpoint_ ABSL_GUARDED_BY(mutex_);
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

LinkTable::LinkTable(EventLoop* loop, PeerInfo self, LinkObserver* observer, LinkOptions options)
    : impl_(std::make_shared<Impl>(loop, std::move(self), observer, options)) {
  impl_->Start();
}
LinkTable::~LinkTable() { impl_->Stop(); }
absl::Status LinkTable::Listen(const std::string& endpoint) { return impl_->Listen(endpoint); }
std::string LinkTable::endpoint() const { return impl_->endpoint(); }
void LinkTable::Learn(const ClusterView& cluster) { impl_->Learn(cluster); }
void LinkTable::Connect(const Address& peer) { impl_->Connect(peer); }
void LinkTable::Disconnect(const Address& peer) { impl_->Disconnect(peer); }
void LinkTable::Send(const Address& peer, const Message& message) { impl_->Send(peer, message); }
void LinkTable::Update(PeerInfo self) { impl_->Update(std::move(self)); }
std::optional<Duration> LinkTable::SilentFor(const Address& peer) const {
  return impl_->SilentFor(peer);
}
LinkTable::Stats LinkTable::stats() const { return impl_->stats(); }
void LinkTable::Shutdown(Duration grace, std::function<void()> done) {
  impl_->Shutdown(grace, std::move(done));
}

LinkTable::Batch::Batch(LinkTable* table) : table_(table) {
  // Only the outermost counts, and a thread gathers for one table at a time.
  if (batch_state.depth == 0) batch_state.table = table->impl_.get();
  ++batch_state.depth;
}

LinkTable::Batch::~Batch() {
  if (--batch_state.depth > 0) return;
  batch_state.table = nullptr;
  if (!batch_state.gathered.empty()) {
    table_->impl_->Flush(std::exchange(batch_state.gathered, {}));
  }
}

}  // namespace fractos
