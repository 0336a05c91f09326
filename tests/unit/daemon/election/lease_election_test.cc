#include "daemon/election/lease_election.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "lib/api/names.h"
#include "lib/kube/errors.h"
#include "lib/kube/lease_lock.h"
#include "tests/unit/lib/kube/fake_api_server.h"
#include "tests/unit/lib/kube/fake_client.h"
#include "tests/unit/lib/kube/fake_time.h"

namespace fractos {
namespace {

using kube::FakeApiServer;
using kube::FakeClient;
using kube::FakeTime;
using kube::Fault;
using kube::kPatience;
using kube::Object;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const kube::Collection kLeaseCollection{kube::kLeases, "lab"};
const kube::Collection kClusterCollection{kDeviceClusters, "lab"};

// Writes down what an election says.
class Recorder final : public ElectionObserver {
 public:
  void OnElected(uint64_t epoch) override { Write(absl::StrCat("elected ", epoch)); }
  void OnDeposed() override { Write("deposed"); }
  void OnLeader(const LeaderInfo& leader) override {
    {
      absl::MutexLock lock(&mutex_);
      leader_ = leader;
    }
    Write(absl::StrCat("leader ", leader.replica, " epoch ", leader.epoch));
  }
  void OnElectionError(const absl::Status& why) override {
    absl::MutexLock lock(&mutex_);
    errors_.emplace_back(why.message());
  }

  // All lines, once there are `n`.
  std::vector<std::string> Await(size_t n) {
    absl::MutexLock lock(&mutex_);
    auto there = [this, n]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return lines_.size() >= n; };
    mutex_.AwaitWithTimeout(absl::Condition(&there), kPatience);
    return lines_;
  }
  std::vector<std::string> AwaitErrors(size_t n) {
    absl::MutexLock lock(&mutex_);
    auto there = [this, n]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return errors_.size() >= n; };
    mutex_.AwaitWithTimeout(absl::Condition(&there), kPatience);
    return errors_;
  }
  std::vector<std::string> lines() const {
    absl::MutexLock lock(&mutex_);
    return lines_;
  }
  size_t count() const { return lines().size(); }
  LeaderInfo leader() const {
    absl::MutexLock lock(&mutex_);
    return leader_;
  }

 private:
  void Write(std::string line) {
    absl::MutexLock lock(&mutex_);
    lines_.push_back(std::move(line));
  }

  mutable absl::Mutex mutex_;
  std::vector<std::string> lines_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> errors_ ABSL_GUARDED_BY(mutex_);
  LeaderInfo leader_ ABSL_GUARDED_BY(mutex_);
};

Fault FaultOf(const std::string& verb, const std::string& resource = "") {
  Fault fault;
  fault.verb = verb;
  fault.resource = resource;
  return fault;
}
Fault Failing(const std::string& verb, absl::Status error, int times = 1) {
  Fault fault = FaultOf(verb);
  fault.error = std::move(error);
  fault.times = times;
  return fault;
}
Fault Hanging(const std::string& verb, const std::string& resource) {
  Fault fault = FaultOf(verb, resource);
  fault.times = -1;
  fault.delay = Duration::max();
  return fault;
}

// One pod.
struct Replica {
  Replica(FakeApiServer* server, FakeTime* time, uint32_t ordinal)
      : client(server), random(ordinal + 1) {
    options.self = {{"lab/storage", ordinal}, random.NewId<BootId>()};
    options.ns = "lab";
    options.cluster = "storage";
    options.lease = "storage";
    options.pod = absl::StrCat("storage-", ordinal);
    options.pod_uid = absl::StrCat("uid-", ordinal);
    options.endpoint = absl::StrCat("storage-", ordinal, ".storage.lab.svc:7447");
    // So that a test can tell from what a thread waits for whose it is.
    options.retry_period = seconds(1) + milliseconds(ordinal);
    absl::StatusOr<std::unique_ptr<LeaseElection>> made =
        LeaseElection::Create(options, &client, time, &random, &recorder);
    EXPECT_TRUE(made.ok()) << made.status();
    if (made.ok()) election = *std::move(made);
  }
  std::string identity() const {
    return absl::StrCat(options.pod_uid, "/", options.self.boot.ToHex());
  }

