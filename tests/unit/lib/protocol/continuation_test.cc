#include "lib/protocol/continuation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/lib/protocol/builders.h"

namespace fractos {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class RestFromTest : public ::testing::Test {
 protected:
  RestFromTest() {
    for (const std::string cluster : {"default/a", "default/b", "default/c"}) {
      book_.Learn({cluster, {"unix:/" + cluster}, 0, 1});
    }
    OperationSignature signature;
    signature.cluster = "default/c";
    signature.operation = "multiply";
    signatures_ = {signature};
  }

  static std::vector<std::string> Clusters(const Continuation& rest) {
    std::vector<std::string> names;
    for (const ClusterView& view : rest.clusters) names.push_back(view.cluster);
    return names;
  }

  LeaderBook book_;
  std::vector<OperationSignature> signatures_;
};

TEST_F(RestFromTest, TakesTheClustersOfTheStepsOnce) {
  const StepPtr first = NewStep("first", {}, "default/b");
  const Continuation rest =
      RestFrom(first,
               {NewStep("second", {"first"}, "default/a"), NewStep("aside", {}, "default/c"),
                NewStep("third", {"second"}, "default/b")},
               signatures_, book_);
  EXPECT_EQ(rest.steps.size(), 3u);
  EXPECT_THAT(Clusters(rest), ElementsAre("default/b", "default/a"));
  EXPECT_THAT(rest.signatures, IsEmpty()) << "nothing refines";
}

TEST_F(RestFromTest, WhereAStepRefinesTakesWhatItMayRefineToAndWhereThatIs) {
  std::shared_ptr<Step> power = NewStep("power", {"first"}, "default/a");
  power->refines_to = {signatures_[0].Key()};
  const Continuation rest =
      RestFrom(NewStep("first", {}, "default/a"), {power}, signatures_, book_);
  EXPECT_EQ(rest.signatures, signatures_);
  EXPECT_THAT(Clusters(rest), ElementsAre("default/a", "default/c"));
  EXPECT_THAT(ClustersOf(rest), ElementsAre("default/a", "default/c"));
}

}  // namespace
}  // namespace fractos
