// What every adaptor keeps, whatever language it is written in (docs/adaptors.md, "The protocol").
// Each adaptor under test offers `identity` (input data, passed), `copy` (input data or argument
// text), `sleep` (argument ms) and `fail` (arguments reason, message).
#include <gtest/gtest.h>

#include <chrono>
#include <ostream>
#include <set>

#include "lib/base/limits.h"
#include "tests/unit/adaptors/adaptor_process.h"

namespace fractos {
namespace {

struct Command {
  std::string name;
  std::vector<std::string> words;
};
std::ostream& operator<<(std::ostream& out, const Command& command) { return out << command.name; }

class ConformanceTest : public testing::TestWithParam<Command> {
 protected:
  ConformanceTest() : adaptor_(GetParam().words) {}
  void Configure() {
    std::optional<std::string> description = adaptor_.Configure("{}");
    ASSERT_TRUE(description.has_value());
    ASSERT_EQ(description->front(), '{') << *description;
  }
  AdaptorProcess adaptor_;
};

// promise: A-01, A-16
TEST_P(ConformanceTest, TheFirstFrameIsAnsweredWithTheDescription) {
  std::optional<std::string> description = adaptor_.Configure("{}");
  ASSERT_TRUE(description.has_value());
  EXPECT_NE(description->find("\"operations\""), std::string::npos);
}

// promise: A-19
TEST_P(ConformanceTest, WrongOptionsAreAFailureAndTheEnd) {
  std::optional<std::string> answer = adaptor_.Configure(R"({"nonsense": 1})");
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->rfind("InvalidArgument: ", 0), 0u) << *answer;
  EXPECT_NE(answer->find("nonsense"), std::string::npos);
  EXPECT_EQ(adaptor_.WaitForExit(), 1);
}

TEST_P(ConformanceTest, OptionsThatAreNoObjectAreAFailure) {
  std::optional<std::string> answer = adaptor_.Configure("[1,");
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->rfind("InvalidArgument: ", 0), 0u) << *answer;
}

TEST_P(ConformanceTest, AnInlineValueTravelsInline) {
  Configure();
  TestAnswer answer = adaptor_.Call("copy", "{}", {{.name = "data", .bytes = "hello"}});
  EXPECT_FALSE(answer.was_file);
  EXPECT_EQ(answer.bytes, "hello");
}

TEST_P(ConformanceTest, AnEmptyValueIsAValue) {
  Configure();
  TestAnswer answer = adaptor_.Call("copy", "{}", {{.name = "data", .bytes = ""}});
  EXPECT_EQ(answer.result.what_case(), v1::Result::kInline);
  EXPECT_EQ(answer.bytes, "");
}

// promise: A-07, L-06
TEST_P(ConformanceTest, AValueAtTheInlineBoundTravelsInlineAndOneBeyondItAsASealableFile) {
  Configure();
  std::string bytes(kMaxInlineValueBytes, 'b');
  TestAnswer at = adaptor_.Call("copy", "{}", {{.name = "data", .bytes = bytes}});
  EXPECT_FALSE(at.was_file);
  EXPECT_EQ(at.bytes, bytes);
  bytes += "!";
  TestAnswer beyond = adaptor_.Call("copy", "{}", {{.name = "data", .bytes = bytes, .file = true}});
  EXPECT_TRUE(beyond.was_file);
  EXPECT_TRUE(beyond.sealed_well);
  EXPECT_EQ(beyond.bytes, bytes);
}

// promise: M-09
TEST_P(ConformanceTest, APassedInputIsAnsweredByName) {
  Configure();
  TestAnswer answer =
      adaptor_.Call("identity", "{}", {{.name = "data", .bytes = "not fetched", .passed = true}});
  EXPECT_EQ(answer.result.passed_input(), "data");
}

// promise: A-03, A-16
TEST_P(ConformanceTest, PipelinedRequestsAreAllAnsweredEachOnce) {
  Configure();
  constexpr uint64_t kRequests = 64;
  for (uint64_t id = 1; id <= kRequests; ++id) {
    adaptor_.Execute(id, "copy", R"({"text": ")" + std::to_string(id) + R"("})");
  }
  adaptor_.Flush();
  std::set<uint64_t> seen;
  for (uint64_t i = 0; i < kRequests; ++i) {
    std::optional<TestAnswer> answer = adaptor_.Next();
    ASSERT_TRUE(answer.has_value());
    EXPECT_EQ(answer->bytes, std::to_string(answer->result.id()));
    seen.insert(answer->result.id());
  }
  EXPECT_EQ(seen.size(), kRequests);
}

