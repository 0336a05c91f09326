#include "operator/reconcilers/operator_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "prometheus/text_serializer.h"

namespace fractos {
namespace {

using ::testing::HasSubstr;

class OperatorMetricsTest : public ::testing::Test {
 protected:
  std::string Text() { return prometheus::TextSerializer().Serialize(registry_.Collect()); }

  prometheus::Registry registry_;
  OperatorMetrics metrics_{&registry_};
};

// promise: T-15
TEST_F(OperatorMetricsTest, WhatAlertsAndDashboardsCountIsThereBeforeItHappens) {
  for (const char* line :
       {"fractos_runs_finished_total{mode=\"Distributed\",outcome=\"Failed\"} 0",
        "fractos_runs_started_total{mode=\"Centralized\"} 0",
        "fractos_run_seconds_count{mode=\"Centralized\",outcome=\"Succeeded\"} 0",
        "fractos_run_centralized_bytes_total{mode=\"Distributed\"} 0",
        "fractos_record_writes_total{result=\"error\"} 0",
        "fractos_redrives_total{reason=\"Recovery\"} 0"}) {
    EXPECT_THAT(Text(), HasSubstr(line));
  }
}

TEST_F(OperatorMetricsTest, CountsRunsByModeAndOutcome) {
  RunRecord record;
  record.phase = RunPhase::kFailed;
  record.transfer.hops = 3;
  metrics_.OnRunStarted(Mode::kDistributed);
  metrics_.OnRunEnded(Mode::kDistributed, record);
  EXPECT_THAT(Text(), HasSubstr("{mode=\"Distributed\",outcome=\"Failed\"} 1"));
  EXPECT_THAT(Text(), HasSubstr("fractos_runs_active{mode=\"Distributed\"} 1"));
  metrics_.OnRunReleased(Mode::kDistributed);
  EXPECT_THAT(Text(), HasSubstr("fractos_runs_active{mode=\"Distributed\"} 0"));
  EXPECT_THAT(Text(), HasSubstr("fractos_run_hops_total{mode=\"Distributed\"} 3"));
}

// promise: S-05
TEST_F(OperatorMetricsTest, SaysHowManySpansWereSentAndDropped) {
  metrics_.OnSpans({7, 2});
  metrics_.OnSpans({9, 2});
  EXPECT_THAT(Text(), HasSubstr("fractos_spans_exported_total 9"));
  EXPECT_THAT(Text(), HasSubstr("fractos_spans_dropped_total 2"));
}

}  // namespace
}  // namespace fractos
