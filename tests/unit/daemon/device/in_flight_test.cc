#include "daemon/device/in_flight.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "lib/base/limits.h"
#include "lib/plan/reasons.h"

namespace fractos {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

constexpr Duration kGrace = seconds(1);

class InFlightTest : public ::testing::Test {
 protected:
  static Execute Execution(Duration timeout) {
    Execute execution;
    execution.attempt.step = "step";
    execution.timeout = timeout;
    return execution;
  }
  Time AddSent(Ticket ticket, Duration timeout = seconds(5)) {
    return in_flight_.AddSent(ticket, Execution(timeout), now_);
  }
  Time AddWaiting(Ticket ticket, Duration timeout = seconds(5)) {
    OutFrame frame;
    frame.payload = std::to_string(ticket);
    return in_flight_.AddWaiting(ticket, Execution(timeout), std::move(frame), now_);
  }
  InFlight::Due TakeDueAfter(Duration passed) {
    now_ += passed;
    return in_flight_.TakeDue(now_);
  }
  bool IsAnswered(Ticket ticket) { return in_flight_.TakeAnswered(ticket).has_value(); }

  static std::vector<Ticket> TicketsOf(const std::vector<Executed>& executed) {
    std::vector<Ticket> tickets;
    for (const Executed& one : executed) tickets.push_back(one.ticket);
    return tickets;
  }

