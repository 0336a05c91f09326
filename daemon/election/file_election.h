// Election by file lock, for replicas on one machine.
#ifndef FRACTOS_DAEMON_ELECTION_FILE_ELECTION_H_
#define FRACTOS_DAEMON_ELECTION_FILE_ELECTION_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "daemon/election/election.h"
#include "lib/base/address.h"

namespace fractos {

// Whoever holds flock(2) on the cluster's lock file leads. The kernel releases it when the process
// ends, however it ends, and wakes the next replica, which blocks in flock: take-over needs no
// timeout. The descriptor is closed on exec, so that an adaptor that outlives its daemon does not
// hold it.
//
// A winner reads the last epoch, records the next one durably, and only then says OnElected. A
// process that is stopped (SIGSTOP) keeps the lock: who watches over daemons kills it.
//
// Two threads: one stands for election, one watches who leads.
class FileElection final : public Election {
 public:
  struct Options {
    // Of this cluster alone, holding "lock", "epoch" and "leader".
    std::string folder;
    Incarnation self;
  };

  // Makes the folder if there is none. `observer` outlives the election.
  static absl::StatusOr<std::unique_ptr<FileElection>> Create(Options options,
                                                              ElectionObserver* observer);
  ~FileElection() override;

  void Start() override;
  void StepDown(uint64_t seen) override;
  void Resign() override;

 private:
  class Impl;
  explicit FileElection(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Where the election of `cluster` ("namespace/name") has its files in a data centre's folder.
std::string ElectionFolder(absl::string_view directory, absl::string_view cluster);

}  // namespace fractos

#endif  // FRACTOS_DAEMON_ELECTION_FILE_ELECTION_H_
