#include "lib/link/redial.h"

#include <gtest/gtest.h>

namespace fractos {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// All of it, or nothing, of what chance may add.
class FixedRandom final : public Random {
 public:
  explicit FixedRandom(uint64_t value) : value_(value) {}
  uint64_t Next() override { return value_; }

 private:
  const uint64_t value_;
};

TEST(RedialTest, EachRoundHasTwiceTheTimeUpToEightTimes) {
  Redial redial(seconds(2));
  FixedRandom random(0);
  for (int expected : {2, 4, 8, 16, 16}) {
    EXPECT_EQ(redial.Begin(), seconds(expected));
    redial.Lost(/*opened=*/false, random);
  }
  for (int i = 0; i < 100; ++i) redial.Lost(false, random);
  EXPECT_EQ(redial.Begin(), Redial::MostPatience(seconds(2)));
  redial.Opened();
  EXPECT_EQ(redial.Begin(), seconds(2));
}

// promise: T-16
TEST(RedialTest, BesideADialThatHangsAnotherGoesOut) {
  Redial redial(seconds(2));
  redial.Begin();
  for (int expected : {250, 500, 1000}) EXPECT_EQ(redial.Beside(), milliseconds(expected));
  redial.RefusedBeside();
  EXPECT_EQ(redial.Beside(), milliseconds(250)) << "somebody answered: look again soon";
  redial.Begin();
  EXPECT_EQ(redial.Beside(), milliseconds(250)) << "another round";
}

TEST(RedialTest, WaitsLongerWithEachRoundThatFails) {
  Redial redial(seconds(2));
  EXPECT_FALSE(redial.HasFailed());
  FixedRandom none(0);
  for (int expected : {25, 50, 100, 125, 125}) {
    EXPECT_EQ(redial.Lost(/*opened=*/false, none), milliseconds(expected));
  }
  EXPECT_TRUE(redial.HasFailed());
  redial.Opened();
  EXPECT_FALSE(redial.HasFailed());
  EXPECT_EQ(redial.Lost(/*opened=*/true, none), milliseconds(25));
  EXPECT_TRUE(redial.HasFailed()) << "it is not dialled again at once, for many may do so";
  SeededRandom random(1);
  for (int i = 0; i < 1000; ++i) {
    const Duration wait = redial.Lost(false, random);
    ASSERT_GE(wait, milliseconds(25));
    ASSERT_LE(wait, milliseconds(250));
  }
}

}  // namespace
}  // namespace fractos
