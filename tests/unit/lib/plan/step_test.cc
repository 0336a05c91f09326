#include "lib/plan/step.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace fractos {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

ResultId Result(char c) { return ResultId::FromBytesOrDie(std::string(16, c)); }

// "name/index@result, where name is the TaskGraph step it grew from".
TEST(StepPathTest, ARefinedStepIsNamedByRootIndexAndResult) {
  EXPECT_EQ(RefinedPath("power", 3, Result('\x11')), "power/3@11111111111111111111111111111111");
}

TEST(StepPathTest, ARefinementOfARefinementStillNamesTheRoot) {
  const StepPath first = RefinedPath("power", 0, Result('a'));
  const StepPath second = RefinedPath(first, 12, Result('\xff'));
  EXPECT_EQ(second, "power/12@ffffffffffffffffffffffffffffffff");
  EXPECT_EQ(RootStepName(second), "power");
}

TEST(StepPathTest, PathsDifferByIndexAndByParentResult) {
  EXPECT_NE(RefinedPath("a", 0, Result('a')), RefinedPath("a", 1, Result('a')));
  EXPECT_NE(RefinedPath("a", 0, Result('a')), RefinedPath("a", 0, Result('b')));
}

TEST(StepPathTest, TheRootOfAStepOfTheGraphIsItself) {
  EXPECT_EQ(RootStepName("read"), "read");
  EXPECT_EQ(RootStepName(""), "");
}

// "Every predecessor once, in the order inputs then after."
TEST(StepTest, PredecessorsAreInputsThenAfterEachOnce) {
  Step step;
  step.inputs = {{"x", "b", false}, {"y", "a", true}, {"z", "b", false}};
  step.after = {"c", "a", "d", "c"};
  EXPECT_THAT(step.Predecessors(), ElementsAre("b", "a", "c", "d"));
}

// "Empty: a root." Values that are known already are no predecessors.
TEST(StepTest, AStepWithBoundInputsOnlyIsARoot) {
  Step step;
  step.bound.push_back({"x", Value(), false});
  EXPECT_THAT(step.Predecessors(), IsEmpty());
}

TEST(StepTest, ASignatureIsKeyedByClusterAndOperation) {
  OperationSignature signature;
  signature.cluster = "default/math";
  signature.operation = "multiply";
  EXPECT_EQ(signature.Key(), "default/math:multiply");
}

}  // namespace
}  // namespace fractos