  Time now_ = Time(std::chrono::hours(1));
  InFlight in_flight_{kGrace};
};

TEST_F(InFlightTest, AnAnswerEndsAnExecutionOnce) {
  AddSent(1);
  AddSent(2);
  std::optional<InFlight::Answered> answered = in_flight_.TakeAnswered(1);
  ASSERT_TRUE(answered.has_value());
  EXPECT_TRUE(answered->wanted);
  EXPECT_EQ(answered->execution.attempt.step, "step");
  EXPECT_FALSE(IsAnswered(1)) << "an adaptor answers exactly once";
  EXPECT_FALSE(IsAnswered(999)) << "unknown";
  EXPECT_EQ(in_flight_.size(), 1u);
}

TEST_F(InFlightTest, WhatWaitsIsSentInTheOrderOfTheTickets) {
  for (Ticket ticket : {30, 4, 500, 1}) AddWaiting(ticket);
  EXPECT_FALSE(IsAnswered(4)) << "nobody was asked";
  std::vector<std::string> sent;
  for (const OutFrame& frame : in_flight_.SendWaiting()) sent.push_back(frame.payload);
  EXPECT_THAT(sent, ElementsAre("1", "4", "30", "500"));
  EXPECT_THAT(in_flight_.SendWaiting(), IsEmpty()) << "once";
  EXPECT_TRUE(IsAnswered(4));
}

TEST_F(InFlightTest, WhatWaitsIsGoneOnceCancelled) {
  AddWaiting(1);
  EXPECT_FALSE(in_flight_.Cancel(1)) << "there is no adaptor to tell";
  EXPECT_TRUE(in_flight_.empty());
  EXPECT_THAT(in_flight_.SendWaiting(), IsEmpty());
}

TEST_F(InFlightTest, TheAnswerToWhatWasCancelledIsStillOwedAndNotWanted) {
  AddSent(1);
  EXPECT_TRUE(in_flight_.Cancel(1));
  EXPECT_FALSE(in_flight_.Cancel(1)) << "told once";
  EXPECT_FALSE(in_flight_.Cancel(999)) << "unknown";
  EXPECT_EQ(in_flight_.size(), 1u);
  std::optional<InFlight::Answered> answered = in_flight_.TakeAnswered(1);
  ASSERT_TRUE(answered.has_value());
  EXPECT_FALSE(answered->wanted);
  EXPECT_TRUE(in_flight_.empty());
}

// promise: G-08
TEST_F(InFlightTest, AnExecutionTimesOutOnceAtItsDeadline) {
  EXPECT_EQ(AddSent(1, seconds(5)), now_ + seconds(5));
  const Time deadline = now_ + seconds(5);
  InFlight::Due due = TakeDueAfter(seconds(5) - Duration(1));
  EXPECT_THAT(due.timed_out, IsEmpty());
  EXPECT_EQ(due.next, deadline);

  due = TakeDueAfter(Duration(1));
  ASSERT_THAT(TicketsOf(due.timed_out), ElementsAre(1));
  EXPECT_EQ(due.timed_out[0].attempt.step, "step");
  const auto& failed = std::get<Outcome::Failed>(due.timed_out[0].outcome.what);
  EXPECT_EQ(failed.failure.reason, reason::kTimeout);
  EXPECT_EQ(failed.failure.message, "no answer within 5000 ms");
  EXPECT_TRUE(failed.retryable);
  EXPECT_THAT(due.to_cancel, ElementsAre(1));
  EXPECT_EQ(due.next, deadline + kGrace);

  due = TakeDueAfter(milliseconds(1));
  EXPECT_THAT(due.timed_out, IsEmpty());
  EXPECT_THAT(due.to_cancel, IsEmpty());
  EXPECT_FALSE(in_flight_.TakeAnswered(1)->wanted) << "the late answer is dropped";
}

TEST_F(InFlightTest, WhatWaitsTimesOutWithoutAnybodyToTell) {
  AddWaiting(1, seconds(5));
  InFlight::Due due = TakeDueAfter(seconds(5));
  EXPECT_THAT(TicketsOf(due.timed_out), ElementsAre(1));
  EXPECT_THAT(due.to_cancel, IsEmpty());
  EXPECT_EQ(due.hangs, 0u);
  EXPECT_EQ(due.next, InFlight::kNever);
  EXPECT_TRUE(in_flight_.empty());
}

// promise: A-04
TEST_F(InFlightTest, AnAdaptorSilentForTheGraceAfterTheDeadlineHangs) {
  AddSent(7, seconds(5));
  TakeDueAfter(seconds(5));
  EXPECT_EQ(TakeDueAfter(kGrace - Duration(1)).hangs, 0u);
  EXPECT_EQ(TakeDueAfter(Duration(1)).hangs, 7u);
}

TEST_F(InFlightTest, TheGraceOfWhatWasCancelledBeginsAtItsDeadlineToo) {
  AddSent(7, seconds(5));
  in_flight_.Cancel(7);
  InFlight::Due due = TakeDueAfter(seconds(5));
  EXPECT_THAT(due.timed_out, IsEmpty()) << "nobody waits for it";
  EXPECT_THAT(due.to_cancel, IsEmpty()) << "told already";
  EXPECT_EQ(due.hangs, 0u);
  EXPECT_EQ(TakeDueAfter(kGrace).hangs, 7u);
}

TEST_F(InFlightTest, TheNextToBeDueIsTheFirstOfAll) {
  EXPECT_EQ(in_flight_.TakeDue(now_).next, InFlight::kNever);
  AddSent(1, seconds(9));
  AddWaiting(2, seconds(3));
  AddSent(3, seconds(6));
  EXPECT_EQ(in_flight_.TakeDue(now_).next, now_ + seconds(3));
}

TEST_F(InFlightTest, ATimeoutIsBetweenNothingAndAnHour) {
  EXPECT_EQ(AddSent(1, -seconds(1)), now_);
  EXPECT_EQ(AddSent(2, Duration::max()), now_ + kMaxDeadline);
}

// promise: A-05
TEST_F(InFlightTest, WithTheAdaptorGoneWhatItHadFailsRetryablyAndWhatWaitsGoesOn) {
  AddSent(1);
  AddSent(2);
  AddSent(3);
  AddWaiting(4);
  in_flight_.Cancel(3);
  std::vector<Executed> done(1);
  in_flight_.FailSent(reason::kAdaptorCrashed, "exit code 3", &done);
  EXPECT_THAT(TicketsOf(done), UnorderedElementsAre(0, 1, 2)) << "appended; 3 is not wanted";
  const auto& failed = std::get<Outcome::Failed>(done[1].outcome.what);
  EXPECT_EQ(failed.failure.reason, reason::kAdaptorCrashed);
  EXPECT_EQ(failed.failure.message, "exit code 3");
  EXPECT_TRUE(failed.retryable);
  EXPECT_EQ(in_flight_.SendWaiting().size(), 1u);
}

}  // namespace
}  // namespace fractos
