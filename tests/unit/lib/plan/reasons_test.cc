#include "lib/plan/reasons.h"

#include <fstream>
#include <iterator>
#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace fractos {
namespace {

using ::testing::HasSubstr;

TEST(ReasonsTest, EachIsExplainedToUsers) {
  std::ifstream file(FRACTOS_SOURCE_DIR "/docs/fractosctl.md");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  ASSERT_FALSE(text.empty());
  std::set<std::string> all;
  for (const char* reason : reason::kAll) {
    EXPECT_THAT(text, HasSubstr(absl::StrCat("`", reason, "`")));
    EXPECT_TRUE(all.insert(reason).second) << reason << " is listed twice";
  }
}

}  // namespace
}  // namespace fractos
