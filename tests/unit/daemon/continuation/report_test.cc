// What reports hold, how often they come, and what the record's answers change.
#include <gtest/gtest.h>

#include "lib/base/limits.h"
#include "tests/unit/daemon/continuation/core_harness.h"

namespace fractos {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class ReportTest : public CoreTest {
 protected:
  static StepPtr Two() { return NewStep("two", {"one"}, "default/b"); }
};

// promise: L-05, L-07
TEST_F(ReportTest, AMebibyteOfOutputsTravelsInOneReportAndNoByteMore) {
  const std::string output(kMaxInlineOutputBytes, 'x');
  for (int i = 0; i < 65; ++i) {
    const std::string step = "s" + std::to_string(100 + i);
    Receive(Hand({NewStep(step)}));
    Produce(step, i < 64 ? output : "!");
  }
  Advance(Duration::zero());
  const Report report = TheSent<Report>();
  ASSERT_EQ(report.results.size(), 65u);
  for (const ResultPtr& result : report.results) {
    EXPECT_EQ(result->value.IsInline(), result->path != "s164") << result->path;
  }
}

// promise: L-07
TEST_F(ReportTest, AnOutputThatIsTooLargeToBeShownIsReportedWithoutItsBytes) {
  Receive(Hand({NewStep("one")}));
  Produce("one", std::string(kMaxInlineOutputBytes + 1, 'x'));
  const ResultPtr one = ResultOf(NextReport(), "one");
  EXPECT_FALSE(one->value.IsInline());
  EXPECT_EQ(one->value.size, kMaxInlineOutputBytes + 1);
}

// promise: H-17, L-05
TEST_F(ReportTest, ReportsAreFilledBeforeTheNextIsBegun) {
  std::vector<ResultPtr> ancestors;
  for (int i = 0; i < 100; ++i) {
    ancestors.push_back(NewResult(kRun, *NewStep("refined" + std::to_string(i)), {},
                                  InlineValue(std::string(kMaxInlineValueBytes, 'x'), kB),
                                  ResultState::kRefined));
  }
  Receive(Hand({NewStep("other")}));
  Receive(Hand({NewStep("one", {"read"})}, Given("read", "cat"), ancestors));
  Produce("one");
  Advance(Duration::zero());
  const std::vector<Report> reports = Sent<Report>();
  ASSERT_EQ(reports.size(), 4u) << "of half a message each";
  EXPECT_EQ(reports[0].results.size(), 31u);
  EXPECT_EQ(reports[1].results.size(), 31u);
  for (const Report& report : reports) {
    EXPECT_EQ(report.run, kRun);
    EXPECT_EQ(report.redrive, 1u);
    EXPECT_EQ(report.executing, std::vector<StepPath>{"other"});
  }
}

// promise: H-17
TEST_F(ReportTest, BetweenRepetitionsNothingIsSaid) {
  Receive(Hand({NewStep("one")}));
  Produce("one");
  NextReport();
  for (const Duration wait :
       {Duration(1), Duration(milliseconds(1000)), Duration(milliseconds(999))}) {
    Advance(wait);
    EXPECT_TRUE(Sent<Report>().empty());
  }
  Advance(milliseconds(1));
  EXPECT_EQ(Sent<Report>().size(), 1u);
}

// promise: R-08
TEST_F(ReportTest, ASignOfLifeComesOnceASecond) {
  Receive(Hand({NewStep("one")}));
  Advance(milliseconds(999));
  EXPECT_TRUE(Sent<Report>().empty());
  for (int i = 0; i < 2; ++i) {
    Advance(milliseconds(1));
    EXPECT_EQ(Sent<Report>().size(), 1u);
    Advance(milliseconds(1));
    EXPECT_TRUE(Sent<Report>().empty());
    Advance(milliseconds(998));
    EXPECT_TRUE(Sent<Report>().empty());
  }
}

// promise: R-08
TEST_F(ReportTest, WhoStarvesIsNotAtWork) {
  const ResultPtr large = GivenLarge("read", "many bytes");
  Receive(Hand({NewStep("one", {"read"})}, large));
  Receive(Hand({NewStep("other")}));
  Fetched(large, absl::NotFoundError("gone"));
  Advance(Duration::zero());
  EXPECT_EQ(TheSent<Report>().executing, std::vector<StepPath>{"other"});
}

// promise: H-30
TEST_F(ReportTest, WhatIsFencedIsNeitherAtWorkNorHeld) {
  std::shared_ptr<Step> put = NewStep("put", {"read", "else"});
  put->effect = Effect::kIdempotent;
  Receive(Hand({put}, Given("read", "cat")));
  Receive(Hand({put}, Given("else", "e")));
  ASSERT_TRUE(Executes("put"));
  Ask(1, {});
  EXPECT_EQ(TheSent<Holding>().attempts.size(), 1u);
  EXPECT_TRUE(TheSent<Holding>().attempts[0].executing);
  EXPECT_EQ(TheSent<Holding>().candidates.size(), 2u);
  Receive(Hand({NewStep("one"), Two()}));
  Produce("one");
  Follow(kOther.address, 2);
  Advance(seconds(1));
  for (const Report& report : Sent<Report>()) EXPECT_TRUE(report.executing.empty());
  Ask(1, {});
  const Holding holding = TheSent<Holding>();
  ASSERT_EQ(holding.attempts.size(), 1u) << "whatever the effect does will not count";
  EXPECT_EQ(holding.attempts[0].step, "one");
  EXPECT_FALSE(holding.attempts[0].executing);
  ASSERT_EQ(holding.candidates.size(), 1u);
  EXPECT_EQ(holding.candidates[0].step, "one");
}

// promise: H-25
TEST_F(ReportTest, AQueryIsAnsweredWithAllThatIsUnsaid) {
  Receive(Hand({NewStep("one"), Two()}));
  Produce("one");
  AcceptSent(kB, "two");
  NextReport();
  const Address other = Address::Driver("other");
  Receive(kDriver, Query{kRun, 1, other, seconds(60), {}});
  Advance(Duration::zero());
  EXPECT_EQ(TheReceiver<Report>(), other) << "to whoever drives it now";
  EXPECT_EQ(SentTo("two").redrive, 1u) << "for what was accepted may be gone";
}

}  // namespace
}  // namespace fractos
