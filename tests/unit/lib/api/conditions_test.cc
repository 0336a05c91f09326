#include "lib/api/conditions.h"

#include <gtest/gtest.h>

#include "lib/kube/time.h"

namespace fractos {
namespace {

using std::chrono::seconds;

// promise: O-10
TEST(ConditionsTest, TheTimeIsThatOfTheLastChangeOfStatus) {
  const WallTime start = *kube::ParseTime("2026-01-01T00:00:00Z");
  kube::Json conditions;
  SetCondition(&conditions, {"Ready", "False", "NoLeader", "none leads"}, 1, start);
  SetCondition(&conditions, {"Ready", "False", "NoReplica", "none is there"}, 2,
               start + seconds(5));
  ASSERT_EQ(conditions.size(), 1u);
  EXPECT_EQ(conditions[0]["lastTransitionTime"], "2026-01-01T00:00:00Z");
  EXPECT_EQ(conditions[0]["reason"], "NoReplica");
  EXPECT_EQ(conditions[0]["observedGeneration"], 2);
  SetCondition(&conditions, {"Ready", "True", "Leading", "0 leads"}, 2, start + seconds(9));
  EXPECT_EQ(conditions[0]["lastTransitionTime"], "2026-01-01T00:00:09Z");
}

TEST(ConditionsTest, WhatTheApiServerWouldRefuseIsMadeFit) {
  kube::Json conditions;
  SetCondition(&conditions, {"Succeeded", "False", "not a word", std::string(5000, 'x')}, 1,
               WallTime());
  EXPECT_EQ(conditions[0]["reason"], "Unknown");
  EXPECT_EQ(conditions[0]["message"].get<std::string>().size(), kMaxStatusMessageBytes);
}

TEST(ConditionsTest, MessagesAreCutBetweenCharacters) {
  const std::string fits(kMaxStatusMessageBytes, 'x');
  EXPECT_EQ(StatusMessage(fits), fits);
  const std::string before(kMaxStatusMessageBytes - 2, 'x');
  EXPECT_EQ(StatusMessage(before + "\u20ac"), before);
}

}  // namespace
}  // namespace fractos
