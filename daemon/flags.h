// The command line of fractos-daemon.
#ifndef FRACTOS_DAEMON_FLAGS_H_
#define FRACTOS_DAEMON_FLAGS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "lib/base/clock.h"
#include "lib/base/limits.h"
#include "lib/runtime/event_log.h"

namespace fractos {

// What a daemon in a pod needs to know, mostly from the downward API.
struct KubernetesFlags {
  std::string ns;       // of the pod, its DeviceCluster and its Lease
  std::string cluster;  // the DeviceCluster's name
  std::string pod;
  std::string pod_uid;
  std::string lease;
  std::string kubeconfig;  // empty: the pod's service account
  Duration lease_duration = kDefaultLeaseDuration;
  Duration renew_deadline = kDefaultRenewDeadline;
  Duration retry_period = kDefaultRetryPeriod;
};

struct DaemonFlags {
  std::string cluster;  // full name
  uint32_t replica = 0;
  std::string directory;
  std::string endpoint;
  std::string advertised;  // where others reach it; empty: at `endpoint`
  // Set: replicas are pods and elect their leader by a Lease; else by a file lock in `directory`.
  std::optional<KubernetesFlags> kubernetes;
  std::string http_address;    // empty: none
  std::string health_address;  // empty: at http_address
  std::string otlp_endpoint;   // empty: as the environment says
  EventLog::Format log_format = EventLog::Format::kText;
  bool verbose = false;
  uint64_t memory_quota_bytes = kDefaultMemoryQuotaBytes;
  size_t max_in_flight = kDefaultMaxInFlight;
  size_t max_runs = kDefaultMaxRuns;
  std::string adaptor_options = "{}";
  Duration drain_grace = std::chrono::seconds(5);
  bool die_with_parent = false;
  std::string adaptor_socket;        // where an adaptor connects that somebody else starts; or
  std::vector<std::string> command;  // the adaptor's

  std::string done;  // not empty: print this and exit 0 (--help, --version)
};

// InvalidArgument, naming the flag, when a person has to mend something.
absl::StatusOr<DaemonFlags> ParseDaemonFlags(int argc, const char* const* argv);

}  // namespace fractos

#endif  // FRACTOS_DAEMON_FLAGS_H_
