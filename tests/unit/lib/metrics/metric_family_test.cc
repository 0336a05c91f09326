#include "lib/metrics/metric_family.h"

#include <prometheus/text_serializer.h>

#include <string>

#include "gtest/gtest.h"

namespace fractos {
namespace {

using prometheus::MetricType;

TEST(SingleMetricTest, IsWhatItSaysOfTheTypeItIs) {
  const prometheus::TextSerializer text;
  EXPECT_EQ(text.Serialize({SingleMetric(MetricType::Counter, "lost_total", "Lost.",
                                         {{"cluster", "lab/cnn"}, {"reason", "Late"}}, 3)}),
            "# HELP lost_total Lost.\n"
            "# TYPE lost_total counter\n"
            "lost_total{cluster=\"lab/cnn\",reason=\"Late\"} 3\n");
  EXPECT_EQ(text.Serialize({SingleMetric(MetricType::Gauge, "waiting", "Now.", {}, 0.5)}),
            "# HELP waiting Now.\n"
            "# TYPE waiting gauge\n"
            "waiting 0.5\n");
}

}  // namespace
}  // namespace fractos
