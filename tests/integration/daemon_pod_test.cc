// fractos-daemon as it runs in a pod: elected by a Lease of an API server, Links and Memory over
// TCP, its adaptor a process that somebody else starts.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "lib/base/random.h"
#include "lib/link/link_table.h"
#include "lib/protocol/message.h"
#include "lib/runtime/child_process.h"
#include "tests/integration/small_api_server.h"
#include "tests/integration/test_driver.h"

namespace fractos {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr absl::Duration kPatience = absl::Seconds(30);
constexpr char kCluster[] = "lab/echo";

class DaemonPodTest : public ::testing::Test {
 protected:
  DaemonPodTest() {
    std::string path = "/tmp/fractos-podXXXXXX";  // short, for it holds sockets
    folder_ = mkdtemp(path.data());
    std::ofstream(folder_ + "/kubeconfig") << api_.kubeconfig();
  }
  ~DaemonPodTest() override {
    if (HasFailure()) {
      for (uint32_t pod = 0; pod < 2; ++pod) std::cerr << Log(pod);
    }
    std::filesystem::remove_all(folder_);
  }

  // Both containers of the pod.
  pid_t StartPod(uint32_t pod) {
    const std::string socket = absl::StrCat(folder_, "/", pod, ".sock");
    ChildSpec adaptor;
    adaptor.command = {FRACTOS_BIN_DIR "/fractos-adaptor", "echo", "--connect", socket};
    EXPECT_TRUE(children_.Start(adaptor, [](const ChildExit&) {}).ok());
    ChildSpec daemon;
    daemon.env = {{"POD_NAME", absl::StrCat("echo-", pod)},
                  {"POD_NAMESPACE", "lab"},
                  {"POD_UID", absl::StrCat("uid-", pod)}};
    // Through a shell, for the log.
    daemon.command = {"/bin/sh",
                      "-c",
                      "exec \"$0\" \"$@\" 2>>" + LogFile(pod),
                      FRACTOS_BIN_DIR "/fractos-daemon",
                      "--name",
                      "echo",
                      "--coordination",
                      "kubernetes",
                      "--kubeconfig",
                      folder_ + "/kubeconfig",
                      "--endpoint",
                      "127.0.0.1:0",
                      "--lease-duration",
                      "2",
                      "--renew-deadline",
                      "1",
                      "--retry-period",
                      "0.3",
                      "--adaptor-socket",
                      socket};
    auto ended = std::make_shared<absl::Notification>();
    absl::StatusOr<pid_t> started = children_.Start(daemon, [this, ended, pod](ChildExit exit) {
      {
        absl::MutexLock lock(&mutex_);
        exits_[pod] = exit.ToString();
      }
      ended->Notify();
    });
    EXPECT_TRUE(started.ok()) << started.status();
    return started.value_or(0);
  }
  std::string AwaitExit(uint32_t pod) {
    absl::MutexLock lock(&mutex_);
    auto there = [this, pod]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return exits_.contains(pod); };
    return mutex_.AwaitWithTimeout(absl::Condition(&there), kPatience) ? exits_[pod] : "";
  }
  // Opens Links to the pods' daemons, as soon as they say where they are.
  void Connect(uint32_t pods) {
    ClusterView view;
    view.cluster = kCluster;
    for (uint32_t pod = 0; pod < pods; ++pod) view.endpoints.push_back(AwaitEndpoint(pod));
    driver_.links().Learn(view);
    for (uint32_t pod = 0; pod < pods; ++pod) driver_.links().Connect({kCluster, pod});
  }
  std::string AwaitEndpoint(uint32_t pod) {
    const absl::Time until = absl::Now() + kPatience;
    while (absl::Now() < until) {
      const std::string log = Log(pod);
      const std::string before = "serving endpoint=\"";
      const size_t begin = log.find(before);
      const size_t end = log.find("\"\n", begin);
      if (begin != std::string::npos && end != std::string::npos) {
        return log.substr(begin + before.size(), end - begin - before.size());
      }
      std::this_thread::yield();
    }
    return "";
  }
  std::string Execute(const Address& to, const std::string& text) {
    auto step = std::make_shared<Step>();
    step->path = "only";
    step->cluster = kCluster;
    step->operation = "copy";
    step->arguments = absl::StrCat("{\"text\": \"", text, "\"}");
    step->timeout = std::chrono::seconds(10);
    step->deterministic_so_far = true;
    auto continuation = std::make_shared<Continuation>();
    continuation->run = random_.NewId<RunId>();
    continuation->driver = driver_.self().address;
    continuation->steps = {step};
    HandOver message;
    message.remaining = std::chrono::seconds(30);
    message.sender = driver_.self();
    message.continuation = continuation;
    driver_.links().Send(to, message);
    const ResultPtr result = driver_.AwaitResult(continuation->run, "only");
    if (result == nullptr) return "no result";
    return result->value.IsInline() ? *result->value.inline_bytes : result->failure.message;
  }
  std::string LogFile(uint32_t pod) const { return absl::StrCat(folder_, "/", pod, ".log"); }
  std::string Log(uint32_t pod) const {
    std::ifstream file(LogFile(pod));
    return {std::istreambuf_iterator<char>(file), {}};
  }

