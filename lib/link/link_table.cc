#include "lib/link/link_table.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/algorithm/container.h"
#include "lib/link/link_table_impl.h"

namespace fractos {
namespace {

using std::chrono::steady_clock;

// How long a message that nobody waits for may wait until another takes it along.
constexpr Duration kMaxWait = std::chrono::milliseconds(5);

// What only lets the receiver forget something: holds, runs. A frame of its own for each of these
// would wake a process once more per hop, and more often than the hand-overs do.
bool MayWait(const Message& message) {
  return std::holds_alternative<Accepted>(message) || std::holds_alternative<Passed>(message) ||
         std::holds_alternative<Recorded>(message) || std::holds_alternative<End>(message);
}

}  // namespace

thread_local LinkTable::Impl::BatchState LinkTable::Impl::batch_state;

void LinkTable::Impl::Start() {
  if (options_.ping_interval > Duration::zero()) Tick();
}

void LinkTable::Impl::Stop() {
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

absl::Status LinkTable::Impl::Listen(const std::string& endpoint) {
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

std::string LinkTable::Impl::endpoint() const {
  absl::MutexLock lock(&mutex_);
  return endpoint_;
}

void LinkTable::Impl::Send(const Address& address, const Message& message) {
  Piece piece{address, EncodeMessage(message), MayWait(message)};
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

void LinkTable::Impl::Flush(Gathered gathered) {
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

LinkTable::Impl::Peer* LinkTable::Impl::EnqueueLocked(Piece piece) {
  Peer* peer = FindLocked(piece.to);
  if (peer == nullptr && !EndpointLocked(piece.to).empty()) peer = FindOrAddLocked(piece.to);
  if (peer == nullptr || shutting_down_ || (peer->links.empty() && peer->endpoint.empty()) ||
      !peer->queue.Add(std::move(piece.bytes), piece.may_wait)) {
    ++stats_.messages_dropped;
    return nullptr;
  }
  ++stats_.messages_sent;
  if (!peer->queue.due() && sweep_ == 0) SweepLaterLocked();
  if (peer->links.empty()) DialSoonLocked(*peer);
  return peer;
}

void LinkTable::Impl::SweepLaterLocked() {
  std::weak_ptr<Impl> weak = weak_from_this();
  sweep_ = loop_->At(steady_clock::now() + kMaxWait, [weak] {
    if (std::shared_ptr<Impl> self = weak.lock()) self->Sweep();
  });
}

void LinkTable::Impl::Sweep() {
  WorkList work;
  {
    absl::MutexLock lock(&mutex_);
    sweep_ = 0;
    TakeAllWorkLocked(&work);
  }
  WriteAll(std::move(work));
}

void LinkTable::Impl::TakeAllWorkLocked(WorkList* work) {
  for (auto& [address, peer] : peers_) {
    if (peer->queue.empty()) continue;
    peer->queue.MakeDue();
    TakeWorkLocked(*peer, work);
  }
}

void LinkTable::Impl::TakeWorkLocked(Peer& peer, WorkList* work) {
  for (Link* link : peer.links) {
    if (!link->open || link->closing) continue;
    return TakeWorkLocked(*link, work);
  }
}

void LinkTable::Impl::TakeWorkLocked(Link& link, WorkList* work) {
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
  work->push_back({link.stream, std::move(frame)});
}

void LinkTable::Impl::Update(PeerInfo self) {
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

void LinkTable::Impl::Tick() {
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

std::optional<Duration> LinkTable::Impl::SilentFor(const Address& address) const {
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

LinkTable::Stats LinkTable::Impl::stats() const {
  absl::MutexLock lock(&mutex_);
  Stats stats = stats_;
  for (const auto& [stream, link] : links_) stats.links += link->open;
  return stats;
}

void LinkTable::Impl::OnStarted(const std::shared_ptr<Stream>& stream) {
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

void LinkTable::Impl::OnFrame(const std::shared_ptr<Stream>& stream, absl::string_view bytes) {
  // Whoever has not said who it is has nothing long to say.
  absl::StatusOr<Frame> frame = absl::InvalidArgumentError("longer than a Hello");
  if (bytes.size() <= Outbox::kMaxBesideBytes || IsOpen(stream)) frame = DecodeFrame(bytes);
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

bool LinkTable::Impl::IsOpen(const std::shared_ptr<Stream>& stream) const {
  absl::MutexLock lock(&mutex_);
  const auto found = links_.find(stream.get());
  return found != links_.end() && found->second->open;
}

bool LinkTable::Impl::AgreesLocked(const Link& link, const Frame& frame) const {
  if (!frame.hello.has_value()) return link.open;
  if (link.open) return frame.hello->self == Incarnation{link.peer, link.boot};
  return !link.dialled || frame.hello->self.address == link.peer;
}

void LinkTable::Impl::OnWritten(const std::shared_ptr<Stream>& stream) {
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
  if (Impl::batch_state.depth == 0) Impl::batch_state.table = table->impl_.get();
  ++Impl::batch_state.depth;
}

LinkTable::Batch::~Batch() {
  if (--Impl::batch_state.depth > 0) return;
  Impl::batch_state.table = nullptr;
  if (!Impl::batch_state.gathered.empty()) {
    table_->impl_->Flush(std::exchange(Impl::batch_state.gathered, {}));
  }
}

}  // namespace fractos
