#include "lib/metrics/metric_family.h"

#include <utility>

namespace fractos {

prometheus::MetricFamily SingleMetric(prometheus::MetricType type, const std::string& name,
                                      const std::string& help, const prometheus::Labels& labels,
                                      double value) {
  prometheus::MetricFamily family;
  family.name = name;
  family.help = help;
  family.type = type;
  prometheus::ClientMetric metric;
  for (const auto& [key, text] : labels) metric.label.push_back({key, text});
  (type == prometheus::MetricType::Counter ? metric.counter.value : metric.gauge.value) = value;
  family.metric.push_back(std::move(metric));
  return family;
}

}  // namespace fractos
