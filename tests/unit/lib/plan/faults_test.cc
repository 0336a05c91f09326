// Each fault is said once, where it is, and nothing that follows from it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "lib/base/limits.h"
#include "lib/plan/arguments.h"
#include "tests/unit/lib/plan/devices.h"

namespace fractos {
namespace {

using std::chrono::hours;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

size_t Lines(const std::string& faults) { return std::count(faults.begin(), faults.end(), '\n'); }

// Whatever a reference stands for, it is not of the wrong type as well.
// promise: G-15
TEST(FaultsTest, WhatIsNotKnownIsNotOfTheWrongTypeToo) {
  for (const char* argument :
       {"count: $(b)", "count: $(parameters.zz)", "count: $(failure.step)", "color: $(b)",
        "color: $(parameters.zz)", "color: $(failure.step)"}) {
    const std::string faults = CheckStep("take", absl::StrCat("arguments: {", argument, "}"));
    EXPECT_EQ(Lines(faults), 1u) << faults;
  }
}

TEST(FaultsTest, AnArgumentThatIsNotKnownIsNotLookedInto) {
  const std::string faults = CheckStep("take", "arguments: {texxt: $(b)}");
  EXPECT_THAT(faults, HasSubstr("has no argument \"texxt\""));
  EXPECT_EQ(Lines(faults), 1u) << faults;
}

TEST(FaultsTest, ThatArgumentsAreTooLongIsSaidOnce) {
  std::string text;
  for (int i = 0; i < 70; ++i) text += "$(parameters.p)";
  const std::string faults = Check(absl::StrCat(
      "  parameters: [{name: p, value: ", std::string(4096, 'x'),
      "}]\n  steps: [{name: s, device: tool, operation: take, arguments: {text: ", text, "}}]\n"));
  EXPECT_THAT(faults, HasSubstr("arguments are more than 262144 bytes"));
  EXPECT_EQ(Lines(faults), 1u) << faults;
}

// What failed may be as long as is let through of it, wherever it is put in.
// promise: G-11
TEST(FaultsTest, WhatFailedCountsInArguments) {
  const auto faults = [](size_t references) {
    std::string text;
    for (size_t i = 0; i < references; ++i) text += "$(failure.message)";
    return Check(absl::StrCat(
        "  steps: [{name: a, device: tool, operation: chance}]\n  onFailure: [{name: b, device: "
        "tool, operation: take, arguments: {text: ",
        text, "}}]\n"));
  };
  EXPECT_EQ(faults(kMaxSpecBytes / kMaxFailureText), "");
  EXPECT_THAT(faults(kMaxSpecBytes / kMaxFailureText + 1), HasSubstr("more than 262144 bytes"));
}

TEST(FaultsTest, WordsThatAreNoReferencesStay) {
  EXPECT_EQ(SubstituteFailure(R"({"t":"step"})", "s", "r", "m"), R"({"t":"step"})");
}

TEST(FaultsTest, AStepMayHaveAnInputAndAPredecessorOfOneName) {
  EXPECT_EQ(CheckStep("join", "inputs: {s: s}, after: [s]"), "");
  EXPECT_THAT(CheckStep("join", "inputs: {s: s}, after: [s, s]"), HasSubstr("after[1]: \"s\" is"));
}

// promise: B-12
TEST(FaultsTest, OfAGraphWithTooManyStepsNothingElseIsSaid) {
  std::string spec = "  steps:\n";
  for (int i = 0; i < 257; ++i) spec += "  - {name: s, device: nobody, operation: x}\n";
  EXPECT_EQ(Lines(Check(spec)), 1u);
}

// promise: G-15, L-12
TEST(FaultsTest, ADeadlineIsFoundWhereItStands) {
  EXPECT_EQ(Faults("{apiVersion: fractos.dev/v1alpha1, kind: TaskGraph, metadata: {name: g}, "
                   "spec: {deadline: 2h, steps: [{name: s, device: tool, operation: chance}]}}",
                   "f", Devices()),
            "f:1:91: spec.deadline: must be 1ms to 1h, not 2h\n");
  TaskGraph made;
  made.name = "g";
  made.mark = {"f", 7, 3};
  made.deadline = hours(2);
  made.steps.resize(1);
  made.steps[0].name = "s";
  made.steps[0].device = "tool";
  made.steps[0].operation = "chance";
  const std::vector<Diagnostic> found = Validate(made, Devices(), {});
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_EQ(found[0].mark.line, 7) << "what was made in code stands where its graph does";
}

TEST(FaultsTest, AnAmbiguousWordIsCalledSo) {
  EXPECT_THAT(CheckStep("chance", "retry: {limit: yes}"),
              HasSubstr("retry.limit: must be an integer, not ambiguous"));
}

// A device that has yet to describe itself may have what others refine to.
TEST(FaultsTest, RefinementsToWhatIsNotDescribedYetAreLetThrough) {
  const std::string faults = Faults(File("  steps: [{name: s, device: tool, operation: stray}]\n"),
                                    "f", Devices(), {}, {"default/nowhere"});
  EXPECT_EQ(Lines(faults), 1u) << faults;
  EXPECT_THAT(faults, Not(HasSubstr("nowhere")));
}

class NeedsTest : public ::testing::Test {
 protected:
  static std::string With(const std::string& operation, absl::string_view rest) {
    constexpr char kDevice[] = R"({"device":"tool","operations":[
      {"name":"start"},
      {"name":"both","arguments":[{"name":"x","type":"integer","required":true}],
       "inputs":[{"name":"x","required":true}]},
      {"name":"input","inputs":[{"name":"x","required":true}],
       "arguments":[{"name":"y","type":"integer"}]}]})";
    return Faults(
        File(absl::StrCat("  steps: [{name: s, device: tool, operation: start}, {name: it, device: "
                          "tool, operation: ",
                          operation, ", ", rest, "}]\n")),
        "f", {{"default/tool", *ParseDeviceDescription(kDevice)}});
  }
};

TEST_F(NeedsTest, WhatMayBeGivenEitherWayIsMissedOnce) {
  EXPECT_EQ(Lines(With("both", "after: [s]")), 1u);
  EXPECT_EQ(With("both", "inputs: {x: s}"), "");
  EXPECT_EQ(With("both", "arguments: {x: 1}"), "");
}

TEST_F(NeedsTest, AnInputIsNotGivenByAnArgumentThatThereIsNot) {
  const std::string faults = With("input", "arguments: {x: 1}");
  EXPECT_THAT(faults, HasSubstr("has no argument \"x\""));
  EXPECT_THAT(faults, HasSubstr("inputs.x: is required by \"input\""));
}

TEST(FaultsTest, APatternThatWouldTakeTooMuchMemoryIsRefused) {
  const auto faults = [](int times) {
    return CheckStep("pass", absl::StrCat("inputs: {data: s}, when: {input: data, matches: '(",
                                          std::string(100, '.'), "){", times, "}'}"));
  };
  EXPECT_EQ(faults(40), "");
  // RE2 compiles it in 2 MiB, and by itself would take up to 8.
  EXPECT_THAT(faults(100), HasSubstr("is no regular expression"));
}

}  // namespace
}  // namespace fractos
