// What this process uses, out of /proc, as client_golang names it.
#ifndef FRACTOS_OPERATOR_CONTROLLER_PROCESS_METRICS_H_
#define FRACTOS_OPERATOR_CONTROLLER_PROCESS_METRICS_H_

#include <vector>

#include "prometheus/metric_family.h"

namespace fractos::ctrl {

// process_cpu_seconds_total, process_resident_memory_bytes, process_open_fds and
// process_start_time_seconds; those that cannot be read are left out.
std::vector<prometheus::MetricFamily> CollectProcessMetrics();

}  // namespace fractos::ctrl

#endif  // FRACTOS_OPERATOR_CONTROLLER_PROCESS_METRICS_H_
