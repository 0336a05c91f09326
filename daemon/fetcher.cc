#include "daemon/fetcher.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace fractos {
namespace {

// On one machine a pull takes microseconds; an owner that is silent for this long is stopped, and
// whoever watches over it has killed it by then.
constexpr std::chrono::seconds kPullTimeout{5};

}  // namespace

std::string MemorySocketOf(absl::string_view endpoint) {
  if (!absl::ConsumePrefix(&endpoint, "unix:")) return "";
  return absl::StrCat(endpoint, ".mem");
}

Fetcher::Fetcher(Incarnation self, MemoryStore* store, Fetched fetched)
    : self_(std::move(self)),
      store_(store),
      fetched_(std::move(fetched)),
      client_(std::make_unique<MemoryClient>()) {}

Fetcher::~Fetcher() = default;

void Fetcher::Learn(const ClusterView& cluster) {
  absl::MutexLock lock(&mutex_);
  clusters_[cluster.cluster] = cluster;
}

void Fetcher::Learn(const PeerInfo& peer) {
  absl::MutexLock lock(&mutex_);
  peers_[peer.self.address] = {peer.self.boot, peer.memory_endpoint};
}

void Fetcher::Forget(const Address& peer) {
  absl::MutexLock lock(&mutex_);
  peers_.erase(peer);
}

absl::StatusOr<std::string> Fetcher::SocketOf(const Incarnation& owner) {
  if (owner.address == self_.address) {
    return absl::NotFoundError(absl::StrCat("the value is gone from ", owner.address.ToString()));
  }
  absl::MutexLock lock(&mutex_);
  auto peer = peers_.find(owner.address);
  if (peer != peers_.end()) {
    const auto& [boot, endpoint] = peer->second;
    if (boot != owner.boot) {
      return absl::NotFoundError(
          absl::StrCat(owner.address.ToString(), " has restarted, and its values are gone"));
    }
    if (!endpoint.empty()) return std::string(absl::StripPrefix(endpoint, "unix:"));
  }
  auto cluster = clusters_.find(owner.address.cluster);
  std::string socket;
  if (cluster != clusters_.end() && owner.address.replica < cluster->second.endpoints.size()) {
    socket = MemorySocketOf(cluster->second.endpoints[owner.address.replica]);
  }
  if (socket.empty()) {
    return absl::UnavailableError(
        absl::StrCat("nobody said where the Memory of ", owner.address.ToString(), " is read"));
  }
  return socket;
}

void Fetcher::Fetch(const RunId& run, const Value& value) {
  if (value.IsInline() || store_->Get(value.object).ok()) {
    fetched_(run, value, absl::OkStatus());
    return;
  }
  absl::StatusOr<std::string> socket = SocketOf(value.owner);
  if (!socket.ok()) {
    {
      absl::MutexLock lock(&mutex_);
      ++stats_.failed;
    }
    fetched_(run, value, socket.status());
    return;
  }
  uint64_t id;
  {
    absl::MutexLock lock(&mutex_);
    id = pending_[value.object] = ++last_id_;
  }
  client_->Pull(value, *socket, kPullTimeout,
                [this, id, run, value](absl::StatusOr<UniqueFd> file) {
                  Keep(id, run, value, std::move(file));
                });
}

void Fetcher::Keep(uint64_t id, const RunId& run, const Value& value,
                   absl::StatusOr<UniqueFd> file) {
  absl::Status status = file.status();
  if (absl::IsDeadlineExceeded(status)) {
    // Who cannot give it in this time may as well not have it: another replica can make it again.
    status = absl::UnavailableError(status.message());
  }
  if (status.ok()) status = store_->Cache(value, *std::move(file));
  if (!Take(id, value.object)) {
    if (status.ok()) store_->Release(value.object);
    return;
  }
  {
    absl::MutexLock lock(&mutex_);
    ++(status.ok() ? stats_.fetched : stats_.failed);
    if (status.ok()) stats_.bytes += value.size;
  }
  fetched_(run, value, status);
}

// Whether the Fetch of this number is still wanted; it is not pending any more.
bool Fetcher::Take(uint64_t id, const ObjectId& object) {
  absl::MutexLock lock(&mutex_);
  auto it = pending_.find(object);
  if (it == pending_.end() || it->second != id) return false;
  pending_.erase(it);
  return true;
}

void Fetcher::Release(const ObjectId& object) {
  {
    absl::MutexLock lock(&mutex_);
    pending_.erase(object);
  }
  store_->Release(object);
}

Fetcher::Stats Fetcher::stats() const {
  absl::MutexLock lock(&mutex_);
  return stats_;
}

}  // namespace fractos
