// Executions that nobody wants any more: timed out, or cancelled.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <thread>

#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "daemon/device/answer.h"
#include "tests/unit/daemon/device/device_harness.h"

namespace fractos {
namespace {

using ::fractos::testing::AdaptorEnd;
using ::fractos::testing::MemoryFileOf;
using ::testing::ElementsAre;

// promise: A-04, B-26, G-08
TEST_F(DeviceTest, AnAdaptorThatHangsIsCancelledThenKilledAndReplaced) {
  options_.cancel_grace = std::chrono::milliseconds(20);
  absl::Mutex mutex;
  bool cancelled = false;
  StartThenEcho([&](AdaptorEnd& end) {
    while (std::optional<AdaptorEnd::Received> received = end.Receive()) {
      absl::MutexLock lock(&mutex);
      cancelled |= received->message.has_cancel();
    }
  });
  Outcome outcome = Run({}, std::chrono::milliseconds(20));
  EXPECT_EQ(ReasonOf(outcome), kTimeout);
  EXPECT_TRUE(IsRetryable(outcome));
  EXPECT_TRUE(absl::IsDeadlineExceeded(recorder_.AwaitDown()));
  EXPECT_EQ(BytesOf(Run({Inline("next")})), "next");
  EXPECT_EQ(launcher_->launches(), 2);
  absl::MutexLock lock(&mutex);
  EXPECT_TRUE(cancelled);
}

TEST_F(DeviceTest, AnAdaptorThatAnswersAfterCancelIsKept) {
  options_.cancel_grace = kLong;
  StartThenEcho([](AdaptorEnd& end) {
    std::optional<v1::Execute> execute = end.ReceiveExecute();
    if (!execute.has_value()) return;
    end.AnswerInline(execute->id(), "ready");
    execute = end.ReceiveExecute();
    std::optional<AdaptorEnd::Received> cancel = end.Receive();
    if (!cancel.has_value() || cancel->message.cancel().id() != execute->id()) return;
    end.AnswerInline(execute->id(), "too late");
    end.EchoForever();
  });
  // One that waits for its adaptor would not even be sent.
  EXPECT_EQ(BytesOf(Run({})), "ready");
  EXPECT_EQ(ReasonOf(Run({}, std::chrono::milliseconds(10))), kTimeout);
  EXPECT_EQ(BytesOf(Run({Inline("next")})), "next");
  EXPECT_EQ(launcher_->launches(), 1);
  EXPECT_EQ(recorder_.answered().size(), 3u) << "the late answer is dropped";
}

TEST_F(DeviceTest, TheAnswerToACancelledExecutionIsDropped) {
  StartThenEcho([](AdaptorEnd& end) {
    std::optional<v1::Execute> execute = end.ReceiveExecute();
    if (!execute.has_value()) return;
    end.AnswerInline(execute->id(), "ready");
    execute = end.ReceiveExecute();
    std::optional<AdaptorEnd::Received> cancel = end.Receive();
    if (!cancel.has_value() || !cancel->message.has_cancel()) return;
    UniqueFd file = MemoryFileOf("unwanted");
    end.AnswerFile(execute->id(), file.get(), 8);
    end.EchoForever();
  });
  // One that waits for its adaptor would not even be sent.
  EXPECT_EQ(BytesOf(Run({})), "ready");
  Ticket ticket = Execute({});
  device_->Settle();
  device_->Cancel(ticket);
  device_->Cancel(ticket);  // again: nothing
  device_->Cancel(999);     // unknown: nothing
  EXPECT_EQ(BytesOf(Run({Inline("next")})), "next");
  EXPECT_THAT(recorder_.answered(), ElementsAre(ticket - 1, ticket + 1));
  EXPECT_EQ(launcher_->launches(), 1);
}

TEST_F(DeviceTest, WhatWaitsForAnAdaptorThatDoesNotStartTimesOut) {
  Start({[](AdaptorEnd& end) { end.SwallowForever(); }});
  EXPECT_EQ(ReasonOf(Run({}, std::chrono::milliseconds(10))), kTimeout);
}

// An adaptor would take no notice of a Cancel for what it does not know yet, and then be killed.
TEST_F(DeviceTest, ACancelNeverOvertakesWhatItCancels) {
  constexpr Ticket kWaiting = 3000;
  absl::Notification go, over;
  bool overtaken = false;
  Start({[&](AdaptorEnd& end) {
    go.WaitForNotification();
    end.Describe();
    for (Ticket executed = 0; executed < kWaiting;) {
      const auto received = end.Receive();
      if (!received.has_value()) break;
      executed += received->message.has_execute();
      overtaken |= received->message.has_cancel() && executed < received->message.cancel().id();
    }
    over.Notify();
    end.SwallowForever();
  }});
  while (tickets_ < kWaiting) Execute({});
  go.Notify();
  while (!device_->stats().ready) std::this_thread::yield();
  device_->Cancel(kWaiting);
  EXPECT_TRUE(over.WaitForNotificationWithTimeout(kPatience));
  EXPECT_FALSE(overtaken);
}

}  // namespace
}  // namespace fractos
