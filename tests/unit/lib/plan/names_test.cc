#include "lib/plan/names.h"

#include "gtest/gtest.h"

namespace fractos {
namespace {

std::string Repeat(size_t n, char c = 'a') { return std::string(n, c); }

// Names are DNS-1035 labels of at most 40 characters.
// promise: L-09
TEST(NamesTest, ADnsNameHasAtMostFortyCharacters) {
  EXPECT_TRUE(IsDnsName(Repeat(1)));
  EXPECT_TRUE(IsDnsName(Repeat(39)));
  EXPECT_TRUE(IsDnsName(Repeat(40)));
  EXPECT_FALSE(IsDnsName(Repeat(41)));
  EXPECT_FALSE(IsDnsName(""));
}

// promise: L-09
TEST(NamesTest, ADnsNameIsLowerCaseLettersDigitsAndInnerDashes) {
  for (const char* good : {"a", "z", "a-b", "a0", "z9", "a--b"})
    EXPECT_TRUE(IsDnsName(good)) << good;
  for (const char* bad : {"0a", "-a", "a-", "A", "aB", "a_b", "a.b", "a/b", "a b", "é", "a@"}) {
    EXPECT_FALSE(IsDnsName(bad)) << bad;
  }
}

// promise: L-09
TEST(NamesTest, ANamespaceIsOneOfKubernetes) {
  EXPECT_TRUE(IsNamespace(Repeat(63)));
  EXPECT_FALSE(IsNamespace(Repeat(64)));
  for (const char* good : {"a", "0", "1st-team", "a--b"}) EXPECT_TRUE(IsNamespace(good)) << good;
  for (const char* bad : {"", "-a", "a-", "A", "a_b", "a.b", "a/b", "é"}) {
    EXPECT_FALSE(IsNamespace(bad)) << bad;
  }
}

TEST(NamesTest, AnIdentifierStartsWithALetterAndHasNothingSpecial) {
  for (const char* good : {"a", "Z", "shiftLeft", "max_size", "a-b", "x1", "a-"}) {
    EXPECT_TRUE(IsIdentifier(good)) << good;
  }
  for (const char* bad : {"", "1a", "-a", "_a", "a.b", "a/b", "a:b", "a b", "*", "$(x)"}) {
    EXPECT_FALSE(IsIdentifier(bad)) << bad;
  }
  EXPECT_TRUE(IsIdentifier(Repeat(40)));
  EXPECT_FALSE(IsIdentifier(Repeat(41)));
}

TEST(NearestNameTest, FindsOneEditOfEveryKind) {
  const std::vector<std::string> known = {"storage", "classify"};
  EXPECT_EQ(NearestName("storrage", known), "storage");  // one too many
  EXPECT_EQ(NearestName("strage", known), "storage");    // one missing
  EXPECT_EQ(NearestName("stirage", known), "storage");   // one other
  EXPECT_EQ(NearestName("sotrage", known), "storage");   // two swapped
  EXPECT_EQ(NearestName("clasify", known), "classify");
}

TEST(NearestNameTest, TwoEditsAreNearAndThreeAreNot) {
  EXPECT_EQ(NearestName("stirige", {"storage"}), "storage");
  EXPECT_EQ(NearestName("stirigi", {"storage"}), "");
  EXPECT_EQ(NearestName("storagexy", {"storage"}), "storage");
  EXPECT_EQ(NearestName("storagexyz", {"storage"}), "");
  EXPECT_EQ(NearestName("otsrage", {"storage"}), "storage");
  EXPECT_EQ(NearestName("tsroage", {"storage"}), "storage");  // two swaps
  EXPECT_EQ(NearestName("tsrogae", {"storage"}), "");         // three
}

TEST(NearestNameTest, ShortNamesAllowOneEdit) {
  EXPECT_EQ(NearestName("gat", {"get"}), "get");
  EXPECT_EQ(NearestName("gxx", {"get"}), "");
  EXPECT_EQ(NearestName("lixx", {"list"}), "list") << "that is short no longer";
  EXPECT_EQ(NearestName("putt", {"put"}), "put");
  EXPECT_EQ(NearestName("puttt", {"put"}), "put");
  EXPECT_EQ(NearestName("a", {"b"}), "");  // nothing would be left to recognize it by
  EXPECT_EQ(NearestName("ab", {"ac"}), "ac");
}

TEST(NearestNameTest, TheNearestWinsAndAmongEqualsTheFirst) {
  EXPECT_EQ(NearestName("images", {"imogen", "image"}), "image");
  EXPECT_EQ(NearestName("read0", {"read1", "read2"}), "read1");
  EXPECT_EQ(NearestName("shiftleft", {"shiftsleft", "shiftLeft"}), "shiftLeft");
  EXPECT_EQ(NearestName("SPEC", {"spec"}), "spec");
  EXPECT_EQ(NearestName("spec", {}), "");
}

TEST(NearestNameTest, AbsurdNamesCostNothing) {
  EXPECT_EQ(NearestName(Repeat(200'000), {"storage", "math"}), "");
}

TEST(DidYouMeanTest, SaysSoOnlyWhenSomethingIsNear) {
  EXPECT_EQ(DidYouMean("gett", {"get"}), ", did you mean \"get\"?");
  EXPECT_EQ(DidYouMean("frobnicate", {"get"}), "");
}

TEST(QuotedTest, EscapesWhatCouldTakeOverATerminalAndCutsWhatIsLong) {
  EXPECT_EQ(Quoted("a\x1b[2J\"b"), "\"a\\033[2J\\\"b\"");
  EXPECT_EQ(Quoted(Repeat(80)), "\"" + Repeat(80) + "\"");
  EXPECT_EQ(Quoted(Repeat(81)), "\"" + Repeat(80) + "…\"");
}

}  // namespace
}  // namespace fractos
