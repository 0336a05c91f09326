#include "lib/base/trace_context.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace fractos {
namespace {

constexpr char kTrace[] = "4bf92f3577b34da6a3ce929d0e0e4736";
constexpr char kParent[] = "00f067aa0ba902b7";

std::string Header(const std::string& version, const std::string& rest) {
  return absl::StrCat(version, "-", kTrace, "-", kParent, "-", rest);
}

TEST(TraceContextTest, IsReadAndWrittenAsTheSpecificationHasIt) {
  const std::optional<TraceContext> context = ParseTraceparent(Header("00", "01"));
  ASSERT_TRUE(context.has_value());
  EXPECT_EQ(context->trace.ToHex(), kTrace);
  EXPECT_EQ(context->parent, 0x00f067aa0ba902b7u);
  EXPECT_EQ(SpanIdToHex(context->parent), kParent);
  EXPECT_TRUE(context->sampled);
  EXPECT_EQ(FormatTraceparent(*context), Header("00", "01"));
}

TEST(TraceContextTest, OnlyTheLastBitOfTheFlagsSaysWhetherSpansAreWanted) {
  EXPECT_FALSE(ParseTraceparent(Header("00", "00"))->sampled);
  EXPECT_FALSE(ParseTraceparent(Header("00", "02"))->sampled);
  EXPECT_TRUE(ParseTraceparent(Header("00", "03"))->sampled);
  EXPECT_EQ(FormatTraceparent(*ParseTraceparent(Header("00", "02"))), Header("00", "00"));
}

TEST(TraceContextTest, OfLaterVersionsWhatIsKnownIsRead) {
  EXPECT_TRUE(ParseTraceparent(Header("01", "01")).has_value());
  EXPECT_TRUE(ParseTraceparent(Header("cc", "01-what-comes")).has_value());
}

// promise: S-02
TEST(TraceContextTest, WhatIsNoTraceparentIsNone) {
  const std::string zeros(32, '0');
  for (const std::string& text :
       {std::string(), std::string("00"), Header("ff", "01"), Header("00", "01-more"),
        Header("cc", "01more"), Header("00", "1"), Header("00", "0g"), Header("0G", "01"),
        absl::StrCat("00-", zeros, "-", kParent, "-01"),
        absl::StrCat("00-", kTrace, "-", zeros.substr(16), "-01"),
        absl::StrCat("00-4BF92F3577B34DA6A3CE929D0E0E4736-", kParent, "-01"),
        absl::StrCat("00_", kTrace, "_", kParent, "_01")}) {
    EXPECT_FALSE(ParseTraceparent(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace fractos
