#include "operator/controller/manager.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/notification.h"
#include "lib/kube/errors.h"
#include "tests/unit/lib/kube/fake_client.h"
#include "tests/unit/lib/kube/fake_time.h"
#include "tests/unit/operator/world.h"

namespace fractos::ctrl {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const kube::GroupVersionResource kThings{"fractos.dev", "v1alpha1", "things"};

// Runs until it is stopped, or until it is told to fail.
class Probe final : public Runnable {
 public:
  const std::string& name() const override { return name_; }
  absl::Status Run(const std::stop_token& stop) override {
    started.Notify();
    absl::Notification end;
    const std::stop_callback wake(stop, [&end] { end.Notify(); });
    if (fail) return absl::InternalError("broken");
    end.WaitForNotification();
    if (at_end) at_end();
    return absl::OkStatus();
  }
  absl::Notification started;
  bool fail = false;
  std::function<void()> at_end;

 private:
  const std::string name_ = "probe";
};

class ManagerTest : public ::testing::Test {
 protected:
  ~ManagerTest() override { Stop().IgnoreError(); }

  void Make(bool elect) {
    Manager::Options options;
    options.client = &client_;
    options.clock = &time_;
    options.random = &random_;
    options.on_lost = [this](const absl::Status&) { lost_.Notify(); };
    options.on_ended = [this] {
      if (on_ended_ != nullptr) on_ended_();
    };
    if (elect) {
      kube::LeaderElectionOptions election;
      election.lock = {"ns", "fractos-operator", "me", {}, {}};
      options.election = std::move(election);
    }
    absl::StatusOr<std::unique_ptr<Manager>> manager = Manager::Create(std::move(options));
    ASSERT_TRUE(manager.ok()) << manager.status();
    manager_ = *std::move(manager);
    manager_->GetCache(kThings);
    manager_->Add(&probe_);
  }
  void Start() {
    thread_ = std::thread([this] { ended_ = manager_->Run(stop_.get_token()); });
  }
  absl::Status Stop() {
    stop_.request_stop();
    return Join();
  }
  absl::Status Join() {
    if (thread_.joinable()) thread_.join();
    return ended_;
  }
  std::string Holder() {
    const std::optional<kube::Object> lease =
        server_.Find({kube::kLeases, "ns"}, "fractos-operator");
    return lease.has_value() ? kube::StringMember(lease->spec(), "holderIdentity") : "";
  }

  kube::FakeTime time_;
  kube::FakeApiServer server_{&time_};
  kube::FakeClient client_{&server_};
  SeededRandom random_{1};
  Probe probe_;
  absl::Notification lost_;
  std::function<void()> on_ended_;
  std::unique_ptr<Manager> manager_;
  std::stop_source stop_;
  std::thread thread_;
  absl::Status ended_;
};

// promise: O-06
TEST_F(ManagerTest, IsReadyOnceTheCachesAreFilled) {
  Make(/*elect=*/false);
  EXPECT_THAT(manager_->NotReadyFor(), HasSubstr("things.fractos.dev"));
  EXPECT_EQ(manager_->NotHealthyFor(), "");
  Start();
  probe_.started.WaitForNotification();
  EXPECT_EQ(manager_->NotReadyFor(), "");
  EXPECT_TRUE(Stop().ok());
}

TEST_F(ManagerTest, WhoeverAsksForTheSameSharesACache) {
  Make(/*elect=*/false);
  ResourceCache* const all = manager_->GetCache(kThings);
  ResourceCache* const some = manager_->GetCache(kThings, "app=x");
  EXPECT_NE(all, some);
  EXPECT_EQ(manager_->GetCache(kThings), all);
  EXPECT_EQ(manager_->GetCache(kThings, "app=x"), some);
}

// promise: O-06
TEST_F(ManagerTest, SaysWhichResourceItHasNoRightTo) {
  client_.Inject(Failing("list", "things", kube::ForbiddenError(kThings, "list", ""), -1));
  client_.Inject(Failing("watch", "things", kube::ForbiddenError(kThings, "watch", ""), -1));
  Make(/*elect=*/false);
  Start();
  ASSERT_TRUE(time_.AwaitWaiter(std::chrono::minutes(2)));
  time_.Advance(std::chrono::minutes(2));
  const absl::Status ended = Join();
  EXPECT_FALSE(ended.ok());
  EXPECT_THAT(std::string(ended.message()), HasSubstr("things"));
  EXPECT_FALSE(probe_.started.HasBeenNotified());
}

// promise: O-07
TEST_F(ManagerTest, RunsWhatRunsOnlyWhileItLeads) {
  server_.Put({kube::kLeases, "ns"}, [] {
    kube::Object lease("coordination.k8s.io/v1", "Lease", "ns", "fractos-operator");
    lease.mutable_spec() = {{"holderIdentity", "other"},
                            {"leaseDurationSeconds", 15},
                            {"leaseTransitions", 0},
                            {"renewTime", "2026-01-01T00:00:00.000000Z"}};
    return lease;
  }());
  Make(/*elect=*/true);
  Start();
  ASSERT_TRUE(client_.AwaitCalls("get", 1));
  EXPECT_FALSE(probe_.started.HasBeenNotified());
  ASSERT_GE(time_.AwaitWaiterWithin(seconds(1), seconds(16)).count(), 0);
  time_.Advance(seconds(16));
  probe_.started.WaitForNotification();
  EXPECT_EQ(Holder(), "me");
  EXPECT_TRUE(manager_->IsLeader());
  EXPECT_TRUE(Stop().ok());
}

// promise: O-03
TEST_F(ManagerTest, GivesTheLeaseBackOnlyWhenEverythingHasEnded) {
  Make(/*elect=*/true);
  std::vector<std::string> holders_at_end;
  probe_.at_end = [&] { holders_at_end.push_back("of what ran: " + Holder()); };
  on_ended_ = [&] { holders_at_end.push_back("of what that used: " + Holder()); };
  Start();
  probe_.started.WaitForNotification();
  EXPECT_TRUE(Stop().ok());
  EXPECT_THAT(holders_at_end, ElementsAre("of what ran: me", "of what that used: me"));
  EXPECT_EQ(Holder(), "");
  EXPECT_FALSE(lost_.HasBeenNotified());
}

// promise: O-08
TEST_F(ManagerTest, EndsWhenTheLeaseIsLost) {
  Make(/*elect=*/true);
  Start();
  probe_.started.WaitForNotification();
  std::optional<kube::Object> lease = server_.Find({kube::kLeases, "ns"}, "fractos-operator");
  ASSERT_TRUE(lease.has_value());
  lease->mutable_spec()["holderIdentity"] = "other";
  server_.Put({kube::kLeases, "ns"}, *lease);
  lost_.WaitForNotification();
  EXPECT_FALSE(Join().ok());
  EXPECT_FALSE(stop_.stop_requested());
}

TEST_F(ManagerTest, EndsWhenSomethingThatRunsFails) {
  probe_.fail = true;
  Make(/*elect=*/true);
  Start();
  const absl::Status ended = Join();
  EXPECT_THAT(std::string(ended.message()), HasSubstr("probe: broken"));
  EXPECT_EQ(Holder(), "") << "another may lead at once";
}

}  // namespace
}  // namespace fractos::ctrl
