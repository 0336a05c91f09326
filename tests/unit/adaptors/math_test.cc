// Exactness, bounds and refinement of the math adaptor.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "adaptors/math/integer.h"
#include "adaptors/math/math_device.h"

namespace fractos {
namespace {

using adaptor::Answer;
using adaptor::Arguments;
using adaptor::Failure;
using adaptor::Input;
using adaptor::RefinedStep;
using adaptor::Request;

class MathTest : public testing::Test {
 protected:
  Answer Execute(const std::string& operation, const std::string& arguments,
                 std::vector<std::pair<std::string, std::string>> inputs = {}) {
    Request request;
    request.operation = operation;
    request.arguments = Arguments::Parse(arguments, "argument").value();
    for (auto& [name, bytes] : inputs) request.inputs.push_back(Input::Inline(name, bytes));
    return device_.Execute(request);
  }
  // The value, or the failure's reason.
  std::string Result(const std::string& operation, const std::string& arguments,
                     std::vector<std::pair<std::string, std::string>> inputs = {}) {
    Answer answer = Execute(operation, arguments, std::move(inputs));
    if (auto* failure = std::get_if<Failure>(&answer.content())) return failure->reason;
    return std::get<std::string>(answer.content());
  }
  MathDevice device_;
};

// promise: A-12
TEST_F(MathTest, ResultsAreExact) {
  EXPECT_EQ(Result("add", R"({"a": 2, "b": 3})"), "5");
  EXPECT_EQ(Result("add", R"({"a": "99999999999999999999", "b": 1})"), "100000000000000000000");
  EXPECT_EQ(Result("subtract", R"({"a": 2, "b": "3"})"), "-1");
  EXPECT_EQ(Result("multiply", R"({"a": "123456789012345678901234567890", "b": -9})"),
            "-1111111101111111110111111111010");
  EXPECT_EQ(Result("shiftLeft", R"({"a": -3, "b": 70})"), "-3541774862152233910272");
  EXPECT_EQ(Result("factorial", R"({"n": 25})"), "15511210043330985984000000");
  EXPECT_EQ(Result("factorial", R"({"n": 0})"), "1");
}

// promise: B-22
TEST_F(MathTest, DivisionTruncatesTowardsZero) {
  EXPECT_EQ(Result("divide", R"({"a": 7, "b": 2})"), "3");
  EXPECT_EQ(Result("divide", R"({"a": -7, "b": 2})"), "-3");
  EXPECT_EQ(Result("divide", R"({"a": 7, "b": 0})"), "DivisionByZero");
}

// promise: G-17
TEST_F(MathTest, AnOperandIsAnArgumentOrAnInputOfItsName) {
  EXPECT_EQ(Result("multiply", R"({"b": 6})", {{"a", " 7\n"}}), "42");
  EXPECT_EQ(Result("multiply", "{}", {{"a", "7"}, {"b", "6"}}), "42");
  EXPECT_EQ(Result("multiply", R"({"a": 1, "b": 6})", {{"a", "7"}}), "InvalidArgument");
  EXPECT_EQ(Result("multiply", R"({"b": 6})"), "InvalidArgument");
}

TEST_F(MathTest, WhatIsNoDecimalIntegerIsRefused) {
  for (const char* text : {"", "-", "1.5", "0x10", "1e3", "seven", "1 2", "--1"}) {
    EXPECT_EQ(Result("add", R"({"b": 6})", {{"a", text}}), "InvalidArgument") << text;
  }
  EXPECT_EQ(Result("add", R"({"a": 1.5, "b": 6})"), "InvalidArgument");
  EXPECT_EQ(Result("add", R"({"a": 123456789012345678901234567890, "b": 6})"), "InvalidArgument");
  EXPECT_EQ(Result("add", R"({"a": "010", "b": 0})"), "10") << "never octal";
}

// promise: A-12
TEST_F(MathTest, ResultsBeyondTheBoundFailBeforeTheyAreComputed) {
  std::string most(kMaxDigits, '9');
  EXPECT_EQ(Result("add", "{}", {{"a", most}, {"b", "0"}}), "TooLarge");
  EXPECT_EQ(Result("multiply", "{}", {{"a", most}, {"b", most}}), "TooLarge");
  EXPECT_EQ(Result("add", "{}", {{"a", most + "9"}, {"b", "0"}}), "InvalidArgument");
  std::string at_bound =
      Result("shiftLeft", R"({"a": 1, "b": )" + std::to_string(kMaxBits - 1) + "}");
  EXPECT_EQ(at_bound.size(), kMaxDigits);
  EXPECT_EQ(Result("shiftLeft", R"({"a": 1, "b": )" + std::to_string(kMaxBits) + "}"), "TooLarge");
  EXPECT_EQ(Result("shiftLeft", R"({"a": 1, "b": "99999999999999999999999"})"), "TooLarge");
  EXPECT_EQ(Result("shiftLeft", R"({"a": 1, "b": -1})"), "InvalidArgument");
  EXPECT_EQ(Result("factorial", R"({"n": )" + std::to_string(kMaxFactorial + 1) + "}"), "TooLarge");
  EXPECT_EQ(Result("factorial", R"({"n": -1})"), "InvalidArgument");
}

TEST_F(MathTest, TheLargestFactorialFits) {
  EXPECT_EQ(Result("factorial", R"({"n": )" + std::to_string(kMaxFactorial) + "}").size(), 99'996u);
}

// promise: G-16
TEST_F(MathTest, SumTakesInputsAndTerms) {
  EXPECT_EQ(Result("sum", "{}"), "0");
  EXPECT_EQ(Result("sum", R"({"terms": ["1", "-4"]})", {{"x", "10"}, {"y", "100"}}), "107");
  EXPECT_EQ(Result("sum", R"({"terms": ["one"]})"), "InvalidArgument");
}

// Does what a daemon would do with the steps.
std::string RunSteps(MathDevice& device, const std::vector<RefinedStep>& steps,
                     const std::string& base) {
  std::vector<std::string> results;
  for (const RefinedStep& step : steps) {
    EXPECT_EQ(step.cluster, ".");
    Request request;
    request.operation = step.operation;
    request.arguments = Arguments::Parse(step.arguments_json, "argument").value();
    for (const auto& [input, source] : step.inputs) {
      const auto* index = std::get_if<uint32_t>(&source);
      EXPECT_TRUE(index == nullptr || *index < results.size()) << "a later step";
      request.inputs.push_back(Input::Inline(input, index == nullptr ? base : results[*index]));
    }
    Answer answer = device.Execute(request);
    results.push_back(std::get<std::string>(answer.content()));
  }
  return results.back();
}

// promise: A-13
TEST_F(MathTest, PowerGrowsTheGraphByExponentMinusOneMultiplications) {
  for (bool base_is_input : {false, true}) {
    Answer answer = base_is_input ? Execute("power", R"({"exponent": 100})", {{"base", "3"}})
                                  : Execute("power", R"({"base": 3, "exponent": 100})");
    const auto& steps = std::get<std::vector<RefinedStep>>(answer.content());
    EXPECT_EQ(steps.size(), 99u);
    for (const RefinedStep& step : steps) EXPECT_EQ(step.operation, "multiply");
    EXPECT_EQ(RunSteps(device_, steps, "3"), "515377520732011331036461129765621272702107522001");
  }
}

TEST_F(MathTest, SmallPowersAnswerAtOnce) {
  EXPECT_EQ(Result("power", R"({"base": 7, "exponent": 0})"), "1");
  EXPECT_EQ(Result("power", R"({"base": "-7", "exponent": 1})"), "-7");
}

// promise: A-13
TEST_F(MathTest, PowersBeyondTheBoundFail) {
  Answer most = Execute("power", R"({"base": 2, "exponent": 255})");
  EXPECT_EQ(std::get<std::vector<RefinedStep>>(most.content()).size(), 254u);
  EXPECT_EQ(Result("power", R"({"base": 2, "exponent": 256})"), "TooManySteps");
  EXPECT_EQ(Result("power", R"({"base": 2, "exponent": "1000000000000000000000"})"),
            "TooManySteps");
  EXPECT_EQ(Result("power", R"({"base": 2, "exponent": -1})"), "InvalidArgument");
  EXPECT_EQ(Result("power", R"({"exponent": 200})", {{"base", std::string(1000, '9')}}),
            "TooLarge");
}

}  // namespace
}  // namespace fractos