  FakeClient client;
  SeededRandom random;
  Recorder recorder;
  LeaseElection::Options options;
  std::unique_ptr<LeaseElection> election;
};

class LeaseElectionTest : public ::testing::Test {
 protected:
  LeaseElectionTest() {
    PutLease();
    server_.Put(kClusterCollection,
                Object("fractos.dev/v1alpha1", "DeviceCluster", "lab", "storage"));
  }
  ~LeaseElectionTest() override {
    for (auto& replica : replicas_) replica->election->Resign();
    // A call that a test has left hanging ends by its deadline.
    std::vector<std::thread> ends;
    for (auto& replica : replicas_) {
      ends.emplace_back([&replica, this] {
        replica->election.reset();
        absl::MutexLock lock(&mutex_);
        ++ended_;
      });
    }
    absl::MutexLock lock(&mutex_);
    auto all = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return ended_ == replicas_.size(); };
    while (!mutex_.AwaitWithTimeout(absl::Condition(&all), absl::Milliseconds(1))) {
      time_.Advance(milliseconds(100));
    }
    for (std::thread& end : ends) end.join();
  }

  Replica* Make(uint32_t ordinal) {
    replicas_.push_back(std::make_unique<Replica>(&server_, &time_, ordinal));
    return replicas_.back().get();
  }
  Replica* Start(uint32_t ordinal) {
    Replica* replica = Make(ordinal);
    replica->election->Start();
    return replica;
  }
  // As the operator makes it.
  void PutLease() {
    server_.Put(kLeaseCollection, Object("coordination.k8s.io/v1", "Lease", "lab", "storage"));
  }
  void PutLease(const std::string& holder, int64_t transitions) {
    Object lease("coordination.k8s.io/v1", "Lease", "lab", "storage");
    lease.mutable_spec() = {
        {"holderIdentity", holder}, {"leaseDurationSeconds", 5}, {"leaseTransitions", transitions}};
    lease.SetLabel(kLeaderPodLabel, "storage-9");
    server_.Put(kLeaseCollection, lease);
  }
  void PutEpoch(int64_t epoch) {
    Object cluster("fractos.dev/v1alpha1", "DeviceCluster", "lab", "storage");
    cluster.mutable_status()["leaderEpoch"] = epoch;
    server_.Put(kClusterCollection, cluster);
  }
  kube::Json Status() { return server_.Find(kClusterCollection, "storage")->status(); }
  std::string Holder() {
    return kube::ReadLease(*server_.Find(kLeaseCollection, "storage")).record.holder_identity;
  }
  // Moves time, a little at a time, until the replica has said `n` things. Its threads may miss
  // some of it, and with it a renewal.
  std::vector<std::string> AdvanceUntil(Replica* replica, size_t n) {
    const absl::Time until = absl::Now() + kPatience;
    while (replica->recorder.count() < n && absl::Now() < until) {
      time_.Advance(milliseconds(50));
      std::this_thread::yield();
    }
    return replica->recorder.lines();
  }
  // Moves time by the leader's retry period, each time it has renewed, until `replica` has said `n`
  // things: no wait is skipped.
  std::vector<std::string> RenewUntil(Replica* leader, Replica* replica, size_t n) {
    for (int i = 0; i < 20 && replica->recorder.count() < n; ++i) {
      if (!time_.AwaitWaiter(seconds(1))) break;
      const size_t renewals = leader->client.count("update");
      time_.Advance(seconds(1));
      if (!leader->client.AwaitCalls("update", renewals + 1)) break;
    }
    return replica->recorder.Await(n);
  }
  // Moves time, a little at a time, until `holds`. Threads may miss some of it.
  template <typename Holds>
  bool AdvanceUntilHolds(Holds holds) {
    const absl::Time until = absl::Now() + kPatience;
    while (!holds() && absl::Now() < until) {
      time_.Advance(milliseconds(50));
      std::this_thread::yield();
    }
    return holds();
  }

  FakeTime time_;
  FakeApiServer server_{&time_};
  absl::Mutex mutex_;
  size_t ended_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<std::unique_ptr<Replica>> replicas_;
};

