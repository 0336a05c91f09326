#include <algorithm>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "lib/link/link_table_impl.h"

namespace fractos {
namespace {

using std::chrono::steady_clock;

}  // namespace

void LinkTable::Impl::Learn(const ClusterView& cluster) {
  absl::MutexLock lock(&mutex_);
  std::vector<std::string>& known = *endpoints_.TryEmplace(cluster.cluster).first;
  known.resize(std::max(known.size(), cluster.endpoints.size()));
  for (size_t i = 0; i < cluster.endpoints.size(); ++i) {
    if (cluster.endpoints[i].empty()) continue;
    known[i] = cluster.endpoints[i];
    Peer* peer = FindLocked({cluster.cluster, static_cast<uint32_t>(i)});
    if (peer == nullptr || peer->endpoint == known[i]) continue;
    peer->endpoint = known[i];
    if (peer->keep && peer->links.empty()) DialSoonLocked(*peer);
  }
}

void LinkTable::Impl::Connect(const Address& address) {
  absl::MutexLock lock(&mutex_);
  Peer* peer = FindOrAddLocked(address);
  if (peer == nullptr || peer->keep) return;
  peer->keep = true;
  peer->told_lost = false;
  if (peer->links.empty()) DialSoonLocked(*peer);
  if (FirstOpenLocked(*peer) == nullptr) return;
  std::weak_ptr<Impl> weak = weak_from_this();
  loop_->Post([weak, address] {
    if (std::shared_ptr<Impl> self = weak.lock()) self->Announce(address);
  });
}

void LinkTable::Impl::Announce(const Address& address) {
  PeerInfo said;
  {
    absl::MutexLock lock(&mutex_);
    const Peer* peer = FindLocked(address);
    if (peer == nullptr || !peer->keep || shutting_down_) return;
    for (const Link* link : peer->links) {
      if (link->open && !link->closing && link->dialled) said = link->said;
    }
  }
  if (!said.self.address.IsNone()) observer_->OnPeer(said);
}

void LinkTable::Impl::Disconnect(const Address& address) {
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

std::string LinkTable::Impl::EndpointLocked(const Address& address) const {
  const std::vector<std::string>* known = endpoints_.Find(address.cluster);
  return known != nullptr && address.replica < known->size() ? (*known)[address.replica] : "";
}

LinkTable::Impl::Peer* LinkTable::Impl::FindOrAddLocked(const Address& address) {
  if (Peer* peer = FindLocked(address); peer != nullptr) return peer;
  if (peers_.size() >= kMaxPeers) ForgetIdleLocked();
  if (peers_.size() >= kMaxPeers) return nullptr;
  auto peer = std::make_unique<Peer>(address, options_.open_timeout);
  peer->endpoint = EndpointLocked(address);
  return peers_.emplace(address, std::move(peer)).first->second.get();
}

void LinkTable::Impl::ForgetIdleLocked() {
  absl::erase_if(peers_, [](const auto& entry) {
    const Peer& peer = *entry.second;
    return !peer.keep && peer.links.empty() && peer.queue.empty();
  });
}

void LinkTable::Impl::DialSoonLocked(Peer& peer) {
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

void LinkTable::Impl::DialBesideLocked(Peer& peer) {
  loop_->Cancel(peer.beside);
  const Time when = steady_clock::now() + peer.redial.Beside();
  if (when >= peer.give_up) return;
  std::weak_ptr<Impl> weak = weak_from_this();
  peer.beside = loop_->At(when, [weak, address = peer.address] {
    if (std::shared_ptr<Impl> self = weak.lock()) self->Dial(address, /*beside=*/true);
  });
}

void LinkTable::Impl::Dial(const Address& address, bool beside) {
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

LinkTable::Impl::Links::iterator LinkTable::Impl::AddLinkLocked(std::shared_ptr<Stream> stream,
                                                                Duration patience) {
  auto link = std::make_unique<Link>();
  const Stream* key = stream.get();
  GiveUpAfter(patience, stream);
  link->stream = std::move(stream);
  return links_.emplace(key, std::move(link)).first;
}

void LinkTable::Impl::GiveUpAfter(Duration patience, std::weak_ptr<Stream> late) {
  std::weak_ptr<Impl> weak = weak_from_this();
  loop_->At(steady_clock::now() + patience, [weak, late = std::move(late), patience] {
    std::shared_ptr<Impl> self = weak.lock();
    std::shared_ptr<Stream> stream = late.lock();
    if (self != nullptr && stream != nullptr) self->GiveUp(patience, stream);
  });
}

void LinkTable::Impl::GiveUp(Duration patience, const std::shared_ptr<Stream>& stream) {
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

bool LinkTable::Impl::OpenLocked(Link& link, const PeerInfo& hello,
                                 std::vector<std::shared_ptr<Stream>>* stale, bool* told) {
  *told = !shutting_down_;
  if (link.dialled) link.said = hello;
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

void LinkTable::Impl::OnBroken(const std::shared_ptr<Stream>& stream) {
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

bool LinkTable::Impl::LostLocked(Peer& peer, bool opened) {
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

}  // namespace fractos
