#include "daemon/meter.h"

#include <gtest/gtest.h>

#include "daemon/metrics.h"
#include "lib/base/random.h"

namespace fractos {
namespace {

using std::chrono::milliseconds;

class MeterTest : public ::testing::Test {
 protected:
  HandOver HandOverOf(const std::string& path) {
    auto step = std::make_shared<Step>();
    step->path = path;
    auto continuation = std::make_shared<Continuation>();
    continuation->run = run_;
    continuation->steps = {step};
    HandOver handover;
    handover.continuation = continuation;
    return handover;
  }

  SeededRandom random_{1};
  const RunId run_ = random_.NewId<RunId>();
  FakeClock clock_;
  Meter meter_{&clock_};
};

// promise: T-14
TEST_F(MeterTest, AHopLastsFromTheFirstSendingToTheFirstAccepted) {
  const HandOver handover = HandOverOf("a");
  meter_.Sent(handover);
  clock_.Advance(milliseconds(3));
  meter_.Sent(handover);  // again, for nothing was heard
  clock_.Advance(milliseconds(4));
  EXPECT_EQ(meter_.Received(Accepted{handover.key(), 1}), milliseconds(7));
  EXPECT_EQ(meter_.Received(Accepted{handover.key(), 1}), std::nullopt);
  EXPECT_EQ(meter_.Received(Accepted{HandOverOf("b").key(), 1}), std::nullopt);
  EXPECT_EQ(meter_.counts().handovers_sent, 1u);
}

// promise: T-14
TEST_F(MeterTest, AStepLastsFromReceivedToCommitted) {
  meter_.Reached({run_, "a", StepState::kReceived});
  clock_.Advance(milliseconds(2));
  meter_.Reached({run_, "a", StepState::kReceived});  // a join's other input
  AttemptKey attempt;
  attempt.run = run_;
  attempt.step = "a";
  meter_.Executing(attempt, "add");
  clock_.Advance(milliseconds(5));
  const auto step = meter_.Reached({run_, "a", StepState::kCommitted});
  ASSERT_TRUE(step.has_value());
  EXPECT_EQ(step->first, "add");
  EXPECT_EQ(step->second, milliseconds(7));
  // Skipped: it never executed.
  meter_.Reached({run_, "b", StepState::kReceived});
  EXPECT_FALSE(meter_.Reached({run_, "b", StepState::kCommitted}).has_value());
}

// promise: T-14
TEST_F(MeterTest, CountsWhatArrivesAndWhatIsRefused) {
  meter_.Received(HandOverOf("a"));
  meter_.Received(HandOverOf("a"));
  Nack nack;
  nack.reason = Refusal::kOverloaded;
  meter_.Sent(nack);
  EXPECT_EQ(meter_.counts().handovers_received, 2u);
  EXPECT_EQ(meter_.counts().refused[static_cast<size_t>(Refusal::kOverloaded)], 1u);
}

// promise: T-14
TEST(MetricsTest, NameClusterAndOperationButNoRun) {
  Metrics metrics("lab/storage", "storage");
  metrics.Hop(milliseconds(1));
  metrics.Step("get", milliseconds(2));
  metrics.ElectionWon();
  metrics.Requests()->OnRequest("200", "PUT", "api:443");
  DeviceController::Status status;
  status.leads = true;
  status.links.messages_dropped = 3;
  status.links.frames_refused = 5;
  status.meter.refused[static_cast<size_t>(Refusal::kNotLeader)] = 4;
  const std::string text = metrics.Render(status, {7, 2});
  for (const char* line :
       {"fractos_hop_seconds_count{cluster=\"lab/storage\"} 1",
        "fractos_step_seconds_count{cluster=\"lab/storage\",operation=\"get\"} 1",
        "fractos_elections_won_total{cluster=\"lab/storage\"} 1",
        "fractos_refusals_total{cluster=\"lab/storage\",reason=\"NotLeader\"} 4",
        "fractos_messages_dropped_total{cluster=\"lab/storage\"} 3",
        "fractos_frames_refused_total{cluster=\"lab/storage\"} 5",
        "fractos_spans_exported_total{cluster=\"lab/storage\"} 7",
        "fractos_spans_dropped_total{cluster=\"lab/storage\"} 2",
        "leader_election_master_status{cluster=\"lab/storage\",name=\"storage\"} 1",
        "process_open_fds{cluster=\"lab/storage\"}"}) {
    EXPECT_NE(text.find(line), std::string::npos) << line << "\n" << text;
  }
  EXPECT_NE(text.find("rest_client_requests_total{"), std::string::npos);
  EXPECT_EQ(text.find("run="), std::string::npos);
}

}  // namespace
}  // namespace fractos
