#include "lib/api/record_text.h"

#include <gtest/gtest.h>

#include "lib/base/digest.h"

namespace fractos {
namespace {

const BootId kBoot = BootId::FromBytesOrDie(std::string(15, '\0') + "\xaa");

// promise: O-42
TEST(RecordTextTest, IdsAreShortAndReadBack) {
  EXPECT_EQ(IdText(kBoot), "AAAAAAAAAAAAAAAAAAAAqg");
  EXPECT_EQ(ParseIdText<BootId>("AAAAAAAAAAAAAAAAAAAAqg").value(), kBoot);
  const Digest digest = Digest::Of("cat");
  EXPECT_EQ(IdText(digest).size(), 43u);
  EXPECT_EQ(ParseIdText<Digest>(IdText(digest)).value(), digest);
  for (const char* text : {"", "AAAA", "+/+/", "AAAAAAAAAAAAAAAAAAAAAAAAAA"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(ParseIdText<BootId>(text).status())) << text;
  }
}

TEST(RecordTextTest, AnIncarnationNamesItsNamespaceWhereItIsAnother) {
  const Incarnation at{{"default/storage", 3}, kBoot};
  EXPECT_EQ(IncarnationText(at, "default"), "storage/3@AAAAAAAAAAAAAAAAAAAAqg");
  EXPECT_EQ(IncarnationText(at, "other"), "default/storage/3@AAAAAAAAAAAAAAAAAAAAqg");
  for (const char* ns : {"default", "other"}) {
    EXPECT_EQ(ParseIncarnation(IncarnationText(at, ns), ns).value(), at);
  }
}

TEST(RecordTextTest, WhatIsNoIncarnationIsRefused) {
  for (const char* text : {"", "storage", "storage/0", "storage@AAAAAAAAAAAAAAAAAAAAqg",
                           "storage/x@AAAAAAAAAAAAAAAAAAAAqg", "storage/0@", "@/x"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(ParseIncarnation(text, "default").status())) << text;
  }
}

}  // namespace
}  // namespace fractos
