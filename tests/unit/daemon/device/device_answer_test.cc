// What may be answered; and answers that are wrong by themselves, after which the adaptor stays.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <functional>
#include <optional>
#include <string>
#include <variant>

#include "absl/strings/str_cat.h"
#include "daemon/device/answer.h"
#include "lib/base/limits.h"
#include "tests/unit/daemon/device/device_harness.h"
#include "tests/unit/lib/runtime/no_descriptors.h"

namespace fractos {
namespace {

using ::fractos::testing::AdaptorEnd;
using ::fractos::testing::MemoryFileOf;
using ::testing::ElementsAre;

void AnswerRefinement(AdaptorEnd& end, uint64_t id,
                      const std::function<void(v1::Refinement*)>& fill) {
  v1::FromAdaptor reply;
  reply.mutable_result()->set_id(id);
  fill(reply.mutable_result()->mutable_refinement());
  end.Send(reply);
}

v1::RefinedStep* AddStep(v1::Refinement* refinement) {
  v1::RefinedStep* step = refinement->add_steps();
  step->set_cluster(".");
  step->set_operation("multiply");
  step->set_arguments_json("{\"by\":2}");
  return step;
}

// promise: A-07
TEST_F(DeviceTest, ALargeAnswerComesAsAMemoryFileThatIsSealed) {
  std::string large(1 << 20, 'x');
  StartThenEcho([&large](AdaptorEnd& end) {
    while (std::optional<v1::Execute> execute = end.ReceiveExecute()) {
      UniqueFd file = MemoryFileOf(large);
      end.AnswerFile(execute->id(), file.get(), large.size());
    }
  });
  Outcome outcome = Run({});
  EXPECT_EQ(BytesOf(outcome), large);
  const Value& value = std::get<Outcome::Produced>(outcome.what).value;
  EXPECT_EQ(value.digest, Digest::Of(large));
  EXPECT_FALSE(value.IsInline());
}

TEST_F(DeviceTest, AnAnswerMayTrickleInByteByByte) {
  StartThenEcho([](AdaptorEnd& end) {
    std::optional<v1::Execute> execute = end.ReceiveExecute();
    if (!execute.has_value()) return;
    v1::FromAdaptor reply;
    reply.mutable_result()->set_id(execute->id());
    reply.mutable_result()->set_inline_("slowly");
    std::string payload = reply.SerializeAsString();
    std::string frame{static_cast<char>(payload.size()), 0, 0, 0};
    for (char c : frame + payload) end.SendRaw(std::string(1, c));
    end.SwallowForever();
  });
  EXPECT_EQ(BytesOf(Run({})), "slowly");
}

TEST_F(DeviceTest, AnAnswerMayBeAnInputByName) {
  StartThenEcho([](AdaptorEnd& end) {
    std::optional<v1::Execute> execute = end.ReceiveExecute();
    if (!execute.has_value()) return;
    v1::FromAdaptor reply;
    reply.mutable_result()->set_id(execute->id());
    reply.mutable_result()->set_passed_input("data");
    end.Send(reply);
    end.SwallowForever();
  });
  Outcome outcome = Run({Inline("x")});
  ASSERT_TRUE(std::holds_alternative<Outcome::PassedInput>(outcome.what));
  EXPECT_EQ(std::get<Outcome::PassedInput>(outcome.what).input, "data");
}

TEST_F(DeviceTest, ARefinementIsStagedAsTheBytesItEncodesTo) {
  StartThenEcho([](AdaptorEnd& end) {
    std::optional<v1::Execute> execute = end.ReceiveExecute();
    if (!execute.has_value()) return;
    AnswerRefinement(end, execute->id(), [](v1::Refinement* refinement) {
      v1::RefinedInput* input = AddStep(refinement)->add_inputs();
      input->set_input("a");
      input->set_own_input("data");
      v1::RefinedStep* second = AddStep(refinement);
      input = second->add_inputs();
      input->set_input("b");
      input->set_step(0);
      second->add_after(0);
    });
    end.SwallowForever();
  });
  Outcome outcome = Run({Inline("x")});
  ASSERT_TRUE(std::holds_alternative<Outcome::Refined>(outcome.what)) << MessageOf(outcome);
  const auto& refined = std::get<Outcome::Refined>(outcome.what);
  ASSERT_EQ(refined.steps.size(), 2u);
  EXPECT_EQ(refined.steps[0].inputs[0].own_input, "data");
  EXPECT_EQ(refined.steps[1].inputs[0].step, 0);
  EXPECT_THAT(refined.steps[1].after, ElementsAre(0));
  EXPECT_EQ(store_.Get(refined.value.object).value()->view(), EncodeRefinement(refined.steps));
}

TEST_F(DeviceTest, AnInlineAnswerOver64KiBIsTooLarge) {
  EXPECT_EQ(ReasonFor(
                [](AdaptorEnd& end, uint64_t id) {
                  end.AnswerInline(id, std::string(kMaxInlineValueBytes + 1, 'x'));
                },
                /*same_adaptor=*/true),
            kReplyTooLarge);
}

// promise: L-06
TEST_F(DeviceTest, AnInlineAnswerOf64KiBPasses) {
  StartThenEcho([](AdaptorEnd& end) {
    std::optional<v1::Execute> execute = end.ReceiveExecute();
    if (!execute.has_value()) return;
    end.AnswerInline(execute->id(), std::string(kMaxInlineValueBytes, 'x'));
    end.SwallowForever();
  });
  EXPECT_EQ(BytesOf(Run({})), std::string(kMaxInlineValueBytes, 'x'));
}

TEST_F(DeviceTest, AFileWithoutADescriptorIsGarbage) {
  EXPECT_EQ(ReasonFor([](AdaptorEnd& end, uint64_t id) { end.AnswerFile(id, -1, 5); },
                      /*same_adaptor=*/true),
            kAdaptorGarbage);
}

TEST_F(DeviceTest, AFileOfAnotherSizeIsGarbage) {
  EXPECT_EQ(ReasonFor(
                [](AdaptorEnd& end, uint64_t id) {
                  UniqueFd file = MemoryFileOf("five!");
                  end.AnswerFile(id, file.get(), 6);
                },
                /*same_adaptor=*/true),
            kAdaptorGarbage);
}

// promise: B-29
TEST_F(DeviceTest, AFileThatIsStillMappedForWritingIsUnsealable) {
  EXPECT_EQ(ReasonFor(
                [](AdaptorEnd& end, uint64_t id) {
                  UniqueFd file = MemoryFileOf("mapped");
                  void* mapping =
                      mmap(nullptr, 6, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
                  end.AnswerFile(id, file.get(), 6);
                  end.ReceiveExecute();  // until the next one, which nobody answers
                  munmap(mapping, 6);
                  end.AnswerInline(id + 1, "next");
                },
                /*same_adaptor=*/true),
            kUnsealable);
}

TEST_F(DeviceTest, WhatIsNoMemoryFileIsRefused) {
  std::string reason = ReasonFor(
      [](AdaptorEnd& end, uint64_t id) {
        int ends[2];
        if (pipe(ends) != 0) return;
        end.AnswerFile(id, ends[0], 5);
        close(ends[0]);
        close(ends[1]);
      },
      /*same_adaptor=*/true);
  EXPECT_THAT(reason, ::testing::AnyOf(kAdaptorGarbage, kUnsealable));
}

TEST_F(DeviceTest, AFileBeyondTheQuotaIsTooMuchMemory) {
  EXPECT_EQ(ReasonFor(
                [](AdaptorEnd& end, uint64_t id) {
                  UniqueFd file = MemoryFileOf("");
                  if (ftruncate(file.get(), off_t{1} << 40) != 0) return;  // sparse: costs nothing
                  end.AnswerFile(id, file.get(), uint64_t{1} << 40);
                },
                /*same_adaptor=*/true),
            kMemoryExhausted);
}

TEST_F(DeviceTest, AFileForWhichNoDescriptorIsLeftIsTooMuchMemory) {
  EXPECT_EQ(ReasonFor(
                [](AdaptorEnd& end, uint64_t id) {
                  UniqueFd file = MemoryFileOf("lost");
                  {
                    NoDescriptors none;
                    end.AnswerFile(id, file.get(), 4);
                    end.ReceiveExecute();  // comes when the answer has been taken
                  }
                  end.AnswerInline(id + 1, "next");
                },
                /*same_adaptor=*/true),
            kMemoryExhausted);
}

TEST_F(DeviceTest, AnAnswerWithoutAValueIsGarbage) {
  EXPECT_EQ(ReasonFor(
                [](AdaptorEnd& end, uint64_t id) {
                  v1::FromAdaptor reply;
                  reply.mutable_result()->set_id(id);
                  end.Send(reply);
                },
                /*same_adaptor=*/true),
            kAdaptorGarbage);
}

TEST_F(DeviceTest, AnInputThatTheStepDoesNotHaveIsNoAnswer) {
  EXPECT_EQ(ReasonFor(
                [](AdaptorEnd& end, uint64_t id) {
                  v1::FromAdaptor reply;
                  reply.mutable_result()->set_id(id);
                  reply.mutable_result()->set_passed_input("other");
                  end.Send(reply);
                },
                /*same_adaptor=*/true),
            kAdaptorGarbage);
}

TEST_F(DeviceTest, AFailureKeepsItsReasonAndSaysWhetherToRetry) {
  StartThenEcho([](AdaptorEnd& end) {
    for (const bool retryable : {false, true}) {
      std::optional<v1::Execute> execute = end.ReceiveExecute();
      if (!execute.has_value()) return;
      v1::FromAdaptor reply;
      reply.mutable_result()->set_id(execute->id());
      v1::Failure* failure = reply.mutable_result()->mutable_failure();
      failure->set_reason("DivisionByZero");
      failure->set_message("7 / 0");
      failure->set_retryable(retryable);
      end.Send(reply);
    }
    end.EchoForever();
  });
  for (const bool retryable : {false, true}) {
    const Outcome outcome = Run({Inline("x")});
    EXPECT_EQ(ReasonOf(outcome), "DivisionByZero");
    EXPECT_EQ(MessageOf(outcome), "7 / 0");
    EXPECT_EQ(IsRetryable(outcome), retryable);
  }
  EXPECT_EQ(BytesOf(Run({Inline("next")})), "next");
  EXPECT_EQ(launcher_->launches(), 1);
}

TEST_F(DeviceTest, AFailureWithoutAProperReasonIsAdaptorFailedAndItsMessageIsCut) {
  StartThenEcho([](AdaptorEnd& end) {
    std::optional<v1::Execute> execute = end.ReceiveExecute();
    if (!execute.has_value()) return;
    v1::FromAdaptor reply;
    reply.mutable_result()->set_id(execute->id());
    reply.mutable_result()->mutable_failure()->set_reason("rm -rf /; \n");
    reply.mutable_result()->mutable_failure()->set_message(std::string(100'000, 'm'));
    end.Send(reply);
    end.SwallowForever();
  });
  Outcome outcome = Run({});
  EXPECT_EQ(ReasonOf(outcome), "AdaptorFailed");
  EXPECT_EQ(MessageOf(outcome).size(), kMaxFailureMessageBytes);
}

struct BadRefinement {
  std::string name;
  std::function<void(v1::Refinement*)> fill;
  std::string reason;
};

class RefinementTest : public DeviceTest, public ::testing::WithParamInterface<BadRefinement> {};

TEST_P(RefinementTest, IsRefused) {
  EXPECT_EQ(
      ReasonFor([](AdaptorEnd& end, uint64_t id) { AnswerRefinement(end, id, GetParam().fill); },
                /*same_adaptor=*/true),
      GetParam().reason);
}

INSTANTIATE_TEST_SUITE_P(
    Bad, RefinementTest,
    ::testing::Values(
        BadRefinement{"NoSteps", [](v1::Refinement*) {}, kAdaptorGarbage},
        BadRefinement{"TooManySteps",
                      [](v1::Refinement* r) {
                        for (size_t i = 0; i < kMaxSteps; ++i) AddStep(r);
                      },
                      "RefinementTooLong"},
        BadRefinement{"NoCluster", [](v1::Refinement* r) { AddStep(r)->clear_cluster(); },
                      kAdaptorGarbage},
        BadRefinement{"NoOperation", [](v1::Refinement* r) { AddStep(r)->clear_operation(); },
                      kAdaptorGarbage},
        BadRefinement{"ArgumentsAreNoObject",
                      [](v1::Refinement* r) { AddStep(r)->set_arguments_json("[1"); },
                      kAdaptorGarbage},
        BadRefinement{"InputFromLaterStep",
                      [](v1::Refinement* r) {
                        v1::RefinedInput* input = AddStep(r)->add_inputs();
                        input->set_input("a");
                        input->set_step(0);
                      },
                      kAdaptorGarbage},
        BadRefinement{"InputFromNowhere",
                      [](v1::Refinement* r) { AddStep(r)->add_inputs()->set_input("a"); },
                      kAdaptorGarbage},
        BadRefinement{"InputFromUnknownOwnInput",
                      [](v1::Refinement* r) {
                        v1::RefinedInput* input = AddStep(r)->add_inputs();
                        input->set_input("a");
                        input->set_own_input("nothing");
                      },
                      kAdaptorGarbage},
        BadRefinement{"TooManyInputs",
                      [](v1::Refinement* r) {
                        v1::RefinedStep* step = AddStep(r);
                        for (size_t i = 0; i <= kMaxInputs; ++i) {
                          v1::RefinedInput* input = step->add_inputs();
                          input->set_input(absl::StrCat("i", i));
                          input->set_own_input("data");
                        }
                      },
                      kAdaptorGarbage},
        BadRefinement{"AfterItself", [](v1::Refinement* r) { AddStep(r)->add_after(0); },
                      kAdaptorGarbage}),
    [](const auto& refinement) { return refinement.param.name; });

}  // namespace
}  // namespace fractos
