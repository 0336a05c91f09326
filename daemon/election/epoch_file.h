// The files of one cluster's election: its last epoch, which must outlast every process, and who
// leads, which is a hint.
#ifndef FRACTOS_DAEMON_ELECTION_EPOCH_FILE_H_
#define FRACTOS_DAEMON_ELECTION_EPOCH_FILE_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "daemon/election/election.h"

namespace fractos {

// The last epoch given. 0 when there is no file yet. DataLoss, naming the file and the way out,
// when it holds anything but a number: starting over at 1 would let a leader of old be believed
// again.
absl::StatusOr<uint64_t> ReadEpoch(const std::string& path);

// Durable when it returns OK: the file is replaced whole, it and its folder synced.
absl::Status WriteEpoch(const std::string& path, uint64_t epoch);

// Replaces the file whole; not synced, for it says nothing that a dead leader's would not.
absl::Status WriteLeader(const std::string& path, const LeaderInfo& leader);
// Nothing when there is no such file, or it makes no sense.
std::optional<LeaderInfo> ReadLeader(const std::string& path);

}  // namespace fractos

#endif  // FRACTOS_DAEMON_ELECTION_EPOCH_FILE_H_
