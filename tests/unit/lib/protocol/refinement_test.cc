#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "lib/base/limits.h"
#include "lib/base/random.h"
#include "lib/protocol/message.h"

namespace fractos {
namespace {

using ::testing::HasSubstr;

RefinedStep Multiply() {
  RefinedStep step;
  step.cluster = ".";
  step.operation = "multiply";
  step.arguments = R"({"by":2})";
  return step;
}

Refinement Example() {
  RefinedStep first = Multiply();
  first.inputs.push_back({"a", -1, "base"});
  RefinedStep second = Multiply();
  second.cluster = "other/math";
  second.inputs.push_back({"a", 0, ""});
  second.inputs.push_back({"b", -1, "base"});
  second.after.push_back(0);
  return {first, second};
}

TEST(EncodeRefinementTest, ReadsBackAsItWas) {
  const absl::StatusOr<Refinement> read = DecodeRefinement(EncodeRefinement(Example()));
  ASSERT_TRUE(read.ok()) << read.status();
  ASSERT_EQ(read->size(), 2u);
  EXPECT_EQ((*read)[0].cluster, ".");
  EXPECT_EQ((*read)[0].operation, "multiply");
  EXPECT_EQ((*read)[0].arguments, R"({"by":2})");
  ASSERT_EQ((*read)[0].inputs.size(), 1u);
  EXPECT_EQ((*read)[0].inputs[0].own_input, "base");
  EXPECT_EQ((*read)[1].cluster, "other/math");
  ASSERT_EQ((*read)[1].inputs.size(), 2u);
  EXPECT_EQ((*read)[1].inputs[0].input, "a");
  EXPECT_EQ((*read)[1].inputs[0].step, 0);
  EXPECT_EQ((*read)[1].inputs[0].own_input, "");
  EXPECT_EQ((*read)[1].inputs[1].own_input, "base");
  EXPECT_EQ((*read)[1].after, std::vector<int>{0});
}

// The bytes are a value, and the result id is their digest: two replicas that refine alike agree.
TEST(EncodeRefinementTest, IsTheSameForTheSameRefinementAndDiffersForAnother) {
  EXPECT_EQ(EncodeRefinement(Example()), EncodeRefinement(Example()));
  Refinement other = Example();
  other[1].after.clear();
  EXPECT_NE(EncodeRefinement(Example()), EncodeRefinement(other));
}

// Daemons of one run may be of different builds: the bytes are as they have always been.
// promise: H-05
TEST(EncodeRefinementTest, HasTheseBytes) {
  Refinement refinement = Example();
  refinement[0].arguments = R"({"text":"\u00e9 or é"})";
  EXPECT_EQ(EncodeRefinement(refinement),
            R"json([{"after":[],"arguments":"{\"text\":\"\\u00e9 or é\"}","cluster":".",)json"
            R"json("inputs":[{"input":"a","own":"base"}],"operation":"multiply"},)json"
            R"json({"after":[0],"arguments":"{\"by\":2}","cluster":"other/math",)json"
            R"json("inputs":[{"input":"a","step":0},{"input":"b","own":"base"}],)json"
            R"json("operation":"multiply"}])json");
}

TEST(EncodeRefinementTest, TakesTextThatIsNotUtf8) {
  Refinement refinement = {Multiply()};
  refinement[0].arguments = "\xff\xfe";
  EXPECT_TRUE(DecodeRefinement(EncodeRefinement(refinement)).ok());
}

TEST(DecodeRefinementTest, RefusesWhatEncodeNeverMakes) {
  const std::string good = R"("arguments":"{}","cluster":".","operation":"m")";
  const auto with = [&good](absl::string_view rest) {
    return absl::StrCat("[{", good, rest, "}]");
  };
  const std::string inputs = R"(,"inputs":[])", after = R"(,"after":[])";
  ASSERT_TRUE(DecodeRefinement(with(inputs + after)).ok());
  const std::string cases[] = {
      "",
      "not json",
      "[",
      "{}",
      "[]",
      "null",
      "[null]",
      "[[]]",
      with(""),
      with(inputs),
      with(after),
      with(inputs + after + R"(,"more":1)"),
      with(R"(,"inputs":{},"after":[])"),
      with(R"(,"inputs":[1],"after":[])"),
      with(R"(,"inputs":[{"input":"a"}],"after":[])"),
      with(R"(,"inputs":[{"input":1,"own":"x"}],"after":[])"),
      with(R"(,"inputs":[{"own":"x","step":0}],"after":[])"),
      with(R"(,"inputs":[{"input":"a","own":7}],"after":[])"),
      with(R"(,"inputs":[{"input":"a","own":"x","step":0}],"after":[])"),
      with(R"(,"inputs":[{"input":"a","step":0}],"after":[])"),  // itself
      with(R"(,"inputs":[{"input":"a","step":-1}],"after":[])"),
      with(R"(,"inputs":[{"input":"a","step":0.0}],"after":[])"),
      with(R"(,"inputs":[{"input":"a","step":18446744073709551616}],"after":[])"),
      with(R"(,"inputs":[],"after":[0])"),
      with(R"(,"inputs":[],"after":[-1])"),
      with(R"(,"inputs":[],"after":["0"])"),
      with(R"(,"inputs":[],"after":{})"),
      R"([{"arguments":1,"cluster":".","operation":"m","inputs":[],"after":[]}])",
      R"([{"arguments":"{}","cluster":null,"operation":"m","inputs":[],"after":[]}])",
      R"([{"arguments":"{}","cluster":".","inputs":[],"after":[],"x":1}])",
  };
  for (const std::string& bytes : cases) {
    const absl::StatusOr<Refinement> read = DecodeRefinement(bytes);
    ASSERT_FALSE(read.ok()) << bytes;
    EXPECT_TRUE(absl::IsInvalidArgument(read.status())) << bytes;
    EXPECT_THAT(std::string(read.status().message()), HasSubstr("refinement")) << bytes;
  }
}

TEST(DecodeRefinementTest, BoundsStepsAndInputs) {
  const Refinement most(kMaxSteps, Multiply());
  EXPECT_TRUE(DecodeRefinement(EncodeRefinement(most)).ok());
  const Refinement many(kMaxSteps + 1, Multiply());
  EXPECT_FALSE(DecodeRefinement(EncodeRefinement(many)).ok());

  Refinement wide = {Multiply()};
  wide[0].inputs.assign(kMaxInputs, {"a", -1, "base"});
  EXPECT_TRUE(DecodeRefinement(EncodeRefinement(wide)).ok());
  wide[0].inputs.push_back({"a", -1, "base"});
  EXPECT_FALSE(DecodeRefinement(EncodeRefinement(wide)).ok());

  Refinement late = {Multiply(), Multiply()};
  late[1].after.assign(kMaxSteps, 0);
  EXPECT_TRUE(DecodeRefinement(EncodeRefinement(late)).ok());
  late[1].after.push_back(0);
  EXPECT_FALSE(DecodeRefinement(EncodeRefinement(late)).ok());
}

// Whatever becomes of the bytes on their way, reading them answers.
TEST(DecodeRefinementTest, LivesThroughDamage) {
  const std::string good = EncodeRefinement(Example());
  SeededRandom random(1);
  size_t refused = 0;
  for (size_t cut = 0; cut < good.size(); ++cut) {
    refused += !DecodeRefinement(absl::string_view(good).substr(0, cut)).ok();
  }
  EXPECT_EQ(refused, good.size()) << "no prefix is a refinement";
  for (int i = 0; i < 2000; ++i) {
    std::string bytes = good;
    bytes[random.Below(bytes.size())] = static_cast<char>(random.Below(256));
    const absl::StatusOr<Refinement> read = DecodeRefinement(bytes);
    if (read.ok()) {
      EXPECT_LE(read->size(), kMaxSteps);
    }
  }
}

TEST(DecodeRefinementTest, LivesThroughDeepNesting) {
  EXPECT_FALSE(DecodeRefinement(std::string(100'000, '[')).ok());
}

}  // namespace
}  // namespace fractos
