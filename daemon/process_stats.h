// What the kernel says of this process.
#ifndef FRACTOS_DAEMON_PROCESS_STATS_H_
#define FRACTOS_DAEMON_PROCESS_STATS_H_

#include <cstdint>

namespace fractos {

struct ProcessStats {
  double cpu_seconds = 0;
  uint64_t resident_bytes = 0;
  uint64_t open_fds = 0;
  double start_time_seconds = 0;  // since 1970
};

// From /proc; zero where that cannot be read.
ProcessStats ReadProcessStats();

}  // namespace fractos

#endif  // FRACTOS_DAEMON_PROCESS_STATS_H_