TEST_P(ConformanceTest, DescriptorsReachTheirOwnRequests) {
  Configure();
  constexpr uint64_t kRequests = 8;
  for (uint64_t id = 1; id <= kRequests; ++id) {
    std::string bytes(kMaxInlineValueBytes + id, static_cast<char>('a' + id));
    adaptor_.Execute(id, "copy", "{}", {{.name = "data", .bytes = bytes, .file = true}});
  }
  adaptor_.Flush();
  for (uint64_t i = 0; i < kRequests; ++i) {
    std::optional<TestAnswer> answer = adaptor_.Next();
    ASSERT_TRUE(answer.has_value());
    uint64_t id = answer->result.id();
    EXPECT_EQ(answer->bytes, std::string(kMaxInlineValueBytes + id, static_cast<char>('a' + id)));
  }
}

// The limit that is low for select(2)'s sake does not hold for large inputs.
TEST_P(ConformanceTest, ItHoldsMoreInputsThanTheSoftLimitOfDescriptors) {
  std::vector<std::string> words = {"sh", "-c", "ulimit -Sn 64; exec \"$@\"", "sh"};
  words.insert(words.end(), GetParam().words.begin(), GetParam().words.end());
  AdaptorProcess adaptor(words);
  ASSERT_TRUE(adaptor.Configure("{}").has_value());
  std::vector<TestInput> inputs(kMaxInputs, {.name = "data", .bytes = "x", .file = true});
  for (size_t i = 0; i < inputs.size(); ++i) inputs[i].name += std::to_string(i);
  constexpr uint64_t kRequests = 8;
  for (uint64_t id = 1; id <= kRequests; ++id) {
    adaptor.Execute(id, "sleep", R"({"ms": 3000000})", inputs, 3'600'000);
  }
  for (uint64_t id = 1; id <= kRequests; ++id) adaptor.Cancel(id);
  for (uint64_t i = 0; i < kRequests; ++i) {
    std::optional<TestAnswer> answer = adaptor.Next();
    ASSERT_TRUE(answer.has_value());
    EXPECT_EQ(answer->failure().reason(), "Cancelled");
  }
}

TEST_P(ConformanceTest, AFrameInPiecesIsOneFrame) {
  Configure();
  v1::ToAdaptor message;
  message.mutable_execute()->set_id(7);
  message.mutable_execute()->set_operation("copy");
  message.mutable_execute()->set_arguments_json(R"({"text": "whole"})");
  message.mutable_execute()->set_timeout_ms(60'000);
  std::string body = message.SerializeAsString();
  std::string frame = std::string(1, static_cast<char>(body.size())) + std::string(3, '\0') + body;
  for (char byte : frame) adaptor_.SendRaw(std::string(1, byte));
  std::optional<TestAnswer> answer = adaptor_.Next();
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->bytes, "whole");
}

TEST_P(ConformanceTest, AFailureKeepsItsReasonAndMessage) {
  Configure();
  TestAnswer answer = adaptor_.Call("fail", R"({"reason": "Sour", "message": "the milk"})");
  EXPECT_EQ(answer.failure().reason(), "Sour");
  EXPECT_EQ(answer.failure().message(), "the milk");
  EXPECT_FALSE(answer.failure().retryable());
}

// A frame whose text is no UTF-8 would end the connection, and fail all that is in flight.
TEST_P(ConformanceTest, ALongMessageIsCutBetweenItsCharacters) {
  Configure();
  std::string message = "x";  // so that no bound in bytes falls between two of the others
  for (int i = 0; i < 5000; ++i) message += "\u00e9";
  TestAnswer answer = adaptor_.Call("fail", R"({"reason": "Long", "message": ")" + message + "\"}");
  EXPECT_EQ(answer.failure().reason(), "Long");
  EXPECT_LT(answer.failure().message().size(), message.size());
  EXPECT_EQ(message.rfind(answer.failure().message(), 0), 0u);
}

TEST_P(ConformanceTest, AnUnknownOperationFailsThatRequestAlone) {
  Configure();
  EXPECT_EQ(adaptor_.Call("fly", "{}").failure().reason(), "Unimplemented");
  EXPECT_EQ(adaptor_.Call("copy", R"({"text": "alive"})").bytes, "alive");
}

TEST_P(ConformanceTest, AMissingArgumentIsNamed) {
  Configure();
  TestAnswer answer = adaptor_.Call("sleep", "{}");
  EXPECT_EQ(answer.failure().reason(), "InvalidArgument");
  EXPECT_NE(answer.failure().message().find("ms"), std::string::npos);
}

