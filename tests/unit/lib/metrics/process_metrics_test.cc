#include "lib/metrics/process_metrics.h"

#include <fcntl.h>

#include <chrono>
#include <cmath>
#include <map>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace fractos {
namespace {

using ::testing::ElementsAre;
using ::testing::Key;

std::map<std::string, double> Values() {
  std::map<std::string, double> values;
  for (const prometheus::MetricFamily& family : CollectProcessMetrics()) {
    const prometheus::ClientMetric& metric = family.metric.at(0);
    const bool counts = family.type == prometheus::MetricType::Counter;
    values[family.name] = counts ? metric.counter.value : metric.gauge.value;
  }
  return values;
}

TEST(ProcessMetricsTest, SayWhatThisProcessUses) {
  std::map<std::string, double> values = Values();
  EXPECT_THAT(values,
              ElementsAre(Key("process_cpu_seconds_total"), Key("process_open_fds"),
                          Key("process_resident_memory_bytes"), Key("process_start_time_seconds")));
  EXPECT_GT(values["process_resident_memory_bytes"], 100'000);
  const std::chrono::duration<double> now = std::chrono::system_clock::now().time_since_epoch();
  EXPECT_LT(std::abs(now.count() - values["process_start_time_seconds"]), 600);
}

// That of the folder in which they are counted is not one of them.
TEST(ProcessMetricsTest, CountTheDescriptorsThatAreOpen) {
  int open = 0;
  for (int fd = 0; fd < 4096; ++fd) open += ::fcntl(fd, F_GETFD) >= 0 ? 1 : 0;
  EXPECT_EQ(Values()["process_open_fds"], open);
}

TEST(ProcessMetricsTest, HaveTheLabelsOfTheirProcess) {
  for (const prometheus::MetricFamily& family : CollectProcessMetrics({{"cluster", "lab/cnn"}})) {
    ASSERT_EQ(family.metric.at(0).label.size(), 1u) << family.name;
    EXPECT_EQ(family.metric[0].label[0].name, "cluster");
    EXPECT_EQ(family.metric[0].label[0].value, "lab/cnn");
  }
}

}  // namespace
}  // namespace fractos
