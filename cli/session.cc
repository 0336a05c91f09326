#include "cli/session.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "cli/complain.h"

namespace fractos {
namespace {

// What is still queued for the daemons, and what they still do when they are asked to end.
constexpr Duration kLinkGrace = std::chrono::milliseconds(200);
constexpr Duration kDaemonGrace = std::chrono::seconds(1);

// Four times in the second of silence after which a leader is killed.
constexpr Duration kPingInterval = std::chrono::milliseconds(250);

}  // namespace

absl::StatusOr<std::unique_ptr<Session>> Session::Open(const std::string& driver_name,
                                                       RecordStore* store) {
  absl::StatusOr<PrivateFolder> folder = PrivateFolder::Create();
  if (!folder.ok()) return folder.status();
  std::unique_ptr<Session> session(new Session());
  session->folder_.emplace(*std::move(folder));
  Driver::Options options;
  options.name = driver_name;
  options.memory_endpoint = absl::StrCat(session->folder(), "/driver.memory");
  options.ping_interval = kPingInterval;
  // What is wrong with the tracing keeps nobody from running.
  const auto tell = [](const absl::Status& why) { Complain(why); };
  absl::StatusOr<std::unique_ptr<OtlpExporter>> spans =
      OtlpExporter::FromEnvironment("fractosctl", driver_name, "", tell);
  if (spans.ok()) {
    session->spans_ = *std::move(spans);
  } else {
    tell(spans.status());
  }
  options.spans = session->spans_.get();
  Session* const self = session.get();
  options.on_peer = [self](const PeerInfo& peer) { self->registry_.OnPeer(peer); };
  options.on_peer_lost = [self](const Address& peer) {
    // One that could not be reached yet may only be slow to start.
    const bool broke = self->registry_.OnPeerLost(peer);
    if (!broke) return;
    if (self->centre_ != nullptr) return self->centre_->OnPeerLost(peer);
    // Not ours, so whether it died is not known.
    self->registry_.Tell({peer, ReplicaNews::What::kLost});
  };
  absl::StatusOr<std::unique_ptr<Driver>> driver = Driver::Create(
      &session->loop_, std::move(options), store, &session->clock_, &session->random_);
  if (!driver.ok()) return driver.status();
  session->driver_ = *std::move(driver);
  return session;
}

Session::~Session() {
  if (driver_ != nullptr) driver_->Shutdown(kLinkGrace);
  if (centre_ != nullptr) centre_->Stop(kDaemonGrace);
  loop_.Stop();
  if (thread_.joinable()) thread_.join();
  driver_.reset();
  centre_.reset();
}

absl::Status Session::StartCentre(const std::vector<PlacedCluster>& clusters, bool restart,
                                  bool verbose) {
  DataCentre::Options options;
  options.directory = folder();
  options.restart = restart;
  options.verbose = verbose;
  options.silent_for = [this](const Address& replica) { return driver_->SilentFor(replica); };
  centre_ = std::make_unique<DataCentre>(&loop_, &registry_, &clock_, std::move(options));
  // Only now: the loop's callbacks look at centre_.
  thread_ = std::thread([this] { loop_.Run(); });
  if (absl::Status status = centre_->Start(clusters); !status.ok()) return status;
  driver_->Learn(centre_->views());
  return absl::OkStatus();
}

absl::Status Session::UseCentre(const std::vector<PlacedCluster>& needed, const std::string& folder,
                                const std::vector<PlacedCluster>& clusters) {
  // Laid out as a whole: where a daemon listens depends on all of them.
  const absl::StatusOr<std::vector<ClusterView>> views = LayOut(clusters, folder);
  if (!views.ok()) return views.status();
  std::vector<ClusterView> used;
  for (const ClusterView& view : *views) {
    for (const PlacedCluster& placed : needed) {
      if (placed.cluster.FullName() == view.cluster) used.push_back(view);
    }
  }
  thread_ = std::thread([this] { loop_.Run(); });
  driver_->Learn(used);
  return absl::OkStatus();
}

absl::StatusOr<Descriptions> Session::AwaitReady(const std::vector<std::string>& clusters,
                                                 Duration timeout) {
  absl::StatusOr<Descriptions> ready = registry_.AwaitLeaders(clusters, timeout);
  if (ready.ok() || centre_ == nullptr || !absl::IsDeadlineExceeded(ready.status())) return ready;
  std::string words;
  for (const std::string& cluster : clusters) {
    const std::string last = centre_->LastWords(cluster);
    if (!last.empty()) absl::StrAppend(&words, "\n", last);
  }
  return absl::DeadlineExceededError(
      absl::StrCat(ready.status().message(), words.empty() ? "" : "; last words:", words));
}

bool Session::AwaitReplicas(const std::vector<PlacedCluster>& clusters, Duration timeout) {
  std::vector<Address> replicas;
  for (const PlacedCluster& placed : clusters) {
    for (int i = 0; i < placed.cluster.replicas; ++i) {
      replicas.push_back({placed.cluster.FullName(), static_cast<uint32_t>(i)});
    }
  }
  return registry_.AwaitReplicas(replicas, timeout);
}

}  // namespace fractos
