#include "lib/base/digest.h"

#include <gtest/gtest.h>

namespace fractos {
namespace {

TEST(DigestTest, IsSha256) {
  // FIPS 180-2, appendix B.1.
  EXPECT_EQ(Digest::Of("abc").ToHex(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(DigestTest, ReadsBackItsBytesAndNothingElse) {
  const Digest digest = Digest::Of("abc");
  EXPECT_EQ(Digest::FromBytes(digest.bytes()).value(), digest);
  EXPECT_FALSE(Digest::FromBytes("short").ok());
}

TEST(FieldHasherTest, FieldsDoNotRunIntoEachOther) {
  EXPECT_NE(FieldHasher("d").Add("ab").Add("c").Finish(),
            FieldHasher("d").Add("a").Add("bc").Finish());
  EXPECT_NE(FieldHasher("d").Add("").Finish(), FieldHasher("d").Finish());
  EXPECT_NE(FieldHasher("d").Add("a").Finish(), FieldHasher("e").Add("a").Finish());
}

}  // namespace
}  // namespace fractos