// promise: E-20
TEST_F(LeaseElectionTest, RaisesTheEpochAndSaysWhoLeadsBeforeItLeads) {
  Replica* replica = Make(1);
  std::vector<std::string> before;
  Fault look = FaultOf("update-status");
  look.after = [&] { before = replica->recorder.lines(); };
  replica->client.Inject(look);
  replica->election->Start();
  // The Lease was free, and has changed hands once.
  EXPECT_THAT(replica->recorder.Await(1), ElementsAre("elected 2"));
  EXPECT_THAT(before, IsEmpty());
  EXPECT_EQ(Status()["leaderEpoch"], 2);
  EXPECT_EQ(Status()["leader"]["pod"], "storage-1");
  EXPECT_EQ(Status()["leader"]["endpoint"], "storage-1.storage.lab.svc:7447");
  EXPECT_EQ(Holder(), replica->identity());
}

// promise: E-20
TEST_F(LeaseElectionTest, TheEpochIsAboveTheLastOneAndTheLeasesTransitions) {
  PutEpoch(41);
  EXPECT_THAT(Start(0)->recorder.Await(1), ElementsAre("elected 42"));
}

TEST_F(LeaseElectionTest, ALeaseOfManyTransitionsMakesAHigherEpoch) {
  PutEpoch(3);
  PutLease("", 99);
  EXPECT_THAT(Start(0)->recorder.Await(1), ElementsAre("elected 101"));
}

// promise: E-21
TEST_F(LeaseElectionTest, AfterAConflictItLooksAtTheLeaseBeforeItTriesAgain) {
  Replica* replica = Make(0);
  replica->client.Inject(Failing("update-status", kube::ConflictError(kDeviceClusters, "storage")));
  replica->election->Start();
  ASSERT_TRUE(time_.AwaitWaiter(milliseconds(10)));
  const size_t reads = replica->client.count("get");
  time_.Advance(milliseconds(10));
  EXPECT_THAT(replica->recorder.Await(1), ElementsAre("elected 2"));
  // The Lease, then the DeviceCluster.
  const std::vector<kube::Call> calls = replica->client.calls("get");
  ASSERT_GE(calls.size(), reads + 2);
  EXPECT_EQ(calls[reads].collection, kLeaseCollection);
  EXPECT_EQ(calls[reads + 1].collection, kClusterCollection);
}

// promise: E-21
TEST_F(LeaseElectionTest, AConflictWithALeaderThatCameAfterItEndsIt) {
  Replica* replica = Make(0);
  Fault overtaken = FaultOf("update-status");
  overtaken.before = [this] {
    PutEpoch(50);  // first, for the Lease is seen at once
    PutLease("uid-9/0123456789abcdef0123456789abcdef", 7);
  };
  replica->client.Inject(overtaken);
  replica->election->Start();
  // Its watch sees the other; it follows that one at once.
  EXPECT_THAT(replica->recorder.Await(1), ElementsAre("leader 9 epoch 0"));
  EXPECT_EQ(Status()["leaderEpoch"], 50);
  // And leads only when that one's Lease has run out, under a new epoch.
  ASSERT_TRUE(time_.AwaitWaiter(seconds(5)));
  time_.Advance(seconds(5));
  EXPECT_THAT(replica->recorder.Await(2), ElementsAre("leader 9 epoch 0", "elected 51"));
}

// promise: E-22
TEST_F(LeaseElectionTest, FollowersLearnWhoLeads) {
  Replica* leader = Start(0);
  leader->recorder.Await(1);
  Replica* follower = Start(1);
  EXPECT_THAT(follower->recorder.Await(1), ElementsAre("leader 0 epoch 0"));
  EXPECT_EQ(follower->recorder.leader().boot, leader->options.self.boot);
}

