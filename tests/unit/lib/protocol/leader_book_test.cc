#include "lib/protocol/leader_book.h"

#include <gtest/gtest.h>

#include "lib/base/limits.h"

namespace fractos {
namespace {

const std::string kCluster = "default/a";

ClusterView View(uint32_t leader, uint64_t epoch, size_t replicas = 3) {
  ClusterView view{kCluster, {}, leader, epoch};
  for (size_t i = 0; i < replicas; ++i) view.endpoints.push_back("unix:/" + std::to_string(i));
  return view;
}

Address Replica(uint32_t replica) { return {kCluster, replica}; }

TEST(LeaderBookTest, KnowsNobodyOfAnUnknownCluster) {
  LeaderBook book;
  EXPECT_FALSE(book.LeaderOf(kCluster).has_value());
  EXPECT_EQ(book.EpochOf(kCluster), 0u);
  EXPECT_TRUE(book.Views({kCluster}).empty());
  book.SawFollower(Replica(0), Replica(1));
  book.Lost(Replica(0));
  EXPECT_FALSE(book.LeaderOf(kCluster).has_value());
}

TEST(LeaderBookTest, LearnsWhatIsNew) {
  LeaderBook book;
  EXPECT_TRUE(book.Learn(View(1, 4)));
  EXPECT_EQ(book.LeaderOf(kCluster), Replica(1));
  EXPECT_EQ(book.EpochOf(kCluster), 4u);
  EXPECT_FALSE(book.Learn(View(1, 4))) << "its endpoints are known";
  EXPECT_TRUE(book.Learn(View(1, 4, 4))) << "it grew";
  EXPECT_TRUE(book.Learn(View(1, 5, 2))) << "it shrank";
  ClusterView moved = View(1, 5, 2);
  moved.endpoints[0] = "unix:/elsewhere";
  EXPECT_TRUE(book.Learn(moved));
  EXPECT_EQ(book.Views({kCluster})[0], moved);
}

// promise: H-46
TEST(LeaderBookTest, ForgetsWhatItLearntFirstRatherThanGrow) {
  LeaderBook book;
  for (size_t i = 0; i <= LeaderBook::kMostClusters; ++i) {
    EXPECT_TRUE(book.Learn({"default/c" + std::to_string(i), {"unix:/x"}, 0, 1}));
  }
  EXPECT_FALSE(book.LeaderOf("default/c0").has_value());
  EXPECT_TRUE(book.LeaderOf("default/c1").has_value());
  EXPECT_TRUE(book.Learn({"default/c0", {"unix:/x"}, 0, 1})) << "anew";
  EXPECT_EQ(book.EpochOf("default/c0"), 1u);
}

// promise: H-28
TEST(LeaderBookTest, RemembersTheEpochOfAClusterThatItKnowsNothingElseOf) {
  LeaderBook book;
  book.SawEpoch(kCluster, 5);
  EXPECT_FALSE(book.SawLeader(Replica(1), 6)) << "nobody asks it for a leader";
  book.SawFollower(Replica(0), Replica(1));
  book.Lost(Replica(0));
  EXPECT_EQ(book.EpochOf(kCluster), 6u);
  EXPECT_EQ(book.LeaderOf(kCluster), std::nullopt);
  EXPECT_TRUE(book.Views({kCluster}).empty());
  EXPECT_TRUE(book.Learn(View(1, 4)));
  EXPECT_EQ(book.Views({kCluster})[0], View(1, 6)) << "of an older epoch, but better than none";
}

// promise: H-44
TEST(LeaderBookTest, AViewOfBeforeTheClusterGrewTakesNoReplicaAway) {
  LeaderBook book;
  book.Learn(View(0, 4, 2));
  book.Learn(View(0, 4, 3));
  EXPECT_TRUE(book.SawLeader(Replica(2), 5));
  for (const uint64_t epoch : {0, 4, 5}) {
    EXPECT_FALSE(book.Learn(View(0, epoch, 2))) << epoch;
    EXPECT_EQ(book.LeaderOf(kCluster), Replica(2));
  }
  EXPECT_EQ(book.Views({kCluster})[0], View(2, 5, 3));
}

TEST(LeaderBookTest, BelievesANewerEpochOnly) {
  LeaderBook book;
  book.Learn(View(1, 4));
  book.Learn(View(2, 4));
  EXPECT_EQ(book.LeaderOf(kCluster), Replica(1)) << "the same epoch is no news";
  book.Learn(View(0, 3));
  EXPECT_EQ(book.LeaderOf(kCluster), Replica(1));
  book.Learn(View(2, 5));
  EXPECT_EQ(book.LeaderOf(kCluster), Replica(2));
  EXPECT_EQ(book.EpochOf(kCluster), 5u);
}

TEST(LeaderBookTest, TakesALeaderAtItsWordUnlessOutdated) {
  LeaderBook book;
  book.Learn(View(1, 4));
  EXPECT_FALSE(book.SawLeader(Replica(2), 0)) << "it does not claim to lead";
  EXPECT_FALSE(book.SawLeader(Replica(2), 3)) << "it led once";
  EXPECT_EQ(book.LeaderOf(kCluster), Replica(1));
  EXPECT_TRUE(book.SawLeader(Replica(2), 5));
  EXPECT_EQ(book.LeaderOf(kCluster), Replica(2));
  EXPECT_FALSE(book.SawLeader(Replica(2), 5)) << "nothing new";
  EXPECT_TRUE(book.SawLeader(Replica(2), 6)) << "it was elected again";
  book.SawEpoch(kCluster, 9);
  EXPECT_TRUE(book.SawLeader(Replica(1), 9)) << "whose message was seen before its word";
  EXPECT_EQ(book.LeaderOf(kCluster), Replica(1));
}

// Followers may point at each other for ever; every other round asks each in turn.
// promise: H-27
TEST(LeaderBookTest, AsksInTurnWhenHintsLeadInACircle) {
  LeaderBook book;
  book.Learn(View(0, 4));
  // Whoever is asked names the one before: so it goes round the wrong way, and every other time the
  // right one.
  const auto refused = [&book] {
    const uint32_t asked = book.LeaderOf(kCluster)->replica;
    book.SawFollower(Replica(asked), Replica((asked + 2) % 3));
    return book.LeaderOf(kCluster)->replica;
  };
  std::vector<uint32_t> asked;
  for (int i = 0; i < 9; ++i) asked.push_back(refused());
  EXPECT_EQ(asked, (std::vector<uint32_t>{2, 1, 0, 1, 2, 0, 2, 1, 0}));
  EXPECT_TRUE(book.SawLeader(Replica(0), 5));
  EXPECT_EQ(refused(), 2u) << "a leader was found meanwhile, so hints are trusted again";
}

// promise: H-27
TEST(LeaderBookTest, TurnsToWhomAFollowerNames) {
  LeaderBook book;
  book.Learn(View(0, 4));
  book.SawFollower(Replica(0), Replica(2));
  EXPECT_EQ(book.LeaderOf(kCluster), Replica(2));
  book.SawFollower(Replica(0), Replica(1));
  EXPECT_EQ(book.LeaderOf(kCluster), Replica(2)) << "that one was not asked last";
}

TEST(LeaderBookTest, TriesTheNextReplicaWhenTheHintIsOfNoUse) {
  for (const Address& hint : {Address(), Replica(0), Replica(3), Address{"default/other", 2}}) {
    LeaderBook book;
    book.Learn(View(0, 4));
    book.SawFollower(Replica(0), hint);
    EXPECT_EQ(book.LeaderOf(kCluster), Replica(1)) << hint;
  }
}

TEST(LeaderBookTest, GoesRoundThroughAllReplicas) {
  LeaderBook book;
  book.Learn(View(1, 4));
  book.Lost(Replica(0));
  EXPECT_EQ(book.LeaderOf(kCluster), Replica(1)) << "somebody else was lost";
  book.Lost(Replica(1));
  EXPECT_EQ(book.LeaderOf(kCluster), Replica(2));
  book.Lost(Replica(2));
  EXPECT_EQ(book.LeaderOf(kCluster), Replica(0));
}

TEST(LeaderBookTest, EpochsOnlyGrow) {
  LeaderBook book;
  book.Learn(View(1, 4));
  book.SawEpoch(kCluster, 9);
  EXPECT_EQ(book.EpochOf(kCluster), 9u);
  book.SawEpoch(kCluster, 8);
  EXPECT_EQ(book.EpochOf(kCluster), 9u);
  EXPECT_FALSE(book.SawLeader(Replica(2), 8));
}

// What peers say is hostile: nobody may make a daemon ask a replica that there is not.
TEST(LeaderBookTest, NeverNamesAReplicaThatThereIsNot) {
  LeaderBook book;
  EXPECT_FALSE(book.Learn({kCluster, {}, 0, 1})) << "a cluster without replicas";
  EXPECT_FALSE(book.LeaderOf(kCluster).has_value());
  book.Learn(View(2, 4));
  book.Learn(View(2, 5, 2));
  EXPECT_LT(book.LeaderOf(kCluster)->replica, 2u) << "the cluster shrank";
  EXPECT_FALSE(book.SawLeader(Replica(2), 9));
  EXPECT_LT(book.LeaderOf(kCluster)->replica, 2u);
  book.Learn(View(2, 6));
  book.Learn(View(2, 7, 1));
  EXPECT_EQ(book.LeaderOf(kCluster), Replica(0)) << "to one";
  LeaderBook fresh;
  fresh.Learn(View(7, 4, 2));
  EXPECT_LT(fresh.LeaderOf(kCluster)->replica, 2u) << "the first word of a cluster";
}

// promise: E-08
TEST(LeaderBookTest, BelievesNoEpochThatElectionsCannotReach) {
  for (const uint64_t lie : {kMaxEpoch + 1, ~uint64_t{0}}) {
    LeaderBook book;
    book.Learn(View(0, lie));
    EXPECT_EQ(book.EpochOf(kCluster), 0u) << "the first word of a cluster";
    book.Learn(View(0, 4));
    book.Learn(View(2, lie));
    book.SawEpoch(kCluster, lie);
    EXPECT_FALSE(book.SawLeader(Replica(2), lie));
    EXPECT_EQ(book.EpochOf(kCluster), 4u);
    EXPECT_TRUE(book.SawLeader(Replica(1), 5)) << "the true leader is still believed";
  }
  LeaderBook book;
  book.Learn(View(0, 4));
  EXPECT_TRUE(book.SawLeader(Replica(1), kMaxEpoch));
  LeaderBook told, guessed, informed;
  told.Learn(View(1, kMaxEpoch));
  EXPECT_EQ(told.EpochOf(kCluster), kMaxEpoch);
  guessed.Learn(View(0, 4));
  guessed.SawEpoch(kCluster, kMaxEpoch);
  EXPECT_EQ(guessed.EpochOf(kCluster), kMaxEpoch);
  informed.Learn(View(0, 4));
  informed.Learn(View(1, kMaxEpoch));
  EXPECT_EQ(informed.EpochOf(kCluster), kMaxEpoch);
}

TEST(LeaderBookTest, HandsOnWhatIsKnownOfThoseAskedFor) {
  LeaderBook book;
  book.Learn(View(1, 4));
  book.SawLeader(Replica(2), 6);
  const std::vector<ClusterView> views = book.Views({"default/unknown", kCluster});
  ASSERT_EQ(views.size(), 1u);
  EXPECT_EQ(views[0], View(2, 6));
}

}  // namespace
}  // namespace fractos
