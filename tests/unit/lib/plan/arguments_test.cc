#include "lib/plan/arguments.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/lib/plan/devices.h"

namespace fractos {
namespace {

using ::testing::HasSubstr;

TEST(ArgumentsTest, EachTypeTakesItsOwn) {
  EXPECT_EQ(CheckStep("take",
                      "arguments: {text: a, count: 5, ratio: 2.5, flag: true, list: [a, b], "
                      "map: {a: [1]}, color: red, colors: [green, red]}"),
            "");
  EXPECT_EQ(CheckStep("take", "arguments: {ratio: 5, count: '12', list: [], map: {}, colors: []}"),
            "");
}

TEST(ArgumentsTest, WrongTypesAreNamed) {
  const auto wrong = [](absl::string_view argument) {
    return CheckStep("take", absl::StrCat("arguments: {", argument, "}"));
  };
  EXPECT_THAT(wrong("text: 5"),
              HasSubstr("arguments.text: must be text; write it in quotes: \"5\""));
  EXPECT_THAT(wrong("text: true"), HasSubstr("must be text; write it in quotes: \"true\""));
  EXPECT_THAT(wrong("text: [a]"), HasSubstr("must be text, not a list"));
  EXPECT_THAT(wrong("text: {a: b}"), HasSubstr("must be text, not a map"));
  EXPECT_THAT(wrong("count: 1.5"), HasSubstr("must be an integer, not 1.5"));
  EXPECT_THAT(wrong("count: 1e3"), HasSubstr("must be an integer, not 1000.0"));
  EXPECT_THAT(wrong("count: true"), HasSubstr("must be an integer, not true"));
  EXPECT_THAT(wrong("count: '1x'"), HasSubstr("must be an integer, not text \"1x\""));
  EXPECT_THAT(wrong("count: ''"), HasSubstr("must be an integer, not text \"\""));
  EXPECT_THAT(wrong("ratio: '2.5'"), HasSubstr("must be a number, not text \"2.5\""));
  EXPECT_THAT(wrong("ratio: '5'"), HasSubstr("must be a number, not text \"5\""));
  EXPECT_THAT(wrong("ratio: [1]"), HasSubstr("must be a number, not a list"));
  EXPECT_THAT(wrong("flag: 'true'"), HasSubstr("must be true or false, not text \"true\""));
  EXPECT_THAT(wrong("flag: 1"), HasSubstr("must be true or false, not 1"));
  EXPECT_THAT(wrong("list: a"), HasSubstr("must be a list of texts, not text \"a\""));
  EXPECT_THAT(wrong("list: {a: b}"), HasSubstr("must be a list of texts, not a map"));
  EXPECT_THAT(wrong("list: [a, 1]"), HasSubstr("must be a list of texts, not 1"));
  EXPECT_THAT(wrong("map: a"), HasSubstr("must be a map, not text \"a\""));
  EXPECT_THAT(wrong("map: [a]"), HasSubstr("must be a map, not a list"));
  EXPECT_THAT(wrong("color: blue"), HasSubstr("must be one of red, green, not \"blue\"\n"));
  EXPECT_THAT(wrong("color: gren"), HasSubstr("not \"gren\", did you mean \"green\"?"));
  EXPECT_THAT(wrong("colors: [red, blue]"), HasSubstr("must be one of red, green, not \"blue\""));
}

// Types are checked on the substituted text.
TEST(ArgumentsTest, AWholeReferenceBecomesTheTypeThatIsWanted) {
  EXPECT_EQ(Taken("{count: $(parameters.n)}"), R"({"count":5})");
  EXPECT_EQ(Taken("{count: $(parameters.n)}", {{"n", "18446744073709551616"}}),
            R"({"count":"18446744073709551616"})");
  EXPECT_EQ(Taken("{ratio: $(parameters.n)}"), R"({"ratio":5})");
  EXPECT_EQ(Taken("{ratio: $(parameters.n)}", {{"n", "-2.5e1"}}), R"({"ratio":-25.0})");
  EXPECT_EQ(Taken("{ratio: $(parameters.n)}", {{"n", "18446744073709551616"}}),
            R"({"ratio":1.8446744073709552e+19})");
  EXPECT_EQ(Taken("{flag: $(parameters.n)}", {{"n", "true"}}), R"({"flag":true})");
  EXPECT_EQ(Taken("{flag: $(parameters.n)}", {{"n", "false"}}), R"({"flag":false})");
  EXPECT_EQ(Taken("{text: $(parameters.n)}"), R"({"text":"5"})");
  EXPECT_EQ(Taken("{color: $(parameters.n)}", {{"n", "red"}}), R"({"color":"red"})");
  EXPECT_EQ(Taken("{colors: [$(parameters.n)]}", {{"n", "red"}}), R"({"colors":["red"]})");
  EXPECT_EQ(Taken("{map: {a: [$(parameters.n), 1]}}"), R"({"map":{"a":["5",1]}})");
}

TEST(ArgumentsTest, ParametersOfTheWrongTypeAreFound) {
  const auto wrong = [](absl::string_view argument, absl::string_view value) {
    return Check(absl::StrCat("  parameters: [{name: 'n'}]\n  steps: [{name: a, device: tool, "
                              "operation: take, arguments: {",
                              argument, "}}]\n"),
                 {{"n", std::string(value)}});
  };
  EXPECT_THAT(wrong("count: $(parameters.n)", "five"), HasSubstr("must be an integer, not text"));
  EXPECT_THAT(wrong("count: $(parameters.n)", "1.0"), HasSubstr("must be an integer"));
  EXPECT_THAT(wrong("ratio: $(parameters.n)", "inf"), HasSubstr("must be a number"));
  EXPECT_THAT(wrong("ratio: $(parameters.n)", "1e999"), HasSubstr("must be a number"));
  EXPECT_THAT(wrong("ratio: 1$(parameters.n)", "1.5"), HasSubstr("must be a number"));
  EXPECT_THAT(wrong("flag: $(parameters.n)", "yes"), HasSubstr("must be true or false"));
  EXPECT_THAT(wrong("color: $(parameters.n)", "blue"), HasSubstr("must be one of red, green"));
  EXPECT_THAT(wrong("list: $(parameters.n)", "a"), HasSubstr("must be a list of texts"));
  EXPECT_EQ(wrong("count: 1$(parameters.n)", "0"), "");
}

// Type integer accepts a JSON integer or, however big, a decimal string: equal numbers are equal
// text.
TEST(ArgumentsTest, IntegersAreCanonical) {
  EXPECT_EQ(Taken("{count: '007'}"), R"({"count":7})");
  EXPECT_EQ(Taken("{count: '+7'}"), R"({"count":7})");
  EXPECT_EQ(Taken("{count: '-0'}"), R"({"count":0})");
  EXPECT_EQ(Taken("{count: '-007'}"), R"({"count":-7})");
  EXPECT_EQ(Taken("{count: '0009223372036854775808'}"), R"({"count":"9223372036854775808"})");
  EXPECT_EQ(Taken("{count: 9223372036854775808}"), R"({"count":"9223372036854775808"})");
  EXPECT_EQ(Taken("{count: -9223372036854775808}"), R"({"count":-9223372036854775808})");
}

// promise: G-03
TEST(ArgumentsTest, ReferencesStandAnywhereInTextAndCanBeEscaped) {
  EXPECT_EQ(Taken("{text: a$(parameters.n)b$(parameters.n)}"), R"({"text":"a5b5"})");
  EXPECT_EQ(Taken("{text: $$(parameters.n)}"), R"j({"text":"$(parameters.n)"})j");
  EXPECT_EQ(Taken("{text: $$$(parameters.n)}"), R"j({"text":"$$(parameters.n)"})j");
  EXPECT_EQ(Taken("{text: '$ ( $'}"), R"({"text":"$ ( $"})");
  EXPECT_EQ(Taken("{text: $(parameters.e)}"), R"({"text":""})");
  // What a parameter holds is not looked at again.
  EXPECT_EQ(Taken("{text: $(parameters.n)}", {{"n", "$(parameters.n)"}}),
            R"j({"text":"$(parameters.n)"})j");
}

TEST(FailureTest, StaysUntilSubstituted) {
  const std::string arguments = TakenOnFailure(
      "{text: '$(parameters.n) $(failure.step): $(failure.reason) $(failure.message)'}");
  EXPECT_EQ(arguments, R"j({"text":"5 $(failure.step): $(failure.reason) $(failure.message)"})j");
  EXPECT_EQ(SubstituteFailure(arguments, "read", "NotFound", "no \"cat\"\n"),
            R"({"text":"5 read: NotFound no \"cat\"\n"})");
}

TEST(FailureTest, IsPutIntoListsAndMapsToo) {
  EXPECT_EQ(SubstituteFailure(
                TakenOnFailure("{list: [x, $(failure.step)], map: {a: {b: $(failure.reason)}}}"),
                "s", "R", "m"),
            R"({"list":["x","s"],"map":{"a":{"b":"R"}}})");
  EXPECT_EQ(SubstituteFailure(R"({"n":1})", "s", "R", "m"), R"({"n":1})");
}

// Neither an escape, nor a parameter, nor what failed can smuggle in a reference.
TEST(FailureTest, WhatIsLiteralStaysLiteral) {
  const auto final = [](absl::string_view text, const std::string& n) {
    return SubstituteFailure(TakenOnFailure(absl::StrCat("{text: '", text, "'}"), {{"n", n}}), "S",
                             "$(failure.step)", "M");
  };
  EXPECT_EQ(final("$$(failure.step)", ""), R"j({"text":"$(failure.step)"})j");
  EXPECT_EQ(final("$(parameters.n)", "$(failure.step)"), R"j({"text":"$(failure.step)"})j");
  EXPECT_EQ(final("$(parameters.n)(failure.step)", "$"), R"j({"text":"$(failure.step)"})j");
  EXPECT_EQ(final("$(failure.reason)", ""), R"j({"text":"$(failure.step)"})j");
  EXPECT_EQ(final("$$(a)$(failure.step)$$(b)", ""), R"j({"text":"$(a)S$(b)"})j");
}

TEST(FailureTest, LongTextsAreCutBetweenCharacters) {
  const auto text = [](const std::string& message) {
    return SubstituteFailure(R"j({"t":"$(failure.message)"})j", "s", "r", message).size() - 8;
  };
  EXPECT_EQ(text(std::string(kMaxFailureText, 'x')), kMaxFailureText);
  EXPECT_EQ(text(std::string(kMaxFailureText + 1, 'x')), kMaxFailureText);
  EXPECT_EQ(text(std::string(kMaxFailureText - 1, 'x') + "é"), kMaxFailureText - 1);
  EXPECT_EQ(text(std::string(kMaxFailureText - 2, 'x') + "é"), kMaxFailureText);
}

TEST(FailureTest, TextThatIsNoJsonIsLeftAlone) {
  EXPECT_EQ(SubstituteFailure("{", "s", "r", "m"), "{");
  EXPECT_EQ(SubstituteFailure(R"j({"t":"$(x)"})j", "s", "r", "m"), R"j({"t":"$(x)"})j");
}

TEST(FailureTest, OnlyTextInOnFailureMayUseIt) {
  EXPECT_THAT(CheckStep("take", "arguments: {text: $(failure.step)}"),
              HasSubstr("known only to steps of onFailure"));
  const auto on_failure = [](absl::string_view argument) {
    return Check(
        absl::StrCat("  steps: [{name: a, device: tool, operation: chance}]\n  onFailure: "
                     "[{name: b, device: tool, operation: take, arguments: {",
                     argument, "}}]\n"));
  };
  EXPECT_EQ(on_failure("text: $(failure.step)"), "");
  EXPECT_THAT(on_failure("count: $(failure.step)"), HasSubstr("must be an integer"));
  EXPECT_THAT(on_failure("color: $(failure.step)"), HasSubstr("cannot depend on what failed"));
}

}  // namespace
}  // namespace fractos
