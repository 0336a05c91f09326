#include "lib/metrics/process_metrics.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <system_error>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "lib/metrics/metric_family.h"

namespace fractos {
namespace {

using prometheus::MetricType;

std::string ReadAll(const char* path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

// The fields of /proc/self/stat from the third on: the second is the program's name in parentheses,
// which may hold anything.
std::vector<double> StatFields() {
  const std::string text = ReadAll("/proc/self/stat");
  const size_t end_of_name = text.rfind(')');
  std::vector<double> fields;
  if (end_of_name == std::string::npos) return fields;
  for (absl::string_view word :
       absl::StrSplit(absl::string_view(text).substr(end_of_name + 1), ' ', absl::SkipEmpty())) {
    double value = 0;
    if (!absl::SimpleAtod(word, &value)) value = 0;
    fields.push_back(value);
  }
  return fields;
}

double BootTime() {
  for (absl::string_view line : absl::StrSplit(ReadAll("/proc/stat"), '\n')) {
    double seconds = 0;
    if (absl::ConsumePrefix(&line, "btime ") && absl::SimpleAtod(line, &seconds)) return seconds;
  }
  return 0;
}

}  // namespace

std::vector<prometheus::MetricFamily> CollectProcessMetrics(const prometheus::Labels& labels) {
  // Fields by number in proc(5), less the three in front of the first one here.
  constexpr size_t kUserTicks = 14 - 3, kSystemTicks = 15 - 3, kStart = 22 - 3, kPages = 24 - 3;
  std::vector<prometheus::MetricFamily> families;
  const auto add = [&](MetricType type, const char* name, const char* help, double value) {
    families.push_back(SingleMetric(type, name, help, labels, value));
  };
  const std::vector<double> stat = StatFields();
  if (stat.size() > kPages) {
    const double ticks = static_cast<double>(::sysconf(_SC_CLK_TCK));
    add(MetricType::Counter, "process_cpu_seconds_total", "Processor time used.",
        (stat[kUserTicks] + stat[kSystemTicks]) / ticks);
    add(MetricType::Gauge, "process_resident_memory_bytes", "Memory in use.",
        stat[kPages] * static_cast<double>(::sysconf(_SC_PAGESIZE)));
    if (const double boot = BootTime(); boot > 0) {
      add(MetricType::Gauge, "process_start_time_seconds", "When the process started.",
          boot + stat[kStart] / ticks);
    }
  }
  std::error_code error;
  const std::filesystem::directory_iterator fds("/proc/self/fd", error);
  if (!error) {
    // One of them is the folder's own.
    const auto open = std::distance(begin(fds), end(fds)) - 1;
    add(MetricType::Gauge, "process_open_fds", "Open descriptors.", static_cast<double>(open));
  }
  return families;
}

}  // namespace fractos
