// What the daemons say of themselves, as the leading operator hears it over its Links.
#ifndef FRACTOS_OPERATOR_RECONCILERS_DEVICE_DIRECTORY_H_
#define FRACTOS_OPERATOR_RECONCILERS_DEVICE_DIRECTORY_H_

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "lib/base/address.h"
#include "lib/link/codec.h"
#include "lib/plan/operation.h"
#include "lib/plan/step.h"

namespace fractos {

// Who keeps the Links: the Driver, or a test.
class ClusterLinks {
 public:
  virtual ~ClusterLinks() = default;
  virtual void Learn(const ClusterView& cluster) = 0;
  virtual void Unlearn(const std::string& cluster) = 0;
};

struct DeviceState {
  // As a replica said last, kept while none is linked; none until one has.
  std::optional<DeviceDescription> description;
  std::string fault;               // why what a replica said of itself cannot be understood
  std::optional<uint32_t> leader;  // a linked replica that says it leads
  // Whether that one has described the device: another's word is not that its own adaptor works.
  bool leader_described = false;
  uint64_t epoch = 0;  // its epoch
  size_t linked = 0;   // replicas
  bool heard = false;  // one has been linked since the cluster was published
};

// Thread-safe. Clusters get in by Publish and out by Withdraw; replicas of others are ignored.
class DeviceDirectory {
 public:
  // Called without locks when a cluster came, went, or says something else than before.
  using OnChange = std::function<void(const std::string& cluster)>;

  // `links` outlives the directory.
  explicit DeviceDirectory(ClusterLinks* links) : links_(links) {}
  // Before anything else is called.
  void Subscribe(OnChange on_change) { listeners_.push_back(std::move(on_change)); }

  // The cluster can be used, and its replicas are there.
  void Publish(const ClusterView& cluster);
  void Withdraw(const std::string& cluster);

  // From the Links.
  void OnPeer(const PeerInfo& peer);
  void OnPeerLost(const Address& peer);

  // None when the cluster is not published.
  std::optional<DeviceState> Find(const std::string& cluster) const;

 private:
  struct Entry {
    ClusterView view;
    std::map<uint32_t, PeerInfo> peers;
    bool heard = false;
    std::string description_json;
    std::optional<DeviceDescription> description;
    std::string fault;
  };
  void Tell(const std::string& cluster) const;

  ClusterLinks* const links_;
  std::vector<OnChange> listeners_;
  mutable absl::Mutex mutex_;
  std::map<std::string, Entry> entries_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace fractos

#endif  // FRACTOS_OPERATOR_RECONCILERS_DEVICE_DIRECTORY_H_
