#include "lib/base/ids.h"

#include <gtest/gtest.h>

namespace fractos {
namespace {

TEST(IdsTest, HexReadsBack) {
  const RunId id = RunId::FromHex("000102030405060708090a0b0c0d0eff").value();
  EXPECT_EQ(id.ToHex(), "000102030405060708090a0b0c0d0eff");
  EXPECT_EQ(id.ToShortHex(), "00010203");
  EXPECT_FALSE(id.IsNone());
  EXPECT_TRUE(RunId().IsNone());
}

TEST(IdsTest, RefusesWhatIsNotAnId) {
  EXPECT_FALSE(RunId::FromHex("0001").ok());
  EXPECT_FALSE(RunId::FromHex("000").ok());
  EXPECT_FALSE(RunId::FromHex("zz0102030405060708090a0b0c0d0eff").ok());
  EXPECT_FALSE(RunId::FromBytes("seventeen bytes !!").ok());
}

}  // namespace
}  // namespace fractos
