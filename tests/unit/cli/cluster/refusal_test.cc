#include "cli/cluster/refusal.h"

#include "lib/kube/errors.h"
#include "tests/unit/cli/cluster/cluster_test.h"

namespace fractos::cluster {
namespace {

using ::testing::HasSubstr;

// promise: C-53
TEST(RefusalTest, EachFieldThatTheServerNamesIsALine) {
  const absl::Status refused = kube::MakeError(kube::ApiStatus{
      .code = 422,
      .reason = kube::kReasonInvalid,
      .message = "TaskGraph.fractos.dev \"x\" is invalid",
      .causes = {
          {"FieldValueInvalid",
           "Invalid value: \"object\": spec.steps[1].inputs.data: there is no step \"x\" above",
           "spec.steps"},
          {"FieldValueInvalid", "Invalid value: \"a \\\"b\\\"\": must be 1ms to 1h",
           "spec.deadline"},
          {"FieldValueTooLong", "Too long: may not be more than 40 bytes", "spec.steps[0].name"}}});
  const Printed printed = Capture([&] { return ComplainOfCluster(refused, "g.yaml"); });
  EXPECT_EQ(printed.code, kExitBadInput);
  EXPECT_EQ(printed.err,
            "g.yaml: spec.steps[1].inputs.data: there is no step \"x\" above\n"
            "g.yaml: spec.deadline: must be 1ms to 1h\n"
            "g.yaml: spec.steps[0].name: Too long: may not be more than 40 bytes\n");
}

TEST(RefusalTest, OtherErrorsSayWhatCanBeDone) {
  const kube::GroupVersionResource graphs = TaskGraphs("default").resource;
  const Printed forbidden =
      Capture([&] { return ComplainOfCluster(kube::ForbiddenError(graphs, "create", "")); });
  EXPECT_EQ(forbidden.code, kExitFailed);
  EXPECT_THAT(forbidden.err, HasSubstr("create"));
  EXPECT_THAT(forbidden.err, HasSubstr("ask whoever runs the cluster"));
  EXPECT_THAT(
      ExplainRefusal(kube::MakeError(kube::TransportFailure::kConnectionRefused, "nobody"), ""),
      HasSubstr("--context"));
  // The server has no such resource at all.
  EXPECT_THAT(ExplainRefusal(kube::MakeError(kube::ApiStatus{
                                 .code = 404, .reason = kube::kReasonNotFound, .message = "no"}),
                             ""),
              HasSubstr("is FractOS installed there?"));
  EXPECT_FALSE(LacksFractos(kube::NotFoundError(graphs, "x")));
  EXPECT_EQ(Capture([] { return ComplainOfCluster(absl::DeadlineExceededError("late")); }).code,
            kExitDeadline);
}

}  // namespace
}  // namespace fractos::cluster
