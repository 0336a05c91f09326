#include "lib/kube/rate_limiter.h"

#include <gtest/gtest.h>

#include <chrono>

namespace fractos::kube {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(ItemExponentialFailureRateLimiterTest, DoublesForEachKeyAndStopsAtTheBound) {
  // promise: K-56
  ItemExponentialFailureRateLimiter limiter(milliseconds(5), seconds(1000));
  EXPECT_EQ(limiter.When("a"), milliseconds(5));
  EXPECT_EQ(limiter.When("a"), milliseconds(10));
  EXPECT_EQ(limiter.When("a"), milliseconds(20));
  EXPECT_EQ(limiter.When("b"), milliseconds(5));
  EXPECT_EQ(limiter.NumRequeues("a"), 3);
  for (int i = 0; i < 100; ++i) limiter.When("a");
  EXPECT_EQ(limiter.When("a"), seconds(1000));
  limiter.Forget("a");
  EXPECT_EQ(limiter.NumRequeues("a"), 0);
  EXPECT_EQ(limiter.NumRequeues("b"), 1);
  EXPECT_EQ(limiter.When("a"), milliseconds(5));
}

TEST(TokenBucketTest, GivesTheBurstThenTheRate) {
  TokenBucket bucket(10, 3);
  const Time start;
  for (int i = 0; i < 3; ++i) EXPECT_EQ(bucket.Reserve(start), Duration(0));
  // On credit: each later token waits behind those reserved before.
  EXPECT_EQ(bucket.Reserve(start), milliseconds(100));
  EXPECT_EQ(bucket.Reserve(start), milliseconds(200));
  EXPECT_EQ(bucket.Reserve(start + milliseconds(100)), milliseconds(200));
}

TEST(TokenBucketTest, NeverHoldsMoreThanTheBurst) {
  TokenBucket bucket(1.0 / 300, 2);
  const Time start;
  EXPECT_TRUE(bucket.TryTake(start));
  EXPECT_TRUE(bucket.TryTake(start));
  EXPECT_FALSE(bucket.TryTake(start + seconds(299)));
  EXPECT_TRUE(bucket.TryTake(start + seconds(300)));
  EXPECT_FALSE(bucket.TryTake(start + seconds(301)));
  const Time later = start + std::chrono::hours(24);
  EXPECT_TRUE(bucket.TryTake(later));
  EXPECT_TRUE(bucket.TryTake(later));
  EXPECT_FALSE(bucket.TryTake(later));
}

TEST(DefaultControllerRateLimiterTest, AsksForTheLongerWait) {
  // promise: K-56
  FakeClock clock;
  const auto limiter = DefaultControllerRateLimiter(&clock);
  // The bucket's 100 tokens cost nothing, so the key's own failures decide.
  EXPECT_EQ(limiter->When("a"), milliseconds(5));
  for (int i = 1; i < 100; ++i) limiter->When("k");
  // The bucket is empty: a key that failed for the first time waits for the bucket.
  EXPECT_EQ(limiter->When("b"), milliseconds(100));
  EXPECT_EQ(limiter->When("c"), milliseconds(200));
  EXPECT_EQ(limiter->NumRequeues("k"), 99);
  limiter->Forget("k");
  EXPECT_EQ(limiter->NumRequeues("k"), 0);
  // A second refills ten.
  clock.Advance(seconds(1));
  EXPECT_EQ(limiter->When("k"), milliseconds(5));
}

}  // namespace
}  // namespace fractos::kube
