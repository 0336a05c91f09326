#include "lib/kube/retry.h"

#include <gtest/gtest.h>

#include <thread>

#include "lib/kube/errors.h"
#include "tests/unit/lib/kube/fake_client.h"
#include "tests/unit/lib/kube/fake_time.h"

namespace fractos::kube {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const GroupVersionResource kThings{"fractos.dev", "v1alpha1", "things"};

class RetryTest : public ::testing::Test {
 protected:
  FakeTime time_;
  SeededRandom random_{1};
  std::stop_source stop_;
};

TEST_F(RetryTest, TriesFiveTimesTenMillisecondsApart) {
  // promise: K-58
  int tries = 0;
  absl::Status status;
  std::thread thread([&] {
    status = RetryOnConflict(time_, random_, stop_.get_token(), [&] {
      ++tries;
      return ConflictError(kThings, "a");
    });
  });
  for (int i = 0; i < 4; ++i) {
    const Duration wait = time_.AwaitWaiterWithin(milliseconds(10), milliseconds(11));
    ASSERT_GT(wait, Duration(0));
    time_.Advance(wait);
  }
  thread.join();
  EXPECT_EQ(tries, 5);
  EXPECT_TRUE(kube::IsConflict(status));
}

TEST_F(RetryTest, ReturnsAnythingButAConflictAtOnce) {
  // promise: K-58
  int tries = 0;
  const auto retry = [&](absl::Status result) {
    return RetryOnConflict(time_, random_, stop_.get_token(), [&] {
      ++tries;
      return result;
    });
  };
  EXPECT_TRUE(retry(absl::OkStatus()).ok());
  EXPECT_TRUE(kube::IsForbidden(retry(ForbiddenError(kThings, "update", "a"))));
  // Not the API server's word.
  EXPECT_EQ(retry(absl::AbortedError("x")), absl::AbortedError("x"));
  EXPECT_EQ(tries, 3);
}

TEST_F(RetryTest, StopsBetweenTwoTries) {
  absl::Status status;
  std::thread thread([&] {
    status = RetryOnConflict(time_, random_, stop_.get_token(),
                             [] { return ConflictError(kThings, "a"); });
  });
  ASSERT_TRUE(time_.AwaitWaiters(1));
  stop_.request_stop();
  thread.join();
  EXPECT_TRUE(absl::IsCancelled(status));
}

TEST_F(RetryTest, GetsThroughAgainstAnotherWriter) {
  // promise: K-58
  FakeApiServer server(&time_);
  FakeClient client(&server);
  const Collection things{kThings, "ns"};
  server.Put(things, Object("fractos.dev/v1alpha1", "Thing", "ns", "a"));
  Fault other;
  other.verb = "update";
  other.before = [&] {
    Object theirs = *server.Find(things, "a");
    theirs.SetLabel("theirs", "yes");
    server.Put(things, theirs);
  };
  client.Inject(other);
  std::thread clock([&] {
    const Duration wait = time_.AwaitWaiterWithin(milliseconds(10), milliseconds(11));
    time_.Advance(wait);
  });
  EXPECT_TRUE(RetryOnConflict(time_, random_, stop_.get_token(), [&]() -> absl::Status {
                absl::StatusOr<Object> thing = client.Get({}, things, "a");
                if (!thing.ok()) return thing.status();
                thing->SetLabel("mine", "yes");
                return client.Update({}, things, *thing, {}).status();
              }).ok());
  clock.join();
  EXPECT_EQ(server.Find(things, "a")->label("theirs"), "yes");
  EXPECT_EQ(server.Find(things, "a")->label("mine"), "yes");
}

TEST(BackoffTest, GrowsToItsCapAndBeginsAnewAfterQuiet) {
  SeededRandom random(1);
  Backoff backoff(
      {.initial = milliseconds(800), .factor = 2, .cap = seconds(30), .reset_after = seconds(120)},
      &random);
  Time now;
  for (const int wait : {800, 1600, 3200, 6400, 12800, 25600, 30000, 30000}) {
    EXPECT_EQ(backoff.Next(now), milliseconds(wait));
    now += seconds(60);
  }
  now += seconds(61);
  EXPECT_EQ(backoff.Next(now), milliseconds(800));
}

TEST(JitterTest, AddsUpToTheFactor) {
  SeededRandom random(7);
  Duration least = Duration::max(), most{};
  for (int i = 0; i < 1000; ++i) {
    const Duration jittered = Jitter(seconds(1), 1.2, &random);
    least = std::min(least, jittered);
    most = std::max(most, jittered);
  }
  EXPECT_GE(least, seconds(1));
  EXPECT_LT(least, milliseconds(1050));
  EXPECT_GT(most, milliseconds(2150));
  EXPECT_LT(most, milliseconds(2200));
}

}  // namespace
}  // namespace fractos::kube