// promise: E-23
TEST_F(LeaseElectionTest, WhoeverResignsIsFollowedWithoutAnyWait) {
  Replica* leader = Start(0);
  leader->recorder.Await(1);
  Replica* follower = Start(1);
  follower->recorder.Await(1);
  ASSERT_TRUE(server_.AwaitWatches(2));
  leader->election->Resign();
  // Time stands still.
  EXPECT_THAT(follower->recorder.Await(2), ElementsAre("leader 0 epoch 0", "elected 3"));
  EXPECT_THAT(leader->recorder.Await(2), ElementsAre("elected 2", "deposed"));
}

// promise: E-24
TEST_F(LeaseElectionTest, ALeaderThatCannotRenewIsDeposedAndComesBack) {
  Replica* leader = Start(0);
  leader->recorder.Await(1);
  leader->client.SetPartitioned(true);
  EXPECT_THAT(AdvanceUntil(leader, 2), ElementsAre("elected 2", "deposed"));
  EXPECT_THAT(leader->recorder.AwaitErrors(1), Contains(HasSubstr("lab/storage")));
  Replica* other = Start(1);
  EXPECT_THAT(other->recorder.Await(1), ElementsAre("leader 0 epoch 0"));
  ASSERT_TRUE(time_.AwaitWaiter(seconds(5)));
  time_.Advance(seconds(5));
  EXPECT_THAT(other->recorder.Await(2), ElementsAre("leader 0 epoch 0", "elected 3"));
  // Back again, the old leader tries within a retry period and its jitter.
  leader->client.SetPartitioned(false);
  time_.Advance(milliseconds(2200));
  EXPECT_THAT(leader->recorder.Await(3), ElementsAre("elected 2", "deposed", "leader 1 epoch 0"));
}

// promise: E-24
TEST_F(LeaseElectionTest, ALeaderWhoseRenewalsHangIsDeposed) {
  Replica* leader = Start(0);
  leader->recorder.Await(1);
  leader->client.Inject(Hanging("update", "leases"));
  leader->client.Inject(Hanging("get", "leases"));
  EXPECT_THAT(AdvanceUntil(leader, 2), ElementsAre("elected 2", "deposed"));
  leader->client.ClearFaults();
}

// promise: E-25
TEST_F(LeaseElectionTest, StepsDownAndStandsAgainAboveWhatItWasTold) {
  Replica* replica = Start(0);
  replica->recorder.Await(1);
  replica->election->StepDown(1);
  replica->election->StepDown(uint64_t{1} << 63);  // a lie
  replica->election->StepDown(17);
  EXPECT_THAT(replica->recorder.Await(3), ElementsAre("elected 2", "deposed", "elected 18"));
}

// promise: E-26
TEST_F(LeaseElectionTest, ALeaseDeletedByHandIsWaitedForAndNeverMade) {
  Replica* replica = Make(0);
  replica->election->Start();
  replica->recorder.Await(1);
  server_.Remove(kLeaseCollection, "storage");
  EXPECT_THAT(AdvanceUntil(replica, 2), ElementsAre("elected 2", "deposed"));
  const size_t asked = replica->client.count("get");
  EXPECT_TRUE(AdvanceUntilHolds([&] { return replica->client.count("get") > asked + 1; }));
  EXPECT_EQ(replica->client.count("create"), 0u);
  PutLease();
  const std::vector<std::string> lines = AdvanceUntil(replica, 3);
  ASSERT_GE(lines.size(), 3u);
  EXPECT_THAT(lines[2], HasSubstr("elected"));
  EXPECT_GT(Status()["leaderEpoch"], 2);
}

