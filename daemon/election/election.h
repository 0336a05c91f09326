// Which replica of a DeviceCluster leads, and under which epoch.
#ifndef FRACTOS_DAEMON_ELECTION_ELECTION_H_
#define FRACTOS_DAEMON_ELECTION_ELECTION_H_

#include <cstdint>

#include "absl/status/status.h"
#include "lib/base/ids.h"

namespace fractos {

// Who leads, as the leader published it: a hint for those that do not.
struct LeaderInfo {
  uint32_t replica = 0;
  BootId boot;
  uint64_t epoch = 0;  // 0: not known; its Links say
  friend bool operator==(const LeaderInfo&, const LeaderInfo&) = default;
};

// Told how the election goes. Called on threads of the election, one call at a time for each kind,
// never with a lock of it held; may call StepDown.
class ElectionObserver {
 public:
  virtual ~ElectionObserver() = default;
  // This replica leads. `epoch` is higher than any before and durable already.
  virtual void OnElected(uint64_t epoch) = 0;
  // This replica leads no more, and the observer did not ask for it: what only a leader may do ends
  // before this returns. Who leads instead is not known yet. Elections that cannot take leadership
  // away never call it.
  virtual void OnDeposed() {}
  // Another replica leads.
  virtual void OnLeader(const LeaderInfo& leader) = 0;
  // Standing for election does not work, for a reason that somebody has to mend; it goes on trying.
  virtual void OnElectionError(const absl::Status& why) = 0;
};

// Stands for leadership of one cluster. At any time at most one replica has been told OnElected and
// has neither stepped down nor died; an epoch is never given twice.
class Election {
 public:
  // Gives up leadership, if held; the observer is not called any more once this returns.
  virtual ~Election() = default;
  // Stands for election from now on. Once.
  virtual void Start() = 0;
  // Gives up leadership, because somebody leads under `seen`, and stands again: the next epoch will
  // be above it. The caller has stopped acting as leader already.
  virtual void StepDown(uint64_t seen) = 0;
  // Gives up leadership and stands no more: the process is about to stop.
  virtual void Resign() = 0;
};

}  // namespace fractos

#endif  // FRACTOS_DAEMON_ELECTION_ELECTION_H_
