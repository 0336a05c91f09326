#include "daemon/step_span.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/unit/lib/protocol/builders.h"

namespace fractos {
namespace {

constexpr char kTraceparent[] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

Traced Done(const std::string& traceparent) {
  const RunId run = NamedId<RunId>("run");
  const std::shared_ptr<Step> step = NewStep("two");
  auto result = std::make_shared<StepResult>(
      *NewResult(run, *step, {}, InlineValue("out", Replica("default/a", 1))));
  result->attempts = 3;
  result->timing = {10, 20, 30, 40};
  auto continuation = std::make_shared<Continuation>();
  continuation->run = run;
  continuation->traceparent = traceparent;
  return {step, result, {}, continuation};
}

std::variant<std::string, int64_t> Attribute(const Span& span, const std::string& key) {
  const auto found =
      std::find_if(span.attributes.begin(), span.attributes.end(),
                   [&key](const Span::Attribute& each) { return each.first == key; });
  return found == span.attributes.end() ? std::string("none") : found->second;
}

// promise: S-01
TEST(StepSpanTest, SaysWhatWasDoneWhereAndHow) {
  const Traced done = Done(kTraceparent);
  const std::optional<Span> span = StepSpan(done);
  ASSERT_TRUE(span.has_value());
  EXPECT_EQ(span->trace.ToHex(), "4bf92f3577b34da6a3ce929d0e0e4736");
  EXPECT_EQ(span->id, SpanIdOf(done.result->id.bytes()));
  EXPECT_EQ(span->parent, 0x00f067aa0ba902b7u) << "a first step hangs from the run";
  EXPECT_EQ(span->name, "default/a work");
  EXPECT_EQ(span->start_us, 10);
  EXPECT_EQ(span->end_us, 40);
  EXPECT_EQ(span->events,
            (std::vector<std::pair<std::string, int64_t>>{{"executing", 20}, {"staged", 30}}));
  EXPECT_EQ(Attribute(*span, "fractos.step"), (std::variant<std::string, int64_t>("two")));
  EXPECT_EQ(Attribute(*span, "fractos.executor"),
            (std::variant<std::string, int64_t>("default/a-1")));
  EXPECT_EQ(Attribute(*span, "fractos.state"), (std::variant<std::string, int64_t>("Succeeded")));
  EXPECT_EQ(Attribute(*span, "fractos.attempt"), (std::variant<std::string, int64_t>(int64_t{3})));
  EXPECT_FALSE(span->failed);
}

// promise: S-01
TEST(StepSpanTest, HangsFromItsFirstPredecessorWithLinksToTheOthers) {
  Traced done = Done(kTraceparent);
  for (const char* name : {"a", "b", "c"}) done.predecessors.push_back(NamedId<ResultId>(name));
  const std::optional<Span> span = StepSpan(done);
  EXPECT_EQ(span->parent, SpanIdOf(NamedId<ResultId>("a").bytes()));
  EXPECT_EQ(span->links, (std::vector<SpanId>{SpanIdOf(NamedId<ResultId>("b").bytes()),
                                              SpanIdOf(NamedId<ResultId>("c").bytes())}));
}

TEST(StepSpanTest, SaysWhyAStepFailed) {
  Traced done = Done(kTraceparent);
  auto result = std::make_shared<StepResult>(*done.result);
  result->state = ResultState::kFailed;
  result->failure = {"NotFound", "no such key"};
  done.result = result;
  const std::optional<Span> span = StepSpan(done);
  EXPECT_TRUE(span->failed);
  EXPECT_EQ(span->message, "no such key");
  EXPECT_EQ(Attribute(*span, "fractos.reason"), (std::variant<std::string, int64_t>("NotFound")));
}

// promise: S-03, S-02
TEST(StepSpanTest, WhatIsNotWantedIsNoSpan) {
  EXPECT_FALSE(StepSpan(Done("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00")));
  EXPECT_FALSE(StepSpan(Done("no traceparent")));
}

}  // namespace
}  // namespace fractos