// promise: E-26
TEST_F(LeaseElectionTest, AnApiServerThatIsAwayIsSaidOnceAndWaitedFor) {
  Replica* replica = Make(0);
  replica->client.SetPartitioned(true);
  replica->election->Start();
  EXPECT_FALSE(replica->recorder.AwaitErrors(1).empty());
  // It tries again and again: the Lease, and its watch.
  EXPECT_TRUE(AdvanceUntilHolds(
      [&] { return replica->client.count("get") > 5 && replica->client.count("watch") > 2; }));
  const std::vector<std::string> errors = replica->recorder.AwaitErrors(1);
  EXPECT_EQ(std::set<std::string>(errors.begin(), errors.end()).size(), errors.size())
      << "one was said twice";
  replica->client.SetPartitioned(false);
  EXPECT_THAT(AdvanceUntil(replica, 1), Contains(HasSubstr("elected")));
}

TEST_F(LeaseElectionTest, AFollowerThatLostTheApiServerSaysAgainWhoLeadsOnceItIsBack) {
  Replica* leader = Start(0);
  leader->recorder.Await(1);
  Replica* follower = Start(1);
  follower->recorder.Await(1);
  ASSERT_TRUE(server_.AwaitWatches(2));
  follower->client.SetPartitioned(true);
  EXPECT_FALSE(follower->recorder.AwaitErrors(1).empty());
  follower->client.SetPartitioned(false);
  // It looks again after a retry period; the leader renews meanwhile.
  RenewUntil(leader, follower, 2);
  EXPECT_THAT(follower->recorder.Await(2), ElementsAre("leader 0 epoch 0", "leader 0 epoch 0"));
}

TEST_F(LeaseElectionTest, ADamagedEpochIsAnErrorUntilSomebodyMendsIt) {
  PutEpoch(-4);
  Replica* replica = Start(0);
  EXPECT_THAT(replica->recorder.AwaitErrors(1), Contains(HasSubstr("leaderEpoch")));
  EXPECT_EQ(replica->recorder.count(), 0u);
  PutEpoch(4);
  EXPECT_THAT(AdvanceUntil(replica, 1), Contains(HasSubstr("elected")));
  EXPECT_GT(Status()["leaderEpoch"], 4);
}

// promise: E-27
TEST_F(LeaseElectionTest, AsksForNothingButItsLeaseAndItsDeviceCluster) {
  Replica* leader = Start(0);
  leader->recorder.Await(1);
  Replica* follower = Start(1);
  follower->recorder.Await(1);
  leader->election->Resign();
  follower->recorder.Await(2);
  for (const auto& replica : replicas_) {
    for (const kube::Call& call : replica->client.calls()) {
      if (call.verb == "watch") {
        EXPECT_EQ(call.watch.field_selector, "metadata.name=storage");
        EXPECT_EQ(call.collection, kLeaseCollection);
      } else if (call.collection == kLeaseCollection) {
        EXPECT_TRUE(call.verb == "get" || call.verb == "update") << call.verb;
        EXPECT_EQ(call.name, "storage");
      } else {
        EXPECT_EQ(call.collection, kClusterCollection);
        EXPECT_TRUE(call.verb == "get" || call.verb == "update-status") << call.verb;
        EXPECT_EQ(call.name, "storage");
      }
    }
  }
}

TEST_F(LeaseElectionTest, RefusesTimesThatDoNotFitAndMissingNames) {
  SeededRandom random(1);
  FakeClient client(&server_);
  Recorder recorder;
  LeaseElection::Options options = Make(0)->options;
  options.lease_duration = options.renew_deadline;
  EXPECT_TRUE(absl::IsInvalidArgument(
      LeaseElection::Create(options, &client, &time_, &random, &recorder).status()));
  options = replicas_[0]->options;
  options.pod_uid = "";
  EXPECT_TRUE(absl::IsInvalidArgument(
      LeaseElection::Create(options, &client, &time_, &random, &recorder).status()));
}

TEST(PodOrdinalTest, IsTheNumberAtTheEnd) {
  EXPECT_EQ(PodOrdinal("storage-0"), 0u);
  EXPECT_EQ(PodOrdinal("my-storage-63"), 63u);
  for (const char* name : {"", "storage", "storage-", "-1", "storage-01", "storage-x1",
                           "storage-99999", "storage-1-a"}) {
    EXPECT_FALSE(PodOrdinal(name).has_value()) << name;
  }
}

}  // namespace
}  // namespace fractos
