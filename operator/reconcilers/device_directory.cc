#include "operator/reconcilers/device_directory.h"

#include <utility>

namespace fractos {

void DeviceDirectory::Publish(const ClusterView& cluster) {
  {
    const absl::MutexLock lock(&mutex_);
    const auto [entry, is_new] = entries_.try_emplace(cluster.cluster);
    // The leader and its epoch are heard over the Links: where the replicas are is what counts.
    if (!is_new && entry->second.view.endpoints == cluster.endpoints) return;
    entry->second.view = cluster;
    std::erase_if(entry->second.peers,
                  [&cluster](const auto& peer) { return peer.first >= cluster.endpoints.size(); });
  }
  links_->Learn(cluster);
  Tell(cluster.cluster);
}

void DeviceDirectory::Withdraw(const std::string& cluster) {
  {
    const absl::MutexLock lock(&mutex_);
    if (entries_.erase(cluster) == 0) return;
  }
  links_->Unlearn(cluster);
  Tell(cluster);
}

void DeviceDirectory::OnPeer(const PeerInfo& peer) {
  const Address& address = peer.self.address;
  {
    const absl::MutexLock lock(&mutex_);
    const auto found = entries_.find(address.cluster);
    if (found == entries_.end()) return;
    Entry& entry = found->second;
    entry.heard = true;
    PeerInfo& known = entry.peers[address.replica];
    if (known == peer) return;
    known = peer;
    if (!peer.description_json.empty() && peer.description_json != entry.description_json) {
      entry.description_json = peer.description_json;
      absl::StatusOr<DeviceDescription> description = ParseDeviceDescription(peer.description_json);
      entry.fault = description.ok() ? "" : std::string(description.status().message());
      if (description.ok()) entry.description = *std::move(description);
    }
  }
  Tell(address.cluster);
}

void DeviceDirectory::OnPeerLost(const Address& peer) {
  {
    const absl::MutexLock lock(&mutex_);
    const auto found = entries_.find(peer.cluster);
    if (found == entries_.end() || found->second.peers.erase(peer.replica) == 0) return;
  }
  Tell(peer.cluster);
}

std::optional<DeviceState> DeviceDirectory::Find(const std::string& cluster) const {
  const absl::MutexLock lock(&mutex_);
  const auto found = entries_.find(cluster);
  if (found == entries_.end()) return std::nullopt;
  DeviceState state;
  state.description = found->second.description;
  state.fault = found->second.fault;
  state.linked = found->second.peers.size();
  state.heard = found->second.heard;
  for (const auto& [replica, peer] : found->second.peers) {
    if (peer.epoch <= state.epoch) continue;
    state.epoch = peer.epoch;
    state.leader = replica;
    state.leader_described = !peer.description_json.empty();
  }
  return state;
}

void DeviceDirectory::Tell(const std::string& cluster) const {
  for (const OnChange& listener : listeners_) listener(cluster);
}

}  // namespace fractos
