#include "daemon/kubernetes.h"

#include <chrono>
#include <utility>

#include "lib/kube/config.h"
#include "lib/kube/cpprest_transport.h"
#include "lib/kube/kubeconfig.h"
#include "lib/kube/rest_client.h"

namespace fractos {
namespace {

// How much longer than its lease a leader may have been without renewing before it counts as hung:
// what an election does when it loses takes no time.
constexpr std::chrono::seconds kHungAfter{10};

absl::StatusOr<kube::RestConfig> Config(const KubernetesFlags& flags) {
  kube::KubeconfigOptions options;
  options.path = flags.kubeconfig;
  absl::StatusOr<kube::RestConfig> config = kube::LoadRestConfig(options);
  if (config.ok()) config->user_agent = kube::DefaultUserAgent("fractos-daemon");
  return config;
}

}  // namespace

absl::StatusOr<std::unique_ptr<KubernetesCluster>> KubernetesCluster::Open(
    const KubernetesFlags& flags, kube::RestObserver* observer) {
  absl::StatusOr<kube::RestConfig> config = Config(flags);
  if (!config.ok()) return config.status();
  std::unique_ptr<KubernetesCluster> cluster(new KubernetesCluster());
  absl::StatusOr<std::unique_ptr<kube::RestClient>> client = kube::RestClient::New(
      *config,
      [](const kube::TransportConfig& transport) { return kube::NewCpprestTransport(transport); },
      &cluster->clock_, {.observer = observer});
  if (!client.ok()) return client.status();
  cluster->client_ = *std::move(client);
  return cluster;
}

absl::StatusOr<std::unique_ptr<Election>> KubernetesCluster::MakeElection(
    const DaemonFlags& flags, const Incarnation& self, Random* random, ElectionObserver* observer) {
  const KubernetesFlags& pod = *flags.kubernetes;
  LeaseElection::Options options;
  options.self = self;
  options.ns = pod.ns;
  options.cluster = pod.cluster;
  options.lease = pod.lease;
  options.pod = pod.pod;
  options.pod_uid = pod.pod_uid;
  options.endpoint = flags.advertised.empty() ? flags.endpoint : flags.advertised;
  options.lease_duration = pod.lease_duration;
  options.renew_deadline = pod.renew_deadline;
  options.retry_period = pod.retry_period;
  absl::StatusOr<std::unique_ptr<LeaseElection>> election =
      LeaseElection::Create(std::move(options), client_.get(), &clock_, random, observer);
  if (!election.ok()) return election.status();
  election_ = election->get();
  return *std::move(election);
}

absl::Status KubernetesCluster::Check() const {
  return election_ == nullptr ? absl::OkStatus() : election_->Check(kHungAfter);
}

}  // namespace fractos
