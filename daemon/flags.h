// The command line of fractos-daemon.
#ifndef FRACTOS_DAEMON_FLAGS_H_
#define FRACTOS_DAEMON_FLAGS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "lib/base/clock.h"
#include "lib/base/limits.h"
#include "lib/runtime/event_log.h"

namespace fractos {

struct DaemonFlags {
  std::string cluster;  // full name
  uint32_t replica = 0;
  std::string directory;
  std::string endpoint;
  std::string http_address;  // empty: none
  EventLog::Format log_format = EventLog::Format::kText;
  bool verbose = false;
  uint64_t memory_quota_bytes = uint64_t{1} << 30;
  size_t max_in_flight = kDefaultMaxInFlight;
  size_t max_runs = 10'000;
  std::string adaptor_options = "{}";
  Duration drain_grace = std::chrono::seconds(5);
  bool die_with_parent = false;
  std::vector<std::string> command;  // the adaptor's

  std::string done;  // not empty: print this and exit 0 (--help, --version)
};

// InvalidArgument, naming the flag, when a person has to mend something.
absl::StatusOr<DaemonFlags> ParseDaemonFlags(int argc, const char* const* argv);

}  // namespace fractos

#endif  // FRACTOS_DAEMON_FLAGS_H_
