#include "lib/protocol/leader_book.h"

#include <algorithm>

#include "lib/base/limits.h"

namespace fractos {

bool LeaderBook::Learn(const ClusterView& view) {
  if (view.endpoints.empty()) return false;
  auto [entry, is_new] = views_.try_emplace(view.cluster, view);
  ClusterView& known = entry->second;
  const bool outdated = view.endpoints.size() < known.endpoints.size() && view.epoch <= known.epoch;
  const bool moved = is_new || (!outdated && known.endpoints != view.endpoints);
  if (moved) known.endpoints = view.endpoints;
  if (is_new) known.epoch = 0;  // unless it is believed now
  if (view.epoch > known.epoch && view.epoch <= kMaxEpoch) {
    known.epoch = view.epoch;
    known.leader = view.leader;
  }
  if (known.leader >= known.endpoints.size()) known.leader = 0;
  return moved;
}

bool LeaderBook::SawLeader(const Address& peer, uint64_t epoch) {
  const auto entry = views_.find(peer.cluster);
  if (entry == views_.end() || epoch == 0 || epoch > kMaxEpoch) return false;
  if (epoch < entry->second.epoch) return false;
  if (peer.replica >= entry->second.endpoints.size()) return false;
  const bool news = epoch > entry->second.epoch || entry->second.leader != peer.replica;
  entry->second.epoch = epoch;
  entry->second.leader = peer.replica;
  refusals_.erase(peer.cluster);
  return news;
}

void LeaderBook::SawFollower(const Address& peer, const Address& hint) {
  const auto entry = views_.find(peer.cluster);
  if (entry == views_.end() || entry->second.leader != peer.replica) return;
  // Followers may point at each other for ever; every other round asks each in turn.
  const size_t replicas = entry->second.endpoints.size();
  const bool trust_hints = (refusals_[peer.cluster]++ / replicas) % 2 == 0;
  if (trust_hints && hint.cluster == peer.cluster && hint.replica != peer.replica &&
      hint.replica < entry->second.endpoints.size()) {
    entry->second.leader = hint.replica;
  } else {
    TryNext(peer.cluster, peer.replica);
  }
}

void LeaderBook::Lost(const Address& peer) {
  const auto entry = views_.find(peer.cluster);
  if (entry == views_.end() || entry->second.leader != peer.replica) return;
  TryNext(peer.cluster, peer.replica);
}

uint64_t LeaderBook::EpochOf(const std::string& cluster) const {
  const auto entry = views_.find(cluster);
  return entry == views_.end() ? 0 : entry->second.epoch;
}

void LeaderBook::SawEpoch(const std::string& cluster, uint64_t epoch) {
  const auto entry = views_.find(cluster);
  if (entry == views_.end() || epoch > kMaxEpoch) return;
  entry->second.epoch = std::max(entry->second.epoch, epoch);
}

std::optional<Address> LeaderBook::LeaderOf(const std::string& cluster) const {
  const auto entry = views_.find(cluster);
  if (entry == views_.end()) return std::nullopt;
  return Address{cluster, entry->second.leader};
}

std::vector<ClusterView> LeaderBook::Views(const std::vector<std::string>& clusters) const {
  std::vector<ClusterView> views;
  for (const std::string& cluster : clusters) {
    const auto entry = views_.find(cluster);
    if (entry != views_.end()) views.push_back(entry->second);
  }
  return views;
}

void LeaderBook::TryNext(const std::string& cluster, uint32_t after) {
  ClusterView& view = views_.at(cluster);
  view.leader = (after + 1) % view.endpoints.size();
}

}  // namespace fractos