// promise: A-04
TEST_P(ConformanceTest, ACancelledRequestEndsEarly) {
  Configure();
  adaptor_.Execute(5, "sleep", R"({"ms": 3000000})", {}, 3'600'000);
  adaptor_.Flush();
  adaptor_.Cancel(5);
  std::optional<TestAnswer> answer = adaptor_.Next();
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->result.id(), 5u);
  EXPECT_EQ(answer->failure().reason(), "Cancelled");
}

// promise: A-04
TEST_P(ConformanceTest, ACancelledRequestThatWaitsItsTurnIsAnsweredAtOnce) {
  Configure();
  constexpr uint64_t kBusy = 64;  // as many as any of them executes at a time
  for (uint64_t id = 1; id <= kBusy; ++id) {
    adaptor_.Execute(id, "sleep", R"({"ms": 3000000})", {}, 3'600'000);
  }
  for (int times = 0; times < 2; ++times) {  // an id is free again once it is answered
    adaptor_.Execute(100, "sleep", R"({"ms": 1})", {{.name = "data", .bytes = "x", .file = true}});
    adaptor_.Flush();
    adaptor_.Cancel(100);
    std::optional<TestAnswer> answer = adaptor_.Next();
    ASSERT_TRUE(answer.has_value());
    EXPECT_EQ(answer->result.id(), 100u);
    EXPECT_EQ(answer->failure().reason(), "Cancelled");
  }
  for (uint64_t id = 1; id <= kBusy; ++id) adaptor_.Cancel(id);
  adaptor_.Execute(101, "sleep", R"({"ms": 1})");
  adaptor_.Flush();
  std::set<uint64_t> seen;
  for (uint64_t i = 0; i <= kBusy; ++i) {
    std::optional<TestAnswer> answer = adaptor_.Next();
    ASSERT_TRUE(answer.has_value());
    seen.insert(answer->result.id());
  }
  EXPECT_EQ(seen.size(), kBusy + 1);
}

TEST_P(ConformanceTest, ARequestWhoseTimeHasPassedIsNotExecuted) {
  Configure();
  adaptor_.Execute(6, "copy", R"({"text": "late"})", {}, 0);
  adaptor_.Flush();
  std::optional<TestAnswer> answer = adaptor_.Next();
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->failure().reason(), "DeadlineExceeded");
}

// promise: A-06
TEST_P(ConformanceTest, ItExitsWhenTheSocketCloses) {
  Configure();
  adaptor_.CloseSocket();
  EXPECT_EQ(adaptor_.WaitForExit(), 0);
}

// promise: A-06
TEST_P(ConformanceTest, ItExitsWhenTheSocketClosesInTheMiddleOfARequest) {
  Configure();
  adaptor_.Execute(8, "sleep", R"({"ms": 3000000})", {}, 3'600'000);
  adaptor_.Flush();
  adaptor_.CloseSocket();
  EXPECT_EQ(adaptor_.WaitForExit(), 0);
}

TEST_P(ConformanceTest, AnOverlongFrameEndsIt) {
  Configure();
  adaptor_.SendRaw(std::string("\x01\x00\x40\x00", 4));  // one byte beyond 4 MiB
  EXPECT_EQ(adaptor_.WaitForExit(), 1);
}

TEST_P(ConformanceTest, GarbageEndsIt) {
  Configure();
  adaptor_.SendRaw(std::string("\x04\x00\x00\x00\xff\xff\xff\xff", 8));
  EXPECT_EQ(adaptor_.WaitForExit(), 1);
}

TEST_P(ConformanceTest, AnInputThatIsNoSealedFileIsRefused) {
  Configure();
  v1::ToAdaptor message;
  message.mutable_execute()->set_id(9);
  message.mutable_execute()->set_operation("copy");
  message.mutable_execute()->set_timeout_ms(60'000);
  v1::Input& input = *message.mutable_execute()->add_inputs();
  input.set_name("data");
  input.set_size(5);
  input.set_file(true);  // and no descriptor beside it
  std::string body = message.SerializeAsString();
  adaptor_.SendRaw(std::string(1, static_cast<char>(body.size())) + std::string(3, '\0') + body);
  EXPECT_EQ(adaptor_.WaitForExit(), 1);
}

INSTANTIATE_TEST_SUITE_P(
    Kits, ConformanceTest,
    testing::Values(Command{"Cpp", {FRACTOS_BIN_DIR "/fractos-adaptor", "echo"}},
                    Command{"Python",
                            {"python3", FRACTOS_SOURCE_DIR "/tests/unit/adaptors/python_echo.py"}}),
    testing::PrintToStringParamName());

}  // namespace
}  // namespace fractos
