#include "lib/protocol/leader_book.h"

#include <algorithm>

#include "lib/base/limits.h"

namespace fractos {

bool LeaderBook::Learn(const ClusterView& view) {
  if (view.endpoints.empty()) return false;
  const auto [entry, is_new] = entries_.TryEmplace(view.cluster);
  ClusterView& known = entry->view;
  if (is_new) known = view;
  const bool outdated = view.endpoints.size() < known.endpoints.size() && view.epoch <= known.epoch;
  const bool moved = is_new || (!outdated && known.endpoints != view.endpoints);
  if (moved) known.endpoints = view.endpoints;
  if (is_new) {
    const uint64_t* const seen = epochs_.Find(view.cluster);
    known.epoch = seen == nullptr ? 0 : *seen;  // unless that of the view is newer and believed
  }
  if (view.epoch > known.epoch && view.epoch <= kMaxEpoch) {
    known.epoch = view.epoch;
    known.leader = view.leader;
  }
  if (known.leader >= known.endpoints.size()) known.leader = 0;
  return moved;
}

bool LeaderBook::SawLeader(const Address& peer, uint64_t epoch) {
  Entry* const entry = entries_.Find(peer.cluster);
  if (entry == nullptr) SawEpoch(peer.cluster, epoch);
  if (entry == nullptr || epoch == 0 || epoch > kMaxEpoch) return false;
  ClusterView& view = entry->view;
  if (epoch < view.epoch) return false;
  if (peer.replica >= view.endpoints.size()) return false;
  const bool news = epoch > view.epoch || view.leader != peer.replica;
  view.epoch = epoch;
  view.leader = peer.replica;
  entry->refusals = 0;
  return news;
}

void LeaderBook::SawFollower(const Address& peer, const Address& hint) {
  Entry* const entry = entries_.Find(peer.cluster);
  if (entry == nullptr || entry->view.leader != peer.replica) return;
  // Followers may point at each other for ever; every other round asks each in turn.
  const size_t replicas = entry->view.endpoints.size();
  const bool trust_hints = (entry->refusals++ / replicas) % 2 == 0;
  if (trust_hints && hint.cluster == peer.cluster && hint.replica != peer.replica &&
      hint.replica < replicas) {
    entry->view.leader = hint.replica;
  } else {
    TryNext(entry->view);
  }
}

void LeaderBook::Lost(const Address& peer) {
  Entry* const entry = entries_.Find(peer.cluster);
  if (entry == nullptr || entry->view.leader != peer.replica) return;
  TryNext(entry->view);
}

uint64_t LeaderBook::EpochOf(const std::string& cluster) const {
  const Entry* const entry = entries_.Find(cluster);
  if (entry != nullptr) return entry->view.epoch;
  const uint64_t* const seen = epochs_.Find(cluster);
  return seen == nullptr ? 0 : *seen;
}

void LeaderBook::SawEpoch(const std::string& cluster, uint64_t epoch) {
  if (epoch == 0 || epoch > kMaxEpoch) return;
  Entry* const entry = entries_.Find(cluster);
  uint64_t& known = entry == nullptr ? *epochs_.TryEmplace(cluster).first : entry->view.epoch;
  known = std::max(known, epoch);
}

std::optional<Address> LeaderBook::LeaderOf(const std::string& cluster) const {
  const Entry* const entry = entries_.Find(cluster);
  if (entry == nullptr) return std::nullopt;
  return Address{cluster, entry->view.leader};
}

std::vector<ClusterView> LeaderBook::Views(const std::vector<std::string>& clusters) const {
  std::vector<ClusterView> views;
  for (const std::string& cluster : clusters) {
    const Entry* const entry = entries_.Find(cluster);
    if (entry != nullptr) views.push_back(entry->view);
  }
  return views;
}

void LeaderBook::TryNext(ClusterView& view) {
  view.leader = (view.leader + 1) % view.endpoints.size();
}

}  // namespace fractos
