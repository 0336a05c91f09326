// Above 600 lines in one file: each test is what one misdeed of an adaptor comes to, a few lines
// around the fixture that all of them share.
#include "daemon/device/device.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <map>
#include <set>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "daemon/device/answer.h"
#include "lib/base/random.h"
#include "tests/unit/daemon/device/scripted_adaptor.h"
#include "tests/unit/lib/runtime/no_descriptors.h"

namespace fractos {
namespace {

using ::fractos::testing::AdaptorEnd;
using ::fractos::testing::kDescription;
using ::fractos::testing::MemoryFileOf;
using ::fractos::testing::Script;
using ::fractos::testing::ScriptLauncher;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr Duration kLong = std::chrono::seconds(30);
// Only ever waited out by a test that fails.
constexpr absl::Duration kPatience = absl::Seconds(20);

class Recorder final : public DeviceObserver {
 public:
  void OnExecuted(std::vector<Executed> executed) override {
    absl::MutexLock lock(&mutex_);
    for (Executed& one : executed) executed_.push_back(std::move(one));
  }
  void OnDescribed(const DeviceDescription& description) override {
    absl::MutexLock lock(&mutex_);
    described_.push_back(description.device);
  }
  void OnDown(const absl::Status& why) override {
    absl::MutexLock lock(&mutex_);
    down_.push_back(why);
  }

  Outcome Await(Ticket ticket) {
    absl::MutexLock lock(&mutex_);
    Outcome found{Outcome::Failed{{"NeverAnswered", ""}, false}};
    auto there = [this, ticket, &found]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
      for (const Executed& one : executed_) {
        if (one.ticket != ticket) continue;
        found = one.outcome;
        return true;
      }
      return false;
    };
    mutex_.AwaitWithTimeout(absl::Condition(&there), kPatience);
    return found;
  }
  absl::Status AwaitDown() {
    absl::MutexLock lock(&mutex_);
    auto there = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return !down_.empty(); };
    if (!mutex_.AwaitWithTimeout(absl::Condition(&there), kPatience)) return absl::OkStatus();
    return down_.front();
  }
  std::vector<Ticket> answered() const {
    absl::MutexLock lock(&mutex_);
    std::vector<Ticket> tickets;
    for (const Executed& one : executed_) tickets.push_back(one.ticket);
    return tickets;
  }
  size_t downs() const {
    absl::MutexLock lock(&mutex_);
    return down_.size();
  }

 private:
  mutable absl::Mutex mutex_;
  std::vector<Executed> executed_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> described_ ABSL_GUARDED_BY(mutex_);
  std::vector<absl::Status> down_ ABSL_GUARDED_BY(mutex_);
};

class DeviceTest : public ::testing::Test {
 protected:
  DeviceTest() : self_{{"default/scripted", 0}, random_.NewId<BootId>()} {}

  void Start(std::vector<Script> scripts) {
    launcher_ = std::make_unique<ScriptLauncher>(std::move(scripts));
    device_ = std::make_unique<Device>(options_, launcher_.get(), &store_, &clock_, &recorder_);
    device_->Start();
  }
  // A device whose first adaptor does `misbehave` after its description, and every later one
  // echoes.
  void StartThenEcho(Script misbehave) {
    Start({[misbehave](AdaptorEnd& end) {
             if (end.Describe()) misbehave(end);
           },
           [](AdaptorEnd& end) {
             if (end.Describe()) end.EchoForever();
           }});
  }
  void StartEcho() {
    Start({[](AdaptorEnd& end) {
      if (end.Describe()) end.EchoForever();
    }});
  }

  NamedValue Inline(const std::string& bytes) {
    Value value = store_.StageInline(bytes).value();
    return {"data", value, false};
  }
  Ticket Execute(std::vector<NamedValue> inputs, Duration timeout = kLong,
                 std::optional<WhenSpec> when = std::nullopt) {
    auto step = std::make_shared<Step>();
    step->path = "step";
    step->cluster = "default/scripted";
    step->operation = "work";
    step->when = std::move(when);
    fractos::Execute execution;
    execution.attempt.step = "step";
    execution.step = step;
    execution.inputs = std::move(inputs);
    execution.timeout = timeout;
    device_->Execute(++tickets_, std::move(execution));
    return tickets_;
  }
  Outcome Run(std::vector<NamedValue> inputs, Duration timeout = kLong) {
    Ticket ticket = Execute(std::move(inputs), timeout);
    device_->Settle();
    return recorder_.Await(ticket);
  }
  std::string BytesOf(const Outcome& outcome) {
    const auto* produced = std::get_if<Outcome::Produced>(&outcome.what);
    if (produced == nullptr) return absl::StrCat("no value: ", ReasonOf(outcome));
    return std::string(store_.Get(produced->value.object).value()->view());
  }
  static std::string ReasonOf(const Outcome& outcome) {
    const auto* failed = std::get_if<Outcome::Failed>(&outcome.what);
    return failed == nullptr ? "" : failed->failure.reason;
  }
  static std::string MessageOf(const Outcome& outcome) {
    const auto* failed = std::get_if<Outcome::Failed>(&outcome.what);
    return failed == nullptr ? "" : failed->failure.message;
  }
  static bool IsRetryable(const Outcome& outcome) {
    const auto* failed = std::get_if<Outcome::Failed>(&outcome.what);
    return failed != nullptr && failed->retryable;
  }
  // The reason `misbehave` gets its execution; and that the device then serves the next one, by the
  // same adaptor or a new one.
  std::string ReasonFor(std::function<void(AdaptorEnd&, uint64_t id)> misbehave,
                        bool same_adaptor = false) {
    StartThenEcho([misbehave](AdaptorEnd& end) {
      std::optional<v1::Execute> execute = end.ReceiveExecute();
      if (!execute.has_value()) return;
      misbehave(end, execute->id());
      end.EchoForever();
    });
    Outcome outcome = Run({Inline("x")});
    // promise: B-32
    EXPECT_EQ(BytesOf(Run({Inline("next")})), "next");
    EXPECT_EQ(launcher_->launches(), same_adaptor ? 1 : 2);
    return ReasonOf(outcome);
  }

