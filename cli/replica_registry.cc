#include "cli/replica_registry.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"

namespace fractos {

void ReplicaRegistry::OnPeer(const PeerInfo& peer) {
  const absl::MutexLock lock(&mutex_);
  peers_[peer.self.address] = peer;
  if (!peer.description_json.empty()) were_ready_.insert(peer.self.address.cluster);
  uint64_t& epoch = epochs_[peer.self.address.cluster];
  if (peer.epoch <= epoch) return;
  // The first leader is no news.
  if (epoch != 0) {
    news_.push_back({peer.self.address, ReplicaNews::What::kLeads, peer.epoch});
  }
  epoch = peer.epoch;
}

bool ReplicaRegistry::OnPeerLost(const Address& peer) {
  const absl::MutexLock lock(&mutex_);
  return peers_.erase(peer) > 0;
}

void ReplicaRegistry::Tell(ReplicaNews news) {
  const absl::MutexLock lock(&mutex_);
  news_.push_back(std::move(news));
}

std::vector<ReplicaNews> ReplicaRegistry::TakeNews() {
  const absl::MutexLock lock(&mutex_);
  return std::exchange(news_, {});
}

void ReplicaRegistry::Fail(const absl::Status& why) {
  const absl::MutexLock lock(&mutex_);
  if (failed_.ok()) failed_ = why;
}

std::string ReplicaRegistry::FirstUnready(const std::vector<std::string>& clusters) const {
  for (const std::string& cluster : clusters) {
    const auto leads = [&cluster](const auto& entry) {
      const PeerInfo& peer = entry.second;
      return entry.first.cluster == cluster && peer.epoch != 0 && !peer.description_json.empty();
    };
    if (std::none_of(peers_.begin(), peers_.end(), leads)) return cluster;
  }
  return "";
}

absl::StatusOr<Descriptions> ReplicaRegistry::AwaitLeaders(const std::vector<std::string>& clusters,
                                                           Duration timeout) {
  const absl::MutexLock lock(&mutex_);
  const auto ready = [this, &clusters]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return !failed_.ok() || FirstUnready(clusters).empty();
  };
  const bool in_time = mutex_.AwaitWithTimeout(absl::Condition(&ready), absl::FromChrono(timeout));
  if (!failed_.ok()) return failed_;
  if (!in_time) {
    return absl::DeadlineExceededError(
        absl::StrCat("DeviceCluster ", FirstUnready(clusters),
                     " is not ready: none of its daemons leads and has described its device"));
  }
  Descriptions descriptions;
  for (const auto& [address, peer] : peers_) {
    if (peer.epoch == 0 || peer.description_json.empty()) continue;
    absl::StatusOr<DeviceDescription> description = ParseDeviceDescription(peer.description_json);
    if (!description.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("the adaptor of DeviceCluster ", address.cluster,
                       " describes itself badly: ", description.status().message()));
    }
    descriptions[address.cluster] = *std::move(description);
  }
  return descriptions;
}

bool ReplicaRegistry::AwaitReplicas(const std::vector<Address>& replicas, Duration timeout) {
  const absl::MutexLock lock(&mutex_);
  const auto ready = [this, &replicas]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return std::all_of(replicas.begin(), replicas.end(),
                       [this](const Address& replica) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
                         const auto found = peers_.find(replica);
                         return found != peers_.end() && !found->second.description_json.empty();
                       });
  };
  return mutex_.AwaitWithTimeout(absl::Condition(&ready), absl::FromChrono(timeout));
}

bool ReplicaRegistry::WasReady(const std::string& cluster) const {
  const absl::MutexLock lock(&mutex_);
  return were_ready_.contains(cluster);
}

bool ReplicaRegistry::IsLinked(const Address& peer) const {
  const absl::MutexLock lock(&mutex_);
  return peers_.contains(peer);
}

ReplicaState ReplicaRegistry::StateOf(const Address& peer) const {
  ReplicaState state;
  state.address = peer;
  const absl::MutexLock lock(&mutex_);
  const auto found = peers_.find(peer);
  if (found == peers_.end()) return state;
  state.linked = true;
  state.epoch = found->second.epoch;
  state.described = !found->second.description_json.empty();
  return state;
}

}  // namespace fractos
