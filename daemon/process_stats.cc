#include "daemon/process_stats.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <system_error>

namespace fractos {
namespace {

std::string ReadAll(const char* path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

// When the machine started, in seconds since 1970.
double BootTime() {
  std::istringstream lines(ReadAll("/proc/stat"));
  std::string line;
  while (std::getline(lines, line)) {
    double seconds = 0;
    if (line.rfind("btime ", 0) == 0 && std::istringstream(line.substr(6)) >> seconds) {
      return seconds;
    }
  }
  return 0;
}

}  // namespace

ProcessStats ReadProcessStats() {
  ProcessStats stats;
  const double ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  const std::string text = ReadAll("/proc/self/stat");
  // The name, in parentheses, may hold anything; the third field follows it.
  const size_t name_end = text.rfind(')');
  if (name_end != std::string::npos) {
    std::istringstream fields(text.substr(name_end + 1));
    std::string field;
    double user = 0, system = 0, start = 0;
    uint64_t pages = 0;
    for (int i = 3; i <= 24 && fields >> field; ++i) {
      std::istringstream value(field);
      if (i == 14) value >> user;
      if (i == 15) value >> system;
      if (i == 22) value >> start;
      if (i == 24) value >> pages;
    }
    stats.cpu_seconds = (user + system) / ticks;
    stats.resident_bytes = pages * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
    stats.start_time_seconds = BootTime() + start / ticks;
  }
  std::error_code error;
  for (std::filesystem::directory_iterator entry("/proc/self/fd", error), end;
       !error && entry != end; entry.increment(error)) {
    ++stats.open_fds;
  }
  return stats;
}

}  // namespace fractos
