// Processes that stand for election on one API server, for the tests of the elector.
#ifndef FRACTOS_TESTS_UNIT_LIB_KUBE_LEADER_ELECTOR_HARNESS_H_
#define FRACTOS_TESTS_UNIT_LIB_KUBE_LEADER_ELECTOR_HARNESS_H_

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "lib/kube/leader_elector.h"
#include "tests/unit/lib/kube/candidate.h"
#include "tests/unit/lib/kube/fake_api_server.h"
#include "tests/unit/lib/kube/fake_time.h"

namespace fractos::kube {

inline const Collection kCollection{kLeases, "ns"};

// Candidates for one Lease, of one server, in a time that the test moves.
class LeaderElectorTest : public ::testing::Test {
 protected:
  std::unique_ptr<Candidate> Make(
      const std::string& identity,
      const std::function<void(LeaderElectionOptions*)>& change = nullptr) {
    return std::make_unique<Candidate>(&server_, &time_, identity, change);
  }
  // Leads, and waits for its next renewal.
  std::unique_ptr<Candidate> MakeLeader(
      const std::string& identity,
      const std::function<void(LeaderElectionOptions*)>& change = nullptr) {
    auto leader = Make(identity, change);
    leader->Start();
    EXPECT_EQ(leader->Await(1).size(), 1u);
    EXPECT_TRUE(time_.AwaitWaiter(std::chrono::seconds(2)));
    EXPECT_TRUE(leader->client.AwaitCalls("watch", 1));
    return leader;
  }
  // Has seen who leads, and waits until that runs out.
  std::unique_ptr<Candidate> MakeStandby(
      const std::string& identity, Duration left = std::chrono::seconds(15),
      const std::function<void(LeaderElectionOptions*)>& change = nullptr) {
    auto standby = Make(identity, change);
    standby->Start();
    EXPECT_EQ(standby->AwaitLeaders(1).size(), 1u);
    EXPECT_TRUE(time_.AwaitWaiter(left));
    return standby;
  }
  LeaderElectionRecord Record() { return ReadLease(*server_.Find(kCollection, "leader")).record; }
  // A Lease held by somebody who is not there.
  void PutLease(const std::string& holder, int duration, const std::string& renewed,
                int transitions, const std::string& label = "") {
    Object lease("coordination.k8s.io/v1", "Lease", "ns", "leader");
    lease.mutable_spec() = {{"holderIdentity", holder},
                            {"leaseDurationSeconds", duration},
                            {"acquireTime", renewed},
                            {"renewTime", renewed},
                            {"leaseTransitions", transitions}};
    if (!label.empty()) lease.SetLabel("x", label);
    server_.Put(kCollection, lease);
  }

  FakeTime time_;
  FakeApiServer server_{&time_};
};

}  // namespace fractos::kube

#endif  // FRACTOS_TESTS_UNIT_LIB_KUBE_LEADER_ELECTOR_HARNESS_H_
