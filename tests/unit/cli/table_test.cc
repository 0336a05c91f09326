#include "cli/table.h"

#include "gtest/gtest.h"

namespace fractos {
namespace {

TEST(TableTest, ColumnsAreAsWideAsTheirWidestCell) {
  EXPECT_EQ(FormatTable({{"NAME", "READY", "AGE"}, {"a-long-name", "", "3s"}, {"b", "True", ""}}),
            "NAME          READY   AGE\n"
            "a-long-name   -       3s\n"
            "b             True    -\n");
}

TEST(TableTest, AgesAreAsKubectlSaysThem) {
  using std::chrono::hours;
  using std::chrono::minutes;
  using std::chrono::seconds;
  EXPECT_EQ(FormatAge(seconds(-5)), "0s");
  EXPECT_EQ(FormatAge(seconds(119)), "119s");
  EXPECT_EQ(FormatAge(seconds(192)), "3m12s");
  EXPECT_EQ(FormatAge(minutes(5)), "5m");
  EXPECT_EQ(FormatAge(minutes(179)), "179m");
  EXPECT_EQ(FormatAge(hours(5)), "5h");
  EXPECT_EQ(FormatAge(hours(24 * 12)), "12d");
}

}  // namespace
}  // namespace fractos