  SystemRandom random_;
  SystemClock clock_;
  Incarnation self_;
  MemoryStore store_{self_, 16 << 20, &random_};
  Device::Options options_;
  Recorder recorder_;
  std::unique_ptr<ScriptLauncher> launcher_;
  Ticket tickets_ = 0;
  std::unique_ptr<Device> device_;
};

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

// --- Adaptors that break

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

// --- Answers that are wrong by themselves: the adaptor stays

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

// --- Deadlines

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

// --- Starting

TEST_F(DeviceTest, WhatComesBeforeTheDescriptionWaitsForIt) {
  absl::Notification go;
  Start({[&go](AdaptorEnd& end) {
    go.WaitForNotification();
    if (end.Describe()) end.EchoForever();
  }});
  Ticket one = Execute({Inline("one")});
  Ticket two = Execute({Inline("two")});
  device_->Settle();
  EXPECT_FALSE(device_->stats().ready);
  go.Notify();
  EXPECT_EQ(BytesOf(recorder_.Await(one)), "one");
  EXPECT_EQ(BytesOf(recorder_.Await(two)), "two");
  EXPECT_TRUE(device_->stats().ready);
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

// promise: A-19
TEST_F(DeviceTest, AnAdaptorThatRefusesItsOptionsIsNamed) {
  Start({[](AdaptorEnd& end) {
    end.Receive();
    v1::FromAdaptor reply;
    reply.mutable_result()->mutable_failure()->set_reason("InvalidArgument");
    reply.mutable_result()->mutable_failure()->set_message("unknown option \"colour\"");
    end.Send(reply);
  }});
  absl::Status down = recorder_.AwaitDown();
  EXPECT_TRUE(absl::IsFailedPrecondition(down)) << down;
  EXPECT_THAT(std::string(down.message()), HasSubstr("colour"));
}

TEST_F(DeviceTest, AnAdaptorThatNeverDescribesItselfIsReplaced) {
  options_.configure_timeout = std::chrono::milliseconds(20);
  Start({[](AdaptorEnd& end) { end.SwallowForever(); },
         [](AdaptorEnd& end) {
           if (end.Describe()) end.EchoForever();
         }});
  EXPECT_EQ(BytesOf(Run({Inline("x")})), "x");
  EXPECT_TRUE(absl::IsDeadlineExceeded(recorder_.AwaitDown()));
}

// What is left out of it is in what peers are told.
// promise: A-02
TEST(JudgeDescriptionTest, KeepsToItsBoundAlsoAsItIsPassedOn) {
  DeviceDescription description = ParseDeviceDescription(kDescription).value();
  while (DeviceDescriptionToJson(description).size() <= kMaxSpecBytes) {
    OperationSpec& operation = description.operations.emplace_back();
    operation.name = absl::StrCat("o", description.operations.size());
    operation.refines_to.assign(kMaxRefinesTo, "./" + std::string(kMaxNameLength, 'x'));
    for (size_t i = 0; i < kMaxArguments; ++i) {
      ArgumentSpec& argument = operation.arguments.emplace_back();
      argument.name = absl::StrCat("a", i);
      argument.description = std::string(kMaxDescriptionText, 'x');
    }
  }
  const auto judged = [&description](size_t told) {
    const auto trim = [&](std::string* text) {
      const size_t size = DeviceDescriptionToJson(description).size();
      if (size > told) text->resize(text->size() - std::min(text->size(), size - told));
    };
    for (ArgumentSpec& argument : description.operations.back().arguments) {
      trim(&argument.description);
    }
    std::string json = DeviceDescriptionToJson(description);
    EXPECT_EQ(json.size(), told);
    const std::string flag = ",\"stateful\":false";
    EXPECT_NE(json.find(flag), std::string::npos);
    json.erase(json.find(flag), flag.size());
    v1::FromAdaptor reply;
    reply.mutable_description()->set_json(json);
    return JudgeDescription(reply.SerializeAsString()).status();
  };
  const absl::Status above = judged(kMaxSpecBytes + 1);
  EXPECT_TRUE(absl::IsInvalidArgument(above)) << above;
  EXPECT_THAT(std::string(above.message()), HasSubstr("as it is passed on"));
  EXPECT_TRUE(judged(kMaxSpecBytes).ok());
}

// promise: A-02
TEST_F(DeviceTest, AMalformedDescriptionIsRefused) {
  Start({[](AdaptorEnd& end) { end.Describe("{\"device\": 7}"); },
         [](AdaptorEnd& end) {
           if (end.Describe()) end.EchoForever();
         }});
  EXPECT_EQ(BytesOf(Run({Inline("x")})), "x");
  EXPECT_TRUE(absl::IsInvalidArgument(recorder_.AwaitDown()));
}

TEST_F(DeviceTest, AnAnswerBeforeTheDescriptionIsRefused) {
  Start({[](AdaptorEnd& end) {
           end.AnswerInline(1, "hasty");
           end.SwallowForever();  // one that has gone before it is spoken to is another case
         },
         [](AdaptorEnd& end) {
           if (end.Describe()) end.EchoForever();
         }});
  EXPECT_EQ(BytesOf(Run({Inline("x")})), "x");
  EXPECT_TRUE(absl::IsInvalidArgument(recorder_.AwaitDown()));
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
