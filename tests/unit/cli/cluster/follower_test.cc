#include "cli/cluster/follower.h"

#include "absl/synchronization/mutex.h"
#include "tests/unit/cli/cluster/cluster_test.h"

namespace fractos::cluster {
namespace {

class FollowerTest : public ClusterTest {
 protected:
  // Waits until the follower has called and what it knows is so.
  bool Await(const Follower& follower, const std::function<bool(const Follower::View&)>& so) {
    absl::MutexLock lock(&mutex_);
    const auto holds = [&] { return changes_ > 0 && so(follower.Now()); };
    return mutex_.AwaitWithTimeout(absl::Condition(&holds), kube::kPatience);
  }
  void OnChange() {
    const absl::MutexLock lock(&mutex_);
    ++changes_;
  }

  absl::Mutex mutex_;
  int changes_ ABSL_GUARDED_BY(mutex_) = 0;
};

// A watch that goes on where it was brings no object, so that only a bookmark tells of it; and a
// run that no operator takes up is waited for as long as the cluster says nothing.
// promise: C-64
TEST_F(FollowerTest, ABookmarkSaysThatTheClusterIsBack) {
  Put(Classify(), Running());
  Follower follower(&client_, &time_, TaskGraphs("default"), server_.All(TaskGraphs("default"))[0],
                    [this] { OnChange(); });
  ASSERT_TRUE(Await(follower, [](const auto& view) { return !view.gone; }));
  ASSERT_TRUE(time_.AwaitWaiters(1));
  time_.Advance(std::chrono::seconds(2));  // not a watch that ended at once, which leads to a list

  Fail("watch", "taskgraphs", kube::MakeError(kube::TransportFailure::kConnectionRefused, "away"));
  server_.BreakWatches(kube::MakeError(kube::TransportFailure::kConnectionLost, "cut"));
  ASSERT_TRUE(Await(follower, [](const auto& view) { return !view.trouble.ok(); }));
  ASSERT_TRUE(time_.AwaitWaiterWithin(std::chrono::milliseconds(800), std::chrono::seconds(2)) >=
              Duration::zero());
  After("watch", "taskgraphs", [this] { server_.SendBookmarks(); });
  time_.Advance(std::chrono::seconds(2));
  EXPECT_TRUE(Await(follower, [](const auto& view) { return view.trouble.ok(); }));
}

}  // namespace
}  // namespace fractos::cluster
