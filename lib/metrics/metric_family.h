// A metric that is read when somebody asks, rather than counted in a registry.
#ifndef FRACTOS_LIB_METRICS_METRIC_FAMILY_H_
#define FRACTOS_LIB_METRICS_METRIC_FAMILY_H_

#include <string>

#include "prometheus/labels.h"
#include "prometheus/metric_family.h"
#include "prometheus/metric_type.h"

namespace fractos {

// A family of one metric, with `labels`. `type` is Counter or Gauge.
prometheus::MetricFamily SingleMetric(prometheus::MetricType type, const std::string& name,
                                      const std::string& help, const prometheus::Labels& labels,
                                      double value);

}  // namespace fractos

#endif  // FRACTOS_LIB_METRICS_METRIC_FAMILY_H_
