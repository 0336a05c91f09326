// Adaptors that break the stream, or themselves: each is replaced, and the device serves on.
// promise: B-32
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "daemon/device/answer.h"
#include "lib/base/random.h"
#include "tests/unit/daemon/device/device_harness.h"

namespace fractos {
namespace {

using ::fractos::testing::AdaptorEnd;
using ::fractos::testing::kDescription;
using ::fractos::testing::MemoryFileOf;
using ::testing::HasSubstr;

// promise: A-05, B-25
TEST_F(DeviceTest, ACrashFailsWhatIsInFlightRetryablyAndTheAdaptorIsStartedAgain) {
  StartThenEcho([](AdaptorEnd& end) {
    end.ReceiveExecute();
    end.ReceiveExecute();
  });
  Ticket one = Execute({Inline("1")});
  Ticket two = Execute({Inline("2")});
  device_->Settle();
  for (Ticket ticket : {one, two}) {
    Outcome outcome = recorder_.Await(ticket);
    EXPECT_EQ(ReasonOf(outcome), kAdaptorCrashed);
    EXPECT_THAT(MessageOf(outcome), HasSubstr("exit code 3"));
    EXPECT_TRUE(IsRetryable(outcome));
  }
  EXPECT_EQ(BytesOf(Run({Inline("again")})), "again");
  EXPECT_EQ(launcher_->launches(), 2);
}

TEST_F(DeviceTest, ACrashWhileNothingIsInFlightCostsNothing) {
  StartThenEcho([](AdaptorEnd&) {});
  EXPECT_TRUE(absl::IsUnavailable(recorder_.AwaitDown()));
  EXPECT_EQ(BytesOf(Run({Inline("x")})), "x");
}

// promise: B-27
TEST_F(DeviceTest, AFrameThatDoesNotParseIsGarbage) {
  EXPECT_EQ(ReasonFor([](AdaptorEnd& end, uint64_t) {
              end.SendRaw(std::string("\x05\x00\x00\x00\xff\xff\xff\xff\xff", 9));
            }),
            kAdaptorGarbage);
}

TEST_F(DeviceTest, NoiseIsGarbageOrTooLarge) {
  std::string reason = ReasonFor([](AdaptorEnd& end, uint64_t) {
    SeededRandom random(7);
    std::string noise;
    for (int i = 0; i < 10'000; ++i) noise.push_back(static_cast<char>(random.Next()));
    end.SendRaw(noise);
  });
  EXPECT_THAT(reason, ::testing::AnyOf(kAdaptorGarbage, kReplyTooLarge));
}

// promise: B-28
TEST_F(DeviceTest, AFrameOverFourMebibytesIsNotRead) {
  EXPECT_EQ(ReasonFor([](AdaptorEnd& end, uint64_t) {
              end.SendRaw(std::string("\x01\x00\x40\x00", 4));  // 4 MiB + 1
              end.SendRaw(std::string(100'000, 'x'));
            }),
            kReplyTooLarge);
}

TEST_F(DeviceTest, AFrameThatEndsInTheMiddleIsACrash) {
  StartThenEcho([](AdaptorEnd& end) {
    end.ReceiveExecute();
    end.SendRaw(std::string("\x40\x00\x00\x00half", 8));
  });
  EXPECT_EQ(ReasonOf(Run({})), kAdaptorCrashed);
}

TEST_F(DeviceTest, AnAnswerToAnUnknownExecutionIsGarbage) {
  EXPECT_EQ(ReasonFor([](AdaptorEnd& end, uint64_t id) { end.AnswerInline(id + 1'000'000, "?"); }),
            kAdaptorGarbage);
}

TEST_F(DeviceTest, AnAnswerGivenTwiceIsGarbageForWhatIsStillInFlight) {
  StartThenEcho([](AdaptorEnd& end) {
    std::optional<v1::Execute> first = end.ReceiveExecute();
    std::optional<v1::Execute> second = end.ReceiveExecute();
    if (!first.has_value() || !second.has_value()) return;
    end.AnswerInline(first->id(), "one");
    end.AnswerInline(first->id(), "one");
    end.SwallowForever();
  });
  Ticket one = Execute({});
  Ticket two = Execute({});
  device_->Settle();
  EXPECT_EQ(BytesOf(recorder_.Await(one)), "one") << "came before the stream was in doubt";
  EXPECT_EQ(ReasonOf(recorder_.Await(two)), kAdaptorGarbage);
}

TEST_F(DeviceTest, ASecondDescriptionIsGarbage) {
  EXPECT_EQ(ReasonFor([](AdaptorEnd& end, uint64_t) {
              v1::FromAdaptor message;
              message.mutable_description()->set_json(kDescription);
              end.Send(message);
            }),
            kAdaptorGarbage);
}

TEST_F(DeviceTest, AnEmptyFrameIsGarbage) {
  EXPECT_EQ(ReasonFor([](AdaptorEnd& end, uint64_t) { end.SendRaw(std::string(4, '\0')); }),
            kAdaptorGarbage);
}

TEST_F(DeviceTest, TooManyDescriptorsAreGarbage) {
  EXPECT_EQ(ReasonFor([](AdaptorEnd& end, uint64_t id) {
              UniqueFd file = MemoryFileOf("x");
              v1::FromAdaptor reply;
              reply.mutable_result()->set_id(id);
              reply.mutable_result()->mutable_file()->set_size(1);
              end.Send(reply, std::vector<int>(60, file.get()));
            }),
            kAdaptorGarbage);
}

TEST_F(DeviceTest, ADescriptorThatNoFrameNamesIsGarbage) {
  StartThenEcho([](AdaptorEnd& end) {
    std::optional<v1::Execute> first = end.ReceiveExecute();
    if (!first.has_value() || !end.ReceiveExecute().has_value()) return;
    UniqueFd file = MemoryFileOf("x");
    v1::FromAdaptor reply;
    reply.mutable_result()->set_id(first->id());
    reply.mutable_result()->set_inline_("x");
    end.Send(reply, {file.get()});
    end.SwallowForever();
  });
  Execute({});
  Ticket second = Execute({});
  device_->Settle();
  EXPECT_EQ(ReasonOf(recorder_.Await(second)), kAdaptorGarbage);
}

}  // namespace
}  // namespace fractos
