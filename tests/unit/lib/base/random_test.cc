#include "lib/base/random.h"

#include <gtest/gtest.h>

namespace fractos {
namespace {

TEST(SeededRandomTest, TheSameSeedGivesTheSameSequence) {
  SeededRandom a(7), b(7), c(8);
  const uint64_t first = a.Next();
  EXPECT_EQ(first, b.Next());
  EXPECT_NE(first, c.Next());
  EXPECT_EQ(a.NewId<RunId>(), b.NewId<RunId>());
}

// promise: M-14
TEST(SystemRandomTest, NeverRepeatsAnId) {
  SystemRandom random;
  EXPECT_NE(random.NewId<RunId>(), random.NewId<RunId>());
}

}  // namespace
}  // namespace fractos
