#include "daemon/fetcher.h"

#include <gtest/gtest.h>

#include <string>

#include "lib/base/random.h"

namespace fractos {
namespace {

// promise: H-46
TEST(FetcherTest, ForgetsTheClusterItLearntFirstRatherThanGrow) {
  SeededRandom random(1);
  const Incarnation self{{"default/self", 0}, random.NewId<BootId>()};
  MemoryStore store(self, 1 << 20, &random);
  absl::Mutex mutex;
  absl::Status last;
  size_t answers = 0;
  Fetcher fetcher(self, &store, [&](const RunId&, const Value&, const absl::Status& status) {
    const absl::MutexLock lock(&mutex);
    last = status;
    ++answers;
  });
  for (size_t i = 0; i <= Fetcher::kMostClusters; ++i) {
    // A folder that is not there: that the socket is looked for is what matters.
    fetcher.Learn(ClusterView{"default/c" + std::to_string(i), {"unix:/nowhere/at/all"}, 0, 0});
  }
  const auto fetch = [&](const std::string& cluster) {
    Value value;
    value.size = 1;
    value.owner = {{cluster, 0}, random.NewId<BootId>()};
    value.object = random.NewId<ObjectId>();
    size_t before = 0;
    {
      const absl::MutexLock lock(&mutex);
      before = answers;
    }
    fetcher.Fetch(random.NewId<RunId>(), value);
    const absl::MutexLock lock(&mutex);
    const auto answered = [&] { return answers > before; };
    EXPECT_TRUE(mutex.AwaitWithTimeout(absl::Condition(&answered), absl::Seconds(20)));
    return std::string(last.message());
  };
  EXPECT_EQ(fetch("default/c0"), "nobody said where the Memory of default/c0-0 is read");
  EXPECT_NE(fetch("default/c1"), "nobody said where the Memory of default/c1-0 is read");
}

// promise: M-16
TEST(FetcherTest, RefusesWhatCanNeverBeKeptWithoutAskingForIt) {
  constexpr uint64_t kQuota = 1000;
  SeededRandom random(1);
  const Incarnation self{{"default/self", 0}, random.NewId<BootId>()};
  MemoryStore store(self, kQuota, &random);
  ASSERT_TRUE(store.StageInline("x").ok());
  absl::Status last;  // both are answered inside Fetch
  Fetcher fetcher(self, &store,
                  [&](const RunId&, const Value&, const absl::Status& status) { last = status; });
  fetcher.Learn(ClusterView{"default/owner", {"unix:/nowhere/at/all"}, 0, 0});
  Value value;
  value.owner = {{"default/owner", 0}, random.NewId<BootId>()};
  value.object = random.NewId<ObjectId>();
  value.size = kQuota;
  fetcher.Fetch(random.NewId<RunId>(), value);
  EXPECT_TRUE(absl::IsResourceExhausted(last)) << last << ", which is waited for";
  ++value.size;
  fetcher.Fetch(random.NewId<RunId>(), value);
  EXPECT_TRUE(absl::IsOutOfRange(last)) << last << ", which fails the step";
  EXPECT_EQ(fetcher.stats().failed, 2u);
}

}  // namespace
}  // namespace fractos