  SystemRandom random_;
  SmallApiServer api_;
  std::string folder_;
  absl::Mutex mutex_;
  std::map<uint32_t, std::string> exits_ ABSL_GUARDED_BY(mutex_);
  TestDriver driver_{kPatience};
  ChildProcesses children_;  // its callbacks use the rest
};

// promise: E-20, E-28
TEST_F(DaemonPodTest, LeadsByTheLeaseAndExecutesWithTheAdaptorOfTheOtherContainer) {
  StartPod(0);
  Connect(1);
  std::optional<PeerInfo> leader = driver_.AwaitLeader();
  ASSERT_TRUE(leader.has_value());
  EXPECT_EQ(Execute(leader->self.address, "hello"), "hello");
  EXPECT_EQ(api_.cluster()["status"]["leaderEpoch"], leader->epoch);
  EXPECT_EQ(api_.cluster()["status"]["leader"]["pod"], "echo-0");
  EXPECT_THAT(api_.lease()["spec"]["holderIdentity"], HasSubstr("uid-0/"));
  EXPECT_THAT(leader->memory_endpoint, HasSubstr("echo-0.echo.lab.svc:"));
  EXPECT_THAT(api_.forbidden(), IsEmpty());
}

// promise: E-23
TEST_F(DaemonPodTest, SigtermHandsLeadershipOverWithinASecondAndAHalf) {
  std::vector<pid_t> pids = {StartPod(0), StartPod(1)};
  Connect(2);
  std::optional<PeerInfo> first = driver_.AwaitLeader();
  ASSERT_TRUE(first.has_value());
  const uint32_t old = first->self.address.replica;
  // The other must know who leads, else it does not wait for the Lease but for its own next try.
  const absl::Time until = absl::Now() + kPatience;
  while (Log(1 - old).find("following") == std::string::npos && absl::Now() < until) {
    std::this_thread::yield();
  }
  const absl::Time asked = absl::Now();
  kill(pids[old], SIGTERM);
  std::optional<PeerInfo> second = driver_.AwaitLeader(first->epoch + 1);
  ASSERT_TRUE(second.has_value());
  EXPECT_LT(absl::Now() - asked, absl::Milliseconds(1500));
  EXPECT_NE(second->self.address.replica, old);
  EXPECT_EQ(Execute(second->self.address, "again"), "again");
  EXPECT_EQ(AwaitExit(old), "exit code 0");
  EXPECT_THAT(Log(old), HasSubstr("drained"));
}

// promise: E-03
TEST_F(DaemonPodTest, AKilledLeaderIsFollowedWhenItsLeaseHasRunOut) {
  std::vector<pid_t> pids = {StartPod(0), StartPod(1)};
  Connect(2);
  std::optional<PeerInfo> first = driver_.AwaitLeader();
  ASSERT_TRUE(first.has_value());
  kill(pids[first->self.address.replica], SIGKILL);
  std::optional<PeerInfo> second = driver_.AwaitLeader(first->epoch + 1);
  ASSERT_TRUE(second.has_value());
  EXPECT_NE(second->self.address.replica, first->self.address.replica);
  EXPECT_EQ(Execute(second->self.address, "again"), "again");
}

}  // namespace
}  // namespace fractos
