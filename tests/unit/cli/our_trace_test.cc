#include "cli/our_trace.h"

#include <cstdlib>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace fractos {
namespace {

using ::testing::HasSubstr;

TEST(OurTraceTest, WhatIsNoTraceContextIsSaidAndNotPassedOn) {
  const auto given = [](const char* traceparent) {
    ::setenv("TRACEPARENT", traceparent, 1);
    return OurTraceparent();
  };
  ::testing::internal::CaptureStderr();
  constexpr char kGood[] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  EXPECT_EQ(given(kGood), kGood);
  EXPECT_EQ(given(""), "");
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(given("00-4bf9"), "");
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              HasSubstr("TRACEPARENT=\"00-4bf9\" is no trace context"));
  ::unsetenv("TRACEPARENT");
}

}  // namespace
}  // namespace fractos
