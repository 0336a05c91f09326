// A data centre on this machine: the daemons of some DeviceClusters as child processes.
#ifndef FRACTOS_CLI_DATA_CENTRE_H_
#define FRACTOS_CLI_DATA_CENTRE_H_

#include <sys/types.h>

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "cli/inputs.h"
#include "cli/replica_registry.h"
#include "lib/base/clock.h"
#include "lib/plan/step.h"
#include "lib/runtime/child_process.h"
#include "lib/runtime/event_loop.h"

namespace fractos {

// Where the daemons of `clusters` listen inside `directory`. Unix socket names are bounded by 108
// bytes, so long names of clusters are replaced by numbers. InvalidArgument when even that does not
// fit.
absl::StatusOr<std::vector<ClusterView>> LayOut(const std::vector<PlacedCluster>& clusters,
                                                const std::string& directory);

// Starts all daemons at once and keeps them until it is destroyed; none outlives this process,
// however that ends. A leader that has been silent for a second while another replica answers, or
// whose Link breaks while its process lives and does not come back, is killed: only its death frees
// the lock by which another can lead. Dead daemons are started again only if `restart` says so, and
// not if they say of a device that never worked that it cannot.
// Thread-safe; callbacks run on `loop`.
class DataCentre {
 public:
  struct Options {
    std::string directory;  // exists, private
    bool restart = false;
    bool verbose = false;  // daemons log to our stderr, and more; else to files in `directory`
    // How long a daemon has given no sign of life; none when that is not known.
    std::function<std::optional<Duration>(const Address&)> silent_for;
  };

  // `loop`, `registry` and `clock` outlive the data centre.
  DataCentre(EventLoop* loop, ReplicaRegistry* registry, const Clock* clock, Options options);
  // Kills what still runs.
  ~DataCentre();
  DataCentre(const DataCentre&) = delete;
  DataCentre& operator=(const DataCentre&) = delete;

  // Call once. NotFound when a program is missing.
  absl::Status Start(const std::vector<PlacedCluster>& clusters);
  std::vector<ClusterView> views() const { return views_; }

  // A Link that there was to a daemon broke. Called on `loop`'s thread.
  void OnPeerLost(const Address& peer);

  // The last lines that a cluster's daemons wrote; empty with `verbose`, for they were seen.
  std::string LastWords(const std::string& cluster) const;

  // Asks all daemons to drain and end, and kills those that have not within `grace`.
  void Stop(Duration grace);

 private:
  struct Daemon {
    ChildSpec spec;
    std::string log_file;
    pid_t pid = 0;
    uint64_t restarts = 0;
  };

  absl::StatusOr<Daemon> Prepare(const PlacedCluster& placed, const ClusterView& view,
                                 uint32_t replica) const;
  absl::Status StartDaemon(const Address& address);
  void RestartLater(const Address& address) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void OnExit(const Address& address, const ChildExit& how);
  void WatchLeaders();
  bool AnotherCanLead(const Address& leader) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool AnyAlive(const std::string& cluster) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  EventLoop* const loop_;
  ReplicaRegistry* const registry_;
  const Clock* const clock_;
  const Options options_;
  std::vector<ClusterView> views_;
  mutable absl::Mutex mutex_;
  absl::CondVar ended_;
  std::map<Address, Daemon> daemons_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  // Last: its destructor ends the children, whose ends are told to the members above.
  ChildProcesses children_;
};

}  // namespace fractos

#endif  // FRACTOS_CLI_DATA_CENTRE_H_
