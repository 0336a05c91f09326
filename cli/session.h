// A driver at work in this process: its event loop, and a data centre to drive.
#ifndef FRACTOS_CLI_SESSION_H_
#define FRACTOS_CLI_SESSION_H_

#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cli/data_centre.h"
#include "cli/inputs.h"
#include "cli/private_folder.h"
#include "cli/replica_registry.h"
#include "lib/base/clock.h"
#include "lib/base/random.h"
#include "lib/driver/core/record.h"
#include "lib/driver/driver.h"
#include "lib/runtime/event_loop.h"
#include "lib/runtime/otlp_exporter.h"

namespace fractos {

// Owns the threads, the sockets' private folder and, unless the data centre is one that `up` keeps,
// its processes; all of that is gone when it is destroyed. Used by one thread.
class Session {
 public:
  // How long daemons get to start, to elect and to load what their adaptors need.
  static constexpr Duration kReadyTimeout = std::chrono::seconds(20);

  // `store` outlives the session. Daemons know it by `driver_name`: of two of the same name the
  // later one takes the Links over.
  static absl::StatusOr<std::unique_ptr<Session>> Open(const std::string& driver_name,
                                                       RecordStore* store);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Starts a data centre of our own; or uses those of `needed` in one of `clusters` in `folder`,
  // whose daemons run already. Call one of them, once.
  absl::Status StartCentre(const std::vector<PlacedCluster>& clusters, bool restart, bool verbose);
  absl::Status UseCentre(const std::vector<PlacedCluster>& needed, const std::string& folder,
                         const std::vector<PlacedCluster>& clusters);

  // Until each of `clusters` (full names) has a leader that has described its device. An error
  // quotes what its daemons wrote last.
  absl::StatusOr<Descriptions> AwaitReady(const std::vector<std::string>& clusters,
                                          Duration timeout = kReadyTimeout);

  // Until all replicas of `clusters` are there, not their leaders alone; false when some are not in
  // time.
  bool AwaitReplicas(const std::vector<PlacedCluster>& clusters, Duration timeout);

  Driver& driver() { return *driver_; }
  const ReplicaRegistry& registry() const { return registry_; }
  std::vector<ReplicaNews> TakeNews() { return registry_.TakeNews(); }
  const std::string& folder() const { return folder_->path(); }
  const SystemClock& clock() const { return clock_; }

 private:
  Session() = default;

  SystemClock clock_;
  SystemRandom random_;
  std::optional<PrivateFolder> folder_;  // before those that use it, so removed after them
  ReplicaRegistry registry_;
  EventLoop loop_;
  std::unique_ptr<OtlpExporter> spans_;  // null: nobody traces
  std::unique_ptr<DataCentre> centre_;
  std::unique_ptr<Driver> driver_;
  std::thread thread_;
};

}  // namespace fractos

#endif  // FRACTOS_CLI_SESSION_H_
