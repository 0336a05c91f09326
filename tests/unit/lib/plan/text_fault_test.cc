#include "lib/plan/text_fault.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace fractos {
namespace {

TEST(TextFaultTest, FindsWhatIsNotText) {
  const auto fault = [](absl::string_view text) -> std::string {
    const std::optional<TextFault> found = FindTextFault(text);
    return found ? absl::StrCat(found->line, ":", found->column, " ", found->what.substr(0, 9))
                 : "";
  };
  EXPECT_EQ(fault("a\tb\r\nc\n"), "");
  EXPECT_EQ(fault("\xc2\x80 \xdf\xbf \xe0\xa0\x80 \xed\x9f\xbf \xee\x80\x80 \xef\xbf\xbf"), "");
  EXPECT_EQ(fault("\xf0\x90\x80\x80 \xf1\x80\x80\x80 \xf4\x8f\xbf\xbf"), "");
  EXPECT_EQ(fault("ab\nc\x04"), "2:2 a control");
  EXPECT_EQ(fault("\x1f"), "1:1 a control");
  EXPECT_EQ(fault("~ \x7f"), "1:3 a control");
  EXPECT_EQ(fault(absl::string_view("a\0b", 3)), "1:2 a control");
  for (const char* bad :
       {"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc2", "\xc2\x7f", "\xc2\xc0", "\xe0\x9f\xbf",
        "\xed\xa0\x80", "\xef\xbf", "\xef\xbf\x7f", "\xef\xbf\xc0", "\xf0\x8f\xbf\xbf",
        "\xf4\x90\x80\x80", "\xf4\x8f\xbf", "\xf5\x80\x80\x80", "\xff"}) {
    EXPECT_EQ(fault(bad), "1:1 not UTF-8") << static_cast<int>(bad[0]);
  }
}

}  // namespace
}  // namespace fractos
