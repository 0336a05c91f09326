#include "lib/link/hop_tracer.h"

#include <gtest/gtest.h>

#include <optional>

#include "tests/unit/lib/protocol/builders.h"

namespace fractos {
namespace {

constexpr char kTraceparent[] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
constexpr char kUnwanted[] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";

class KeepingSink final : public SpanSink {
 public:
  void Export(Span span) override { spans.push_back(std::move(span)); }
  std::vector<Span> spans;
};

class HopTracerTest : public ::testing::Test {
 protected:
  static HandOver Hand(const std::string& traceparent, ResultPtr result = nullptr) {
    auto continuation = std::make_shared<Continuation>();
    continuation->run = NamedId<RunId>("run");
    continuation->traceparent = traceparent;
    continuation->steps = {NewStep("two", {}, "default/b")};
    HandOver message;
    message.result = std::move(result);
    message.continuation = std::move(continuation);
    return message;
  }
  void Accept(const HandOver& message) { tracer_->Received(kB, Accepted{message.key(), 1}); }

  const Incarnation kB = Replica("default/b");
  KeepingSink sink_;
  FakeClock clock_;
  std::optional<HopTracer> tracer_{std::in_place, &sink_, &clock_, Replica("default/a")};
};

// promise: S-01
TEST_F(HopTracerTest, AHopHangsFromTheStepWhoseResultItCarries) {
  const ResultPtr result = NewResult(NamedId<RunId>("run"), *NewStep("one"), {}, InlineValue("1"));
  const HandOver message = Hand(kTraceparent, result);
  tracer_->Sent(message);
  clock_.Advance(std::chrono::microseconds(70));
  tracer_->Sent(message);  // again, for want of an answer
  clock_.Advance(std::chrono::microseconds(30));
  Accept(message);
  Accept(message);
  ASSERT_EQ(sink_.spans.size(), 1u);
  const Span& span = sink_.spans[0];
  EXPECT_EQ(span.trace.ToHex(), "4bf92f3577b34da6a3ce929d0e0e4736");
  EXPECT_EQ(span.parent, SpanIdOf(result->id.bytes()));
  EXPECT_EQ(span.end_us - span.start_us, 100);
  EXPECT_EQ(span.name, "hand over to default/b");
  EXPECT_EQ(span.kind, Span::Kind::kProducer);
}

// promise: S-01
TEST_F(HopTracerTest, TheFirstHopHangsFromTheRun) {
  tracer_->Sent(Hand(kTraceparent));
  Accept(Hand(kTraceparent));
  ASSERT_EQ(sink_.spans.size(), 1u);
  EXPECT_EQ(sink_.spans[0].parent, 0x00f067aa0ba902b7u);
}

// promise: S-01
TEST_F(HopTracerTest, AHopWhoseAnswerDidNotComeInTimeEndsWithTheProcess) {
  auto lost = std::make_shared<Continuation>(*Hand(kTraceparent).continuation);
  lost->run = NamedId<RunId>("long ago");
  HandOver old = Hand(kTraceparent);
  old.continuation = lost;
  tracer_->Sent(old);
  clock_.Advance(std::chrono::seconds(6));
  tracer_->Sent(Hand(kTraceparent));
  clock_.Advance(std::chrono::milliseconds(1));
  tracer_.reset();
  ASSERT_EQ(sink_.spans.size(), 1u);
  EXPECT_EQ(sink_.spans[0].end_us - sink_.spans[0].start_us, 1000);
}

TEST_F(HopTracerTest, TwoSendersOfOneHandOverMakeTwoHops) {
  HopTracer other(&sink_, &clock_, Replica("default/a", 1, "second"));
  tracer_->Sent(Hand(kTraceparent));
  other.Sent(Hand(kTraceparent));
  Accept(Hand(kTraceparent));
  other.Received(kB, Accepted{Hand(kTraceparent).key(), 1});
  ASSERT_EQ(sink_.spans.size(), 2u);
  EXPECT_NE(sink_.spans[0].id, sink_.spans[1].id);
}

// promise: S-03, S-02
TEST_F(HopTracerTest, WhatNobodyTracesOrWantsIsNoHop) {
  for (const char* traceparent : {"", kUnwanted, "no traceparent"}) {
    tracer_->Sent(Hand(traceparent));
    Accept(Hand(traceparent));
  }
  EXPECT_TRUE(sink_.spans.empty());
}

}  // namespace
}  // namespace fractos
