// What this process uses, out of /proc, as client_golang names it.
#ifndef FRACTOS_LIB_METRICS_PROCESS_METRICS_H_
#define FRACTOS_LIB_METRICS_PROCESS_METRICS_H_

#include <vector>

#include "prometheus/labels.h"
#include "prometheus/metric_family.h"

namespace fractos {

// process_cpu_seconds_total, process_resident_memory_bytes, process_open_fds and
// process_start_time_seconds, each with `labels`; those that cannot be read are left out.
std::vector<prometheus::MetricFamily> CollectProcessMetrics(const prometheus::Labels& labels = {});

}  // namespace fractos

#endif  // FRACTOS_LIB_METRICS_PROCESS_METRICS_H_
