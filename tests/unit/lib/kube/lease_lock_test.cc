#include "lib/kube/lease_lock.h"

#include <gtest/gtest.h>

#include "lib/kube/errors.h"
#include "lib/kube/time.h"
#include "tests/unit/lib/kube/fake_client.h"
#include "tests/unit/lib/kube/fake_time.h"

namespace fractos::kube {
namespace {

const Collection kCollection{kLeases, "ns"};

class LeaseLockTest : public ::testing::Test {
 protected:
  LeaderElectionRecord Record(absl::string_view holder) const {
    LeaderElectionRecord record;
    record.holder_identity = std::string(holder);
    record.lease_duration_seconds = 15;
    record.acquire_time = record.renew_time = FormatMicroTime(time_.WallNow());
    record.lease_transitions = 3;
    return record;
  }

  FakeTime time_;
  FakeApiServer server_{&time_};
  FakeClient client_{&server_};
  LeaseLock lock_{&client_, {"ns", "leader", "me", {{"app", "fractos"}}, {}}};
};

TEST_F(LeaseLockTest, WritesAndReadsALease) {
  // promise: K-70
  EXPECT_TRUE(kube::IsNotFound(lock_.Get({}).status()));
  EXPECT_FALSE(lock_.Update({}, Record("me")).ok());  // nothing to replace
  ASSERT_TRUE(lock_.Create({}, Record("me")).ok());
  const Object lease = *server_.Find(kCollection, "leader");
  EXPECT_EQ(lease.api_version(), "coordination.k8s.io/v1");
  EXPECT_EQ(lease.kind(), "Lease");
  EXPECT_EQ(lease.label("app"), "fractos");
  EXPECT_EQ(lease.spec(), Json({{"holderIdentity", "me"},
                                {"leaseDurationSeconds", 15},
                                {"acquireTime", "2023-11-14T23:13:20.000000Z"},
                                {"renewTime", "2023-11-14T23:13:20.000000Z"},
                                {"leaseTransitions", 3}}));
  EXPECT_EQ(lock_.Get({})->record, Record("me"));
  EXPECT_EQ(lock_.Get({})->uid, lease.uid());
  EXPECT_TRUE(kube::IsAlreadyExists(lock_.Create({}, Record("me")).status()));
}

TEST_F(LeaseLockTest, GoesWithItsOwner) {
  // promise: K-95
  const Json owner = {
      {"apiVersion", "v1"}, {"kind", "ServiceAccount"}, {"name", "a"}, {"uid", "u"}};
  ASSERT_TRUE(lock_.Create({}, Record("me")).ok());
  LeaseLock owned(&client_, {"ns", "leader", "next", {}, owner});
  ASSERT_TRUE(owned.Get({}).ok());
  ASSERT_TRUE(owned.Update({}, Record("next")).ok());
  EXPECT_EQ(Member(server_.Find(kCollection, "leader")->metadata(), "ownerReferences"),
            Json::array({owner}));
}

TEST_F(LeaseLockTest, KeepsWhatItDoesNotKnow) {
  // promise: K-71
  Object lease("coordination.k8s.io/v1", "Lease", "ns", "leader");
  lease.mutable_spec() = {{"holderIdentity", "other"},
                          {"preferredHolder", "third"},
                          {"strategy", "OldestEmulationVersion"},
                          {"new", {{"field", 1}}}};
  lease.SetLabel("theirs", "kept");
  lease.SetAnnotation("note", "kept");
  server_.Put(kCollection, lease);
  ASSERT_TRUE(lock_.Get({}).ok());
  ASSERT_TRUE(lock_.Update({}, Record("me")).ok());
  const Object after = *server_.Find(kCollection, "leader");
  EXPECT_EQ(StringMember(after.spec(), "holderIdentity"), "me");
  EXPECT_EQ(StringMember(after.spec(), "preferredHolder"), "third");
  EXPECT_EQ(StringMember(after.spec(), "strategy"), "OldestEmulationVersion");
  EXPECT_EQ(IntegerMember(Member(after.spec(), "new"), "field"), 1);
  EXPECT_EQ(after.label("theirs"), "kept");
  EXPECT_EQ(after.annotation("note"), "kept");
}

TEST_F(LeaseLockTest, ReplacesOnlyWhatItHasSeen) {
  ASSERT_TRUE(lock_.Create({}, Record("me")).ok());
  Object theirs = *server_.Find(kCollection, "leader");
  theirs.mutable_spec()["holderIdentity"] = "other";
  server_.Put(kCollection, theirs);
  EXPECT_TRUE(kube::IsConflict(lock_.Update({}, Record("me")).status()));
  EXPECT_TRUE(kube::IsConflict(lock_.Update({}, Record("me")).status()));  // and stays so
  ASSERT_TRUE(lock_.Get({}).ok());
  EXPECT_TRUE(lock_.Update({}, Record("me")).ok());
}

TEST_F(LeaseLockTest, ARecordDiffersByWhatLeadersWriteAlone) {
  // promise: K-72
  ASSERT_TRUE(lock_.Create({}, Record("me")).ok());
  const std::string raw = lock_.Get({})->raw;
  Object labelled = *server_.Find(kCollection, "leader");
  labelled.SetLabel("x", "y");
  server_.Put(kCollection, labelled);
  EXPECT_EQ(lock_.Get({})->raw, raw);
  // A renewal within the same second.
  time_.Advance(std::chrono::milliseconds(1));
  ASSERT_TRUE(lock_.Update({}, Record("me")).ok());
  EXPECT_NE(lock_.Get({})->raw, raw);
  // The same record on another object.
  const LeaderElectionRecord record = lock_.Get({})->record;
  const std::string before = lock_.Get({})->raw;
  server_.Remove(kCollection, "leader");
  ASSERT_TRUE(lock_.Create({}, record).ok());
  EXPECT_NE(lock_.Get({})->raw, before);
}

TEST(ReadLeaseTest, TakesWhateverIsThere) {
  Object lease("coordination.k8s.io/v1", "Lease", "ns", "leader");
  EXPECT_EQ(ReadLease(lease).record, LeaderElectionRecord());
  lease.mutable_spec() = {{"holderIdentity", 7}, {"leaseDurationSeconds", "x"}};
  EXPECT_EQ(ReadLease(lease).record, LeaderElectionRecord());
}

}  // namespace
}  // namespace fractos::kube
