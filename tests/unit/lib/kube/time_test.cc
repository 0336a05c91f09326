#include "lib/kube/time.h"

#include <gtest/gtest.h>

namespace fractos::kube {
namespace {

using std::chrono::microseconds;
using std::chrono::seconds;

const WallTime kTime = WallTime(microseconds(1'700'000'000'000'042));

TEST(TimeTest, IsInWholeSecondsOrHasSixDigits) {
  // promise: K-70
  EXPECT_EQ(FormatTime(kTime), "2023-11-14T22:13:20Z");
  EXPECT_EQ(FormatMicroTime(kTime), "2023-11-14T22:13:20.000042Z");
  EXPECT_EQ(FormatMicroTime(WallTime(seconds(1'700'000'000))), "2023-11-14T22:13:20.000000Z");
  EXPECT_EQ(FormatMicroTime(1'700'000'000'000'042), FormatMicroTime(kTime));
}

TEST(TimeTest, IsReadBack) {
  EXPECT_EQ(ParseTime(FormatMicroTime(kTime)), kTime);
  EXPECT_EQ(ParseTime(FormatTime(kTime)), WallTime(seconds(1'700'000'000)));
  EXPECT_EQ(ParseMicroseconds(FormatMicroTime(kTime)), 1'700'000'000'000'042);
  EXPECT_EQ(ParseTime("2023-11-14T23:13:20.000042+01:00"), kTime);
}

TEST(TimeTest, WhatIsNoTimeIsNone) {
  for (const char* text : {"", "yesterday", "2023-11-14", "2023-11-14T22:13:20", "1700000000"}) {
    EXPECT_EQ(ParseTime(text), std::nullopt) << text;
    EXPECT_EQ(ParseMicroseconds(text), 0) << text;
  }
  EXPECT_GT(ParseTime("9999-12-31T23:59:59Z"), kTime) << "as late as there is";
}

}  // namespace
}  // namespace fractos::kube
