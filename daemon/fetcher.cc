#include "daemon/fetcher.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace fractos {
namespace {

// On one machine a pull takes microseconds; an owner that is silent for this long is stopped, and
// whoever watches over it has killed it by then. Between machines the time that the bytes take is
// added.
constexpr std::chrono::seconds kPullTimeout{5};

}  // namespace

std::string MemoryEndpointOf(absl::string_view endpoint) {
  if (absl::ConsumePrefix(&endpoint, "unix:")) return absl::StrCat(endpoint, ".mem");
  if (!IsHostPort(endpoint)) return "";
  const size_t colon = endpoint.rfind(':');
  uint32_t port = 0;
  if (!absl::SimpleAtoi(endpoint.substr(colon + 1), &port) || port >= 65535) return "";
  // Port 0 is any, here too.
  return absl::StrCat(endpoint.substr(0, colon), ":", port == 0 ? 0 : port + 1);
}

Fetcher::Fetcher(Incarnation self, MemoryStore* store, Fetched fetched)
    : self_(std::move(self)),
      store_(store),
      fetched_(std::move(fetched)),
      client_(std::make_unique<MemoryClient>()) {}

Fetcher::~Fetcher() = default;

void Fetcher::Learn(const ClusterView& cluster) {
  absl::MutexLock lock(&mutex_);
  *clusters_.TryEmplace(cluster.cluster).first = cluster;
}

void Fetcher::Learn(const PeerInfo& peer) {
  absl::MutexLock lock(&mutex_);
  peers_[peer.self.address] = {peer.self.boot, peer.memory_endpoint};
}

void Fetcher::Forget(const Address& peer) {
  absl::MutexLock lock(&mutex_);
  peers_.erase(peer);
}

absl::StatusOr<std::string> Fetcher::WhereIs(const Incarnation& owner) {
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
  const ClusterView* cluster = clusters_.Find(owner.address.cluster);
  std::string where;
  if (cluster != nullptr && owner.address.replica < cluster->endpoints.size()) {
    where = MemoryEndpointOf(cluster->endpoints[owner.address.replica]);
  }
  if (where.empty()) {
    return absl::UnavailableError(
        absl::StrCat("nobody said where the Memory of ", owner.address.ToString(), " is read"));
  }
  return where;
}

void Fetcher::Fetch(const RunId& run, const Value& value) {
  if (value.IsInline() || store_->Get(value.object).ok()) {
    fetched_(run, value, absl::OkStatus());
    return;
  }
  absl::StatusOr<std::string> where = WhereIs(value.owner);
  // Rather than move what cannot be kept; what can never be is no matter of waiting for room.
  absl::Status room = store_->CheckFits(value.size);
  if (room.ok()) room = store_->CheckRoom(value.size);
  if (where.ok() && !room.ok()) where = room;
  if (!where.ok()) {
    {
      absl::MutexLock lock(&mutex_);
      ++stats_.failed;
    }
    fetched_(run, value, where.status());
    return;
  }
  uint64_t id;
  {
    absl::MutexLock lock(&mutex_);
    id = pending_[value.object] = ++last_id_;
  }
  const uint64_t pull = client_->Pull(value, *where, kPullTimeout,
                                      [this, id, run, value](absl::StatusOr<UniqueFd> file) {
                                        Keep(id, run, value, std::move(file));
                                      });
  absl::MutexLock lock(&mutex_);
  auto it = pending_.find(value.object);
  if (it != pending_.end() && it->second == id) pulls_[value.object] = pull;
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
  pulls_.erase(object);
  return true;
}

void Fetcher::Release(const ObjectId& object) {
  uint64_t pull = 0;
  {
    absl::MutexLock lock(&mutex_);
    pending_.erase(object);
    if (auto it = pulls_.find(object); it != pulls_.end()) {
      pull = it->second;
      pulls_.erase(it);
    }
  }
  client_->Cancel(pull);
  store_->Release(object);
}

Fetcher::Stats Fetcher::stats() const {
  absl::MutexLock lock(&mutex_);
  return stats_;
}

}  // namespace fractos
