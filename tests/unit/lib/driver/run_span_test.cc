#include "lib/driver/run_span.h"

#include <gtest/gtest.h>

#include "tests/unit/lib/protocol/builders.h"

namespace fractos {
namespace {

constexpr char kTheirs[] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
constexpr char kUnwanted[] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";
const RunId kRun = NamedId<RunId>("run");

RunRecord Ended(RunPhase phase) {
  RunRecord record;
  record.run = kRun;
  record.name = "classify";
  record.phase = phase;
  record.start_us = 10;
  record.end_us = 50;
  return record;
}

// promise: S-01
TEST(RunSpanTest, ARunIsATraceOfItsOwnWithTheRunsId) {
  const std::optional<TraceContext> carried = ParseTraceparent(RunTraceparent(kRun, "", true));
  ASSERT_TRUE(carried.has_value());
  EXPECT_EQ(carried->trace.bytes(), kRun.bytes());
  const std::optional<Span> span = RunSpan(Ended(RunPhase::kSucceeded), Mode::kDistributed, "");
  EXPECT_EQ(span->trace, carried->trace);
  EXPECT_EQ(span->id, carried->parent) << "what hangs from the run hangs from this";
  EXPECT_EQ(span->parent, 0u);
  EXPECT_EQ(span->start_us, 10);
  EXPECT_EQ(span->end_us, 50);
  EXPECT_FALSE(span->failed);
}

// promise: S-02
TEST(RunSpanTest, ARunGoesOnInTheTraceThatItWasAskedForIn) {
  const TraceContext theirs = *ParseTraceparent(kTheirs);
  const TraceContext carried = *ParseTraceparent(RunTraceparent(kRun, kTheirs, true));
  EXPECT_EQ(carried.trace, theirs.trace);
  EXPECT_NE(carried.parent, theirs.parent);
  const std::optional<Span> span =
      RunSpan(Ended(RunPhase::kSucceeded), Mode::kDistributed, kTheirs);
  EXPECT_EQ(span->id, carried.parent);
  EXPECT_EQ(span->parent, theirs.parent);
  EXPECT_EQ(RunTraceparent(kRun, "no traceparent", true), RunTraceparent(kRun, "", true));
}

// A driver that does not trace still lets daemons go on in the trace of who asked.
// promise: S-06
TEST(RunSpanTest, WhoeverDoesNotTracePassesOnWhatItWasGiven) {
  EXPECT_EQ(RunTraceparent(kRun, kTheirs, false), kTheirs);
  EXPECT_EQ(RunTraceparent(kRun, "", false), "");
  EXPECT_EQ(RunTraceparent(kRun, "no traceparent", false), "");
}

// promise: S-03
TEST(RunSpanTest, ATraceThatIsNotSampledIsCarriedSoAndHasNoSpan) {
  EXPECT_FALSE(ParseTraceparent(RunTraceparent(kRun, kUnwanted, true))->sampled);
  EXPECT_FALSE(RunSpan(Ended(RunPhase::kSucceeded), Mode::kDistributed, kUnwanted).has_value());
}

TEST(RunSpanTest, AFailedRunSaysWhy) {
  RunRecord record = Ended(RunPhase::kFailed);
  record.failure = {"NotFound", "no such key"};
  record.failed_step = "read";
  const std::optional<Span> span = RunSpan(record, Mode::kCentralized, "");
  EXPECT_TRUE(span->failed);
  EXPECT_EQ(span->message, "no such key");
  EXPECT_EQ(span->attributes.back(), (Span::Attribute{"fractos.failed_step", "read"}));
}

}  // namespace
}  // namespace fractos
