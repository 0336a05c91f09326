#include "lib/base/recent_map.h"

#include <gtest/gtest.h>

namespace fractos {
namespace {

TEST(RecentMapTest, ForgetsTheOldestAboveItsBound) {
  RecentMap<int, int> map(3);
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(map.TryEmplace(i).second);
  EXPECT_FALSE(map.TryEmplace(4).second);
  EXPECT_EQ(map.size(), 3u);
  EXPECT_EQ(map.Find(1), nullptr);
  EXPECT_NE(map.Find(2), nullptr);
}

}  // namespace
}  // namespace fractos
