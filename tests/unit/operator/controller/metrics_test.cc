#include "operator/controller/metrics.h"

#include <gtest/gtest.h>

namespace fractos::ctrl {
namespace {

// promise: O-05
TEST(MetricsTest, AreNamedAsThoseOfControllerRuntimeAndClientGo) {
  Metrics metrics;
  metrics.ForController("taskgraph")->OnStart();
  kube::WorkQueueMetrics* const queue = metrics.ForQueue("taskgraph");
  queue->OnAdd();
  queue->OnRetry();
  queue->OnGet(std::chrono::milliseconds(1));
  queue->OnDone(std::chrono::milliseconds(1));
  metrics.ForElection("fractos-operator")->OnLeading(true);
  metrics.Requests()->OnRequest("200", "GET", "10.0.0.1:443");
  metrics.Requests()->OnDuration("GET", "10.0.0.1:443", std::chrono::milliseconds(1));
  const std::string text = metrics.Render();
  for (const char* line :
       {"controller_runtime_active_workers{controller=\"taskgraph\"} 1",
        "controller_runtime_reconcile_panics_total{controller=\"taskgraph\"} 0",
        "controller_runtime_reconcile_time_seconds_bucket",
        "workqueue_adds_total{controller=\"taskgraph\",name=\"taskgraph\"} 1",
        "workqueue_retries_total{controller=\"taskgraph\",name=\"taskgraph\"} 1",
        "workqueue_queue_duration_seconds_count{controller=\"taskgraph\",name=\"taskgraph\"} 1",
        "workqueue_work_duration_seconds_count{controller=\"taskgraph\",name=\"taskgraph\"} 1",
        "leader_election_master_status{name=\"fractos-operator\"} 1",
        "rest_client_requests_total{code=\"200\",host=\"10.0.0.1:443\",method=\"GET\"} 1",
        "rest_client_request_duration_seconds_count{host=\"10.0.0.1:443\",verb=\"GET\"} 1",
        "process_resident_memory_bytes", "process_cpu_seconds_total", "process_open_fds",
        "process_start_time_seconds"}) {
    EXPECT_NE(text.find(line), std::string::npos) << line << "\n" << text;
  }
}

}  // namespace
}  // namespace fractos::ctrl
