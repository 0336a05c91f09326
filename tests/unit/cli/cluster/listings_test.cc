#include "cli/cluster/listings.h"

#include "lib/kube/errors.h"
#include "nlohmann/json.hpp"
#include "tests/unit/cli/cluster/cluster_test.h"

namespace fractos::cluster {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class ListingsTest : public ClusterTest {
 protected:
  Printed Print(ExitCode (*list)(const Target&, const std::string&), const char* format = "text") {
    return Capture([&] { return list(target_, format); });
  }
};

// promise: C-57
TEST_F(ListingsTest, RunsAreATable) {
  Put(Classify(), Succeeded());
  time_.Advance(std::chrono::seconds(10));
  Put(Classify("waiting"), kube::Json::object());
  time_.Advance(std::chrono::seconds(3600));
  EXPECT_EQ(Print(ListRuns).out,
            "NAME             STATUS      READY   HOPS   BYTES     DURATION   AGE\n"
            "waiting          Pending     -       -      -         -          60m\n"
            "classify-x7k2p   Succeeded   1/3     3      240 534   43 ms      60m\n");
}

TEST_F(ListingsTest, AllNamespacesHaveAColumn) {
  Put(Classify(), Succeeded());
  kube::Object other = Classify("theirs");
  other.mutable_metadata()["namespace"] = "other";
  Put(other, Refused("no"));
  EXPECT_THAT(Print(ListRuns).out, Not(HasSubstr("theirs")));
  target_.all_namespaces = true;
  const std::string text = Print(ListRuns).out;
  EXPECT_THAT(text, HasSubstr("NAMESPACE   NAME"));
  EXPECT_THAT(text, HasSubstr("other       theirs           NotAccepted"));
}

TEST_F(ListingsTest, RunsAsJson) {
  Put(Classify(), Failed("Failed", "NotAnImage", "x"));
  const nlohmann::json list = nlohmann::json::parse(Print(ListRuns, "json").out);
  EXPECT_EQ(list[0]["run"], "0123abcd456789abcdef0123456789ab");
  EXPECT_EQ(list[0]["namespace"], "default");
  EXPECT_EQ(list[0]["reason"], "NotAnImage");
}

TEST_F(ListingsTest, NoneIsSaidOnStderrAlone) {
  const Printed printed = Print(ListRuns);
  EXPECT_EQ(printed.code, kExitSucceeded);
  EXPECT_EQ(printed.out, "");
  EXPECT_EQ(printed.err, "there are no TaskGraphs in namespace default\n");
}

TEST_F(ListingsTest, StatusSaysWhoLeadsAndWhatIsWrong) {
  PutStorage();
  kube::Object broken("fractos.dev/v1alpha1", "DeviceCluster", "default", "cnn");
  broken.mutable_spec()["replicas"] = 1;
  broken.mutable_status()["conditions"] = {
      Condition("Ready", "False", "NoReplica", "none"),
      Condition("Degraded", "True", "ImagePullBackOff", "pod cnn-0: cannot pull the image")};
  server_.Put(DeviceClusters("default"), broken);
  EXPECT_EQ(Print(ShowStatus).out,
            "NAME      READY               REPLICAS   LEADER      EPOCH   VERSION   AGE\n"
            "cnn       False (NoReplica)   0/1        -           -       -         0s\n"
            "storage   True                3/3        storage-1   4       0.1.0     0s\n"
            "default/cnn: ImagePullBackOff: pod cnn-0: cannot pull the image\n");
  const nlohmann::json list = nlohmann::json::parse(Print(ShowStatus, "json").out);
  EXPECT_EQ(list[1]["leader"], "storage-1");
  EXPECT_EQ(list[0]["ready"], false);
}

TEST_F(ListingsTest, DevicesSayWhatTheyOffer) {
  PutStorage();
  const std::string text = Print(ShowDevices).out;
  EXPECT_THAT(text, HasSubstr("storage  fractos-adaptor storage  × 3\n"));
  EXPECT_THAT(text, HasSubstr("  get\n      argument key (string)\n"));
  const nlohmann::json list = nlohmann::json::parse(Print(ShowDevices, "json").out);
  EXPECT_EQ(list[0]["description"]["operations"][0]["name"], "get");
}

TEST_F(ListingsTest, ALackingRightIsNamed) {
  Fail("list", "taskgraphs", kube::ForbiddenError(TaskGraphs("").resource, "list", ""));
  const Printed printed = Print(ListRuns);
  EXPECT_EQ(printed.code, kExitFailed);
  EXPECT_THAT(printed.err, HasSubstr("list"));
}

}  // namespace
}  // namespace fractos::cluster
