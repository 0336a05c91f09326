#include "cli/cluster/logs.h"

#include <map>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "lib/kube/errors.h"
#include "tests/unit/cli/cluster/cluster_test.h"

namespace fractos::cluster {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kRun[] = "0123abcd456789abcdef0123456789ab";
constexpr char kOther[] = "ffffabcd456789abcdef0123456789ab";

class LogsTest : public ClusterTest {
 protected:
  LogsTest() {
    raw_ = [this](absl::string_view path) { return LogAt(path); };
  }

  void PutPod(const std::string& ns, const std::string& cluster, const std::string& name) {
    kube::Object pod("v1", "Pod", ns, name);
    pod.SetLabel(kClusterLabel, cluster);
    server_.Put(Pods(ns), std::move(pod));
  }
  absl::StatusOr<std::string> LogAt(absl::string_view path) {
    paths_.emplace_back(path);
    for (const auto& [where, log] : logs_) {
      const std::pair<std::string, std::string> parts = absl::StrSplit(where, '/');
      if (absl::StrContains(path, absl::StrCat("/pods/", parts.first, "/log")) &&
          absl::StrContains(path, absl::StrCat("container=", parts.second, "&"))) {
        return log;
      }
    }
    return kube::NotFoundError(Pods("").resource, path);
  }
  Printed Print() {
    return Capture([this] { return Logs(target_, "classify-x7k2p"); });
  }

  std::map<std::string, std::string> logs_;  // by "pod/container"
  std::vector<std::string> paths_;
};

// promise: C-58
TEST_F(LogsTest, AreThoseOfTheRunInTheOrderOfTheirTimes) {
  Put(Classify(), Succeeded());
  PutPod("default", "storage", "storage-0");
  PutPod("default", "storage", "storage-1");
  PutPod("default", "cnn", "cnn-1");
  PutPod("files", "storage", "storage-0");
  logs_["storage-0/daemon"] =
      absl::StrCat("2023-11-14T22:13:20.010Z debug storage: reached run=\"", kRun,
                   "\" step=\"read\"\n", "2023-11-14T22:13:20.011Z debug storage: reached run=\"",
                   kOther, "\" step=\"read\"\n", "2023-11-14T21:00:00.000Z info storage: leading\n",
                   "2023-11-14T23:00:00.000Z info storage: following\n");
  logs_["storage-0/adaptor"] = "2023-11-14T22:13:20.015Z slow disk\n";
  logs_["cnn-1/daemon"] =
      absl::StrCat("2023-11-14T22:13:20.012Z {\"event\":\"reached\",\"run\":\"", kRun, "\"}\n");
  logs_["cnn-1/adaptor"] = "";
  const Printed printed = Print();
  EXPECT_EQ(printed.code, kExitSucceeded) << printed.err;
  const size_t first = printed.out.find("storage-0/daemon  debug storage: reached");
  const size_t second = printed.out.find("cnn-1/daemon  {");
  const size_t third = printed.out.find("storage-0/adaptor  slow disk");
  EXPECT_LT(first, second);
  EXPECT_LT(second, third);
  EXPECT_NE(third, std::string::npos);
  EXPECT_THAT(printed.out, Not(HasSubstr(kOther)));
  EXPECT_THAT(printed.out, Not(HasSubstr("leading")));
  EXPECT_THAT(printed.out, Not(HasSubstr("following")));
  EXPECT_THAT(printed.out, Not(HasSubstr("storage-1")));
  EXPECT_THAT(paths_, ::testing::Contains(
                          HasSubstr("/api/v1/namespaces/default/pods/cnn-1/log?container=daemon"
                                    "&timestamps=true")));
  EXPECT_THAT(paths_, ::testing::Contains(HasSubstr("&sinceTime=2023-11-14T22:13:18.000000Z")));
}

TEST_F(LogsTest, APodThatIsGoneIsSaid) {
  Put(Classify(), Running());
  const Printed printed = Print();
  EXPECT_EQ(printed.code, kExitSucceeded);
  EXPECT_THAT(printed.err, HasSubstr("the pod of default/storage-0 is gone"));
}

TEST_F(LogsTest, AContainerThatCannotBeReadDoesNotHideTheOther) {
  Put(Classify(), Running());
  PutPod("default", "storage", "storage-0");
  logs_["storage-0/daemon"] = "2023-11-14T22:13:20.010Z hello\n";
  const Printed printed = Print();
  EXPECT_EQ(printed.code, kExitFailed);
  EXPECT_THAT(printed.out, HasSubstr("storage-0/daemon  hello"));
  EXPECT_THAT(printed.err, HasSubstr("container=adaptor"));
}

TEST_F(LogsTest, NothingExecutedIsNothingToRead) {
  Put(Classify(), kube::Json::object());
  const Printed printed = Print();
  EXPECT_EQ(printed.code, kExitSucceeded);
  EXPECT_THAT(printed.err, HasSubstr("no step of classify-x7k2p has been executed yet"));
}

TEST_F(LogsTest, OnlyAnIdOfAnotherRunMakesALineAnothers) {
  const RunId run = *RunId::FromHex(kRun);
  EXPECT_FALSE(NamesAnotherRun("nothing", run));
  EXPECT_FALSE(NamesAnotherRun(absl::StrCat("x run=\"", kRun, "\""), run));
  EXPECT_TRUE(NamesAnotherRun(absl::StrCat("x run=\"", kOther, "\""), run));
  EXPECT_TRUE(NamesAnotherRun(absl::StrCat("{\"run\": \"", kOther, "\"}"), run));
  EXPECT_FALSE(NamesAnotherRun("x run=\"short\"", run));
}

}  // namespace
}  // namespace fractos::cluster
