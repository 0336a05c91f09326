#include "lib/base/utf8.h"

#include <gtest/gtest.h>

namespace fractos {
namespace {

TEST(EscapeTextTest, LeavesEveryLanguageAlone) {
  for (const char* text : {"Käse.png", "奶酪", "🧀", "it's"})
    EXPECT_EQ(EscapeText(text, '"'), text);
}

TEST(EscapeTextTest, EscapesWhatCouldTakeOverATerminalOrIsNoText) {
  EXPECT_EQ(EscapeText("a\x1b[2Jb\n\t\r", '"'), "a\\033[2Jb\\n\\t\\r");
  EXPECT_EQ(EscapeText("\xc2\x9b"
                       "2J",
                       '"'),
            "\\302\\2332J")
      << "CSI in one character";
  EXPECT_EQ(EscapeText("K\xe4se", '"'), "K\\344se") << "Latin-1";
  EXPECT_EQ(EscapeText(absl::string_view("\0\x7f", 2), '"'), "\\000\\177");
}

TEST(EscapeTextTest, EscapesTheQuoteThatItStandsIn) {
  EXPECT_EQ(EscapeText(R"(a"b'c\d)", '"'), R"(a\"b'c\\d)");
  EXPECT_EQ(EscapeText(R"(a"b'c)", '\''), R"(a"b\'c)");
}

TEST(EscapeLinesTest, LeavesLinesAndQuotesAlone) {
  const std::string text = "no \"C:\\x\":\n\tKäse 🧀";
  EXPECT_EQ(EscapeLines(text), text);
  EXPECT_EQ(EscapeLines("a\x1b]0;b\a\r"
                        "c"),
            "a\\033]0;b\\007\\rc");
}

TEST(CutTextTest, NeverCutsACharacterInTwo) {
  EXPECT_EQ(CutText("abc", 3), "abc");
  EXPECT_EQ(CutText("abc", 2), "ab");
  EXPECT_EQ(CutText("abc", 0), "");
  const std::string text = "aß€😀";  // 1, 2, 3 and 4 bytes
  EXPECT_EQ(CutText(text, 10), text);
  for (size_t limit : {6, 7, 8, 9}) EXPECT_EQ(CutText(text, limit), "aß€") << limit;
  for (size_t limit : {3, 4, 5}) EXPECT_EQ(CutText(text, limit), "aß") << limit;
  for (size_t limit : {1, 2}) EXPECT_EQ(CutText(text, limit), "a") << limit;
  EXPECT_EQ(CutText("\x80\x80\x80", 2), "") << "what is no text is cut, too";
}

}  // namespace
}  // namespace fractos
