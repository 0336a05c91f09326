#include "lib/link/outbox.h"

#include <gtest/gtest.h>

#include <string>

namespace fractos {
namespace {

TEST(OutboxTest, GathersMessagesIntoFramesInOrderAndDividesNone) {
  Outbox box;
  const std::string half(Outbox::kMaxGatheredBytes / 2, 'a');
  EXPECT_TRUE(box.Add(half, false));
  EXPECT_TRUE(box.Add(half, false));
  EXPECT_TRUE(box.Add("bc", false));
  EXPECT_EQ(box.TakeFrame(), half + half);
  EXPECT_TRUE(box.Add("d", false));
  EXPECT_EQ(box.TakeFrame(), "bcd");
  EXPECT_TRUE(box.empty());
}

TEST(OutboxTest, RefusesWhatIsTooLongOrTooMuchAndKeepsTheRest) {
  Outbox box;
  EXPECT_FALSE(box.Add(std::string(Outbox::kMaxPieceBytes + 1, 'x'), false));
  EXPECT_TRUE(box.empty());
  const std::string longest(Outbox::kMaxPieceBytes, 'x');
  size_t taken = 0;
  while (box.Add(longest, false)) ++taken;
  EXPECT_EQ(taken, Outbox::kMaxBytes / Outbox::kMaxPieceBytes);
  box.TakeFrame();
  EXPECT_TRUE(box.Add(longest, false)) << "there is room again";
  box.Clear();
  EXPECT_TRUE(box.empty());
  for (size_t i = 0; i < taken; ++i) EXPECT_TRUE(box.Add(longest, false)) << i;
}

TEST(OutboxTest, IsDueWhenSomethingInItIsWaitedFor) {
  Outbox box;
  box.MakeDue();
  EXPECT_FALSE(box.due()) << "there is nothing";
  box.Add("later", true);
  EXPECT_FALSE(box.due());
  box.MakeDue();
  EXPECT_TRUE(box.due());
  box.TakeFrame();
  EXPECT_FALSE(box.due());
  box.Add("later", true);
  box.Add("now", false);
  box.Add("later", true);
  EXPECT_TRUE(box.due());
  box.Clear();
  EXPECT_FALSE(box.due());
}

}  // namespace
}  // namespace fractos
