// Who is believed to lead each DeviceCluster, and the newest epoch seen of it. Belief only: whoever
// is asked wrongly answers NotLeader.
#ifndef FRACTOS_LIB_PROTOCOL_LEADER_BOOK_H_
#define FRACTOS_LIB_PROTOCOL_LEADER_BOOK_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "lib/base/address.h"
#include "lib/base/recent_map.h"
#include "lib/plan/step.h"

namespace fractos {

// Epochs above kMaxEpoch are not believed, whoever says them: the true leader's would look old for
// ever. What was learnt first is forgotten when there is too much: the next continuation that needs
// it says it again, and that is news. Not thread-safe.
class LeaderBook {
 public:
  static constexpr size_t kMostClusters = 4096;

  // Takes over what is new in `view`; whether its endpoints were. Fewer endpoints are believed with
  // a newer epoch only: views travel with runs, and one from before a cluster grew would have its
  // new replicas, and a leader among them, forgotten. One that is gone is asked in vain, no more.
  bool Learn(const ClusterView& view);

  // A peer said that it leads under `epoch` (0: it does not). Whether this is news.
  bool SawLeader(const Address& peer, uint64_t epoch);

  // `peer` answered that it does not lead; `hint` may name who does.
  void SawFollower(const Address& peer, const Address& hint);

  // `peer` cannot be reached: if it was believed to lead, try the next replica.
  void Lost(const Address& peer);

  // The newest epoch known of a cluster, also of one whose endpoints are not; 0: none, or
  // forgotten.
  uint64_t EpochOf(const std::string& cluster) const;
  void SawEpoch(const std::string& cluster, uint64_t epoch);

  // Whom to ask. None when the cluster is not known.
  std::optional<Address> LeaderOf(const std::string& cluster) const;

  // What is known of each of `clusters`, for handing on.
  std::vector<ClusterView> Views(const std::vector<std::string>& clusters) const;

 private:
  struct Entry {
    ClusterView view;
    size_t refusals = 0;  // in a row
  };

  static void TryNext(ClusterView& view);

  RecentMap<std::string, Entry> entries_{kMostClusters};
  // Heard of clusters while they were not in entries_. Apart, so that others who are told what
  // Learn calls news, and keep as many, forget them in the same order.
  RecentMap<std::string, uint64_t> epochs_{kMostClusters};
};

}  // namespace fractos

#endif  // FRACTOS_LIB_PROTOCOL_LEADER_BOOK_H_
