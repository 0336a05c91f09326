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

TEST(RecentMapTest, KeepsWhatIsInUse) {
  RecentMap<int, int> map(3);
  *map.TryEmplace(0).first = 7;
  for (int i = 1; i < 20; ++i) {
    EXPECT_EQ(*map.TryEmplace(0).first, 7) << i;
    map.TryEmplace(i);
  }
  EXPECT_EQ(map.size(), 3u);
  for (int i = 20; i < 24; ++i) map.TryEmplace(i);
  EXPECT_EQ(map.Find(0), nullptr) << "in use no more";
}

TEST(RecentMapTest, WhenAllAreInUseTheOldestMakesRoom) {
  RecentMap<int, int> map(3);
  for (int i = 0; i < 3; ++i) map.TryEmplace(i);
  for (int i = 0; i < 3; ++i) map.TryEmplace(i);
  EXPECT_TRUE(map.TryEmplace(3).second);
  EXPECT_EQ(map.Find(0), nullptr);
  EXPECT_EQ(map.size(), 3u);
}

}  // namespace
}  // namespace fractos
