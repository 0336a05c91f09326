#include "lib/protocol/identity.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "tests/unit/lib/protocol/builders.h"

namespace fractos {
namespace {

const RunId kRun = NamedId<RunId>("run");
const ResultId kOne = NamedId<ResultId>("one");
const ResultId kTwo = NamedId<ResultId>("two");

// promise: H-04
TEST(LineageTest, IsADigestOfThePredecessorsResultIds) {
  EXPECT_EQ(ComputeLineage({kOne, kTwo}), ComputeLineage({kOne, kTwo}));
  EXPECT_NE(ComputeLineage({kOne}), ComputeLineage({kTwo}));
  EXPECT_NE(ComputeLineage({kOne, kTwo}), ComputeLineage({kOne}));
  EXPECT_NE(ComputeLineage({}), ComputeLineage({kOne}));
}

TEST(LineageTest, TellsOneInputFromAnother) {
  EXPECT_NE(ComputeLineage({kOne, kTwo}), ComputeLineage({kTwo, kOne}));
}

// promise: H-05
TEST(ResultIdTest, TwoExecutionsThatAgreeAreOne) {
  const AttemptKey attempt{kRun, "step", ComputeLineage({kOne})};
  const AttemptKey again{kRun, "step", ComputeLineage({kOne})};
  const ResultId id = ComputeResultId(attempt, "Succeeded", Digest::Of("bytes"));
  EXPECT_EQ(id, ComputeResultId(again, "Succeeded", Digest::Of("bytes")));
  EXPECT_NE(id, ComputeResultId(attempt, "Succeeded", Digest::Of("other bytes")));
}

// promise: H-05
TEST(ResultIdTest, CoversEverythingThatTellsResultsApart) {
  const Lineage lineage = ComputeLineage({kOne});
  const Digest bytes = Digest::Of("bytes");
  const std::vector<ResultId> ids = {
      ComputeResultId({kRun, "step", lineage}, "Succeeded", bytes),
      ComputeResultId({NamedId<RunId>("another run"), "step", lineage}, "Succeeded", bytes),
      ComputeResultId({kRun, "another step", lineage}, "Succeeded", bytes),
      ComputeResultId({kRun, "step", ComputeLineage({kTwo})}, "Succeeded", bytes),
      ComputeResultId({kRun, "step", lineage}, "Refined", bytes),
  };
  EXPECT_EQ(std::set<ResultId>(ids.begin(), ids.end()).size(), ids.size());
}

// The attempt key, and with it the idempotency key that the adaptor gets.
// promise: A-18
TEST(IdempotencyKeyTest, IsTheSameForTheSameWorkAndDiffersOtherwise) {
  const AttemptKey key{kRun, "step", ComputeLineage({kOne})};
  EXPECT_EQ(key.IdempotencyKey(), AttemptKey(key).IdempotencyKey());
  EXPECT_NE(key.IdempotencyKey(),
            (AttemptKey{kRun, "step", ComputeLineage({kTwo})}).IdempotencyKey());
  EXPECT_NE(key.IdempotencyKey(), (AttemptKey{kRun, "step2", key.lineage}).IdempotencyKey());
  EXPECT_NE(key.IdempotencyKey(),
            (AttemptKey{NamedId<RunId>("another"), "step", key.lineage}).IdempotencyKey());
}

TEST(IdempotencyKeyTest, IsSafeAsAFileNameWhateverTheStepIsCalled) {
  const AttemptKey key{kRun, "../../etc/passwd\n", Lineage()};
  EXPECT_EQ(key.IdempotencyKey().size(), 2 * Digest::kSize);
  EXPECT_EQ(key.IdempotencyKey().find_first_not_of("0123456789abcdef"), std::string::npos);
}

// promise: H-03
TEST(RefinedPathTest, PathsNeverCollideHoweverDeepRefinementsNest) {
  // Two levels of refinement, three steps each, of two results each: all paths differ.
  std::set<StepPath> paths = {"power"};
  size_t made = 1;
  std::vector<StepPath> level = {"power"};
  for (int depth = 0; depth < 2; ++depth) {
    std::vector<StepPath> next;
    for (const StepPath& parent : level) {
      for (const char* bytes : {"one refinement", "another"}) {
        const ResultId result =
            ComputeResultId({kRun, parent, Lineage()}, "Refined", Digest::Of(bytes));
        for (size_t index = 0; index < 3; ++index) {
          next.push_back(RefinedPath(parent, index, result));
          paths.insert(next.back());
          ++made;
        }
      }
    }
    level = next;
  }
  EXPECT_EQ(paths.size(), made);
}

// promise: H-03
TEST(RefinedPathTest, IsTheSameOverRetriesAndReplicas) {
  // Nothing of who executes enters: the same refinement by another replica grows the same steps.
  const AttemptKey attempt{kRun, "power", ComputeLineage({kOne})};
  const Digest refinement = Digest::Of("[...]");
  EXPECT_EQ(RefinedPath("power", 1, ComputeResultId(attempt, "Refined", refinement)),
            RefinedPath("power", 1, ComputeResultId(attempt, "Refined", refinement)));
}

}  // namespace
}  // namespace fractos
