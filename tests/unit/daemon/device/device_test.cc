#include "daemon/device/device.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "lib/base/limits.h"
#include "tests/unit/daemon/device/device_harness.h"

namespace fractos {
namespace {

using ::fractos::testing::AdaptorEnd;
using ::fractos::testing::MemoryFileOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST_F(DeviceTest, ExecutesAndStagesTheInlineAnswer) {
  StartEcho();
  Outcome outcome = Run({Inline("hello")});
  EXPECT_EQ(BytesOf(outcome), "hello");
  const Value& value = std::get<Outcome::Produced>(outcome.what).value;
  EXPECT_EQ(value.owner, self_);
  EXPECT_TRUE(value.IsInline());
  EXPECT_EQ(store_.GetCommitted(value.object).status().code(), absl::StatusCode::kNotFound)
      << "staged, not committed";
}

TEST_F(DeviceTest, AChainIsAnsweredByTheThreadThatExecutes) {
  options_.inline_wait = std::chrono::seconds(10);  // so that a slow machine passes too
  StartEcho();
  EXPECT_EQ(BytesOf(Run({Inline("first")})), "first");  // may wait for the adaptor to start
  for (int i = 0; i < 10; ++i) EXPECT_EQ(BytesOf(Run({Inline("x")})), "x");
  EXPECT_GE(device_->stats().answered_inline, 10u);
}

TEST_F(DeviceTest, WithoutInlineWaitingTheSupervisorReads) {
  options_.inline_wait = Duration::zero();
  StartEcho();
  for (int i = 0; i < 10; ++i) EXPECT_EQ(BytesOf(Run({Inline("x")})), "x");
  EXPECT_EQ(device_->stats().answered_inline, 0u);
}

// promise: A-03
TEST_F(DeviceTest, ManyAreInFlightAndAnswersMayComeInAnyOrder) {
  constexpr int kMany = 64;
  StartThenEcho([](AdaptorEnd& end) {
    std::vector<v1::Execute> executes;
    while (executes.size() < kMany) {
      std::optional<v1::Execute> execute = end.ReceiveExecute();
      if (!execute.has_value()) return;
      executes.push_back(*execute);
    }
    for (auto it = executes.rbegin(); it != executes.rend(); ++it) {
      end.AnswerInline(it->id(), it->inputs(0).inline_());
    }
    end.SwallowForever();
  });
  std::map<Ticket, std::string> expected;
  for (int i = 0; i < kMany; ++i) {
    std::string text = absl::StrCat("value ", i);
    expected[Execute({Inline(text)})] = text;
  }
  device_->Settle();
  for (const auto& [ticket, text] : expected) {
    EXPECT_EQ(BytesOf(recorder_.Await(ticket)), text);
  }
  EXPECT_EQ(device_->stats().in_flight, 0u);
}

// promise: A-18, M-05
TEST_F(DeviceTest, TheAdaptorIsToldTheOperationArgumentsInputsAndIdempotencyKey) {
  absl::Mutex mutex;
  v1::Execute seen;
  std::string file_bytes;
  int seals = 0;
  StartThenEcho([&](AdaptorEnd& end) {
    std::optional<AdaptorEnd::Received> received = end.Receive();
    if (!received.has_value()) return;
    {
      absl::MutexLock lock(&mutex);
      seen = received->message.execute();
      if (received->descriptors.size() == 1) {
        int fd = received->descriptors[0].get();
        seals = fcntl(fd, F_GET_SEALS);
        file_bytes.resize(seen.inputs(1).size());
        if (pread(fd, file_bytes.data(), file_bytes.size(), 0) < 0) file_bytes.clear();
      }
    }
    end.AnswerInline(received->message.execute().id(), "done");
    end.SwallowForever();
  });
  std::string large(kMaxInlineValueBytes + 1, 'L');
  Value file = store_.StageFile(MemoryFileOf(large), large.size()).value();
  NamedValue passed{"passed", file, true};
  EXPECT_EQ(BytesOf(Run({Inline("small"), {"large", file, false}, passed})), "done");
  absl::MutexLock lock(&mutex);
  EXPECT_EQ(seen.operation(), "work");
  EXPECT_EQ(seen.arguments_json(), "{}");
  AttemptKey attempt;
  attempt.step = "step";
  EXPECT_EQ(seen.idempotency_key(), attempt.IdempotencyKey());
  EXPECT_EQ(seen.timeout_ms(), 30'000u);
  ASSERT_EQ(seen.inputs_size(), 3);
  EXPECT_EQ(seen.inputs(0).inline_(), "small");
  EXPECT_TRUE(seen.inputs(1).file());
  EXPECT_EQ(file_bytes, large);
  EXPECT_EQ(seals & (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW),
            F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW);
  EXPECT_TRUE(seen.inputs(2).passed());
}

TEST_F(DeviceTest, AnAdaptorThatDoesNotReadBlocksNobody) {
  absl::Notification go;
  StartThenEcho([&go](AdaptorEnd& end) {
    go.WaitForNotification();
    end.EchoForever();
  });
  std::string big(kMaxInlineValueBytes, 'b');
  std::vector<Ticket> tickets;
  // 4 MiB, far more than the socket holds.
  for (int i = 0; i < 64; ++i) tickets.push_back(Execute({Inline(big)}));
  device_->Settle();
  go.Notify();
  for (Ticket ticket : tickets) EXPECT_EQ(BytesOf(recorder_.Await(ticket)), big);
}

TEST_F(DeviceTest, WhatDoesNotMeetItsWhenIsSkippedWithoutAskingTheAdaptor) {
  Start({[](AdaptorEnd& end) { end.SwallowForever(); }});  // never even describes itself
  WhenSpec when{"data", Comparison::kEquals, "cat"};
  Ticket ticket = Execute({Inline("dog\n")}, kLong, when);
  EXPECT_THAT(recorder_.answered(), ElementsAre(ticket));
  Outcome outcome = recorder_.Await(ticket);
  ASSERT_TRUE(std::holds_alternative<Outcome::Skipped>(outcome.what));
  EXPECT_THAT(std::get<Outcome::Skipped>(outcome.what).message, HasSubstr("cat"));
}

TEST_F(DeviceTest, StoppingDropsWhatIsInFlight) {
  StartThenEcho([](AdaptorEnd& end) { end.SwallowForever(); });
  Execute({});
  device_->Settle();
  device_.reset();
  EXPECT_TRUE(recorder_.answered().empty());
}

}  // namespace
}  // namespace fractos
