#include "daemon/device/when.h"

#include <gtest/gtest.h>

#include "lib/base/limits.h"
#include "lib/base/random.h"

namespace fractos {
namespace {

class WhenTest : public ::testing::Test {
 protected:
  NamedValue Input(const std::string& bytes) {
    return {"answer", store_.StageInline(bytes).value(), false};
  }
  // "run", "skip", or the reason of the failure.
  std::string Check(const WhenSpec& when, const std::vector<NamedValue>& inputs) {
    std::optional<Outcome> outcome = CheckWhen(when, inputs, store_);
    if (!outcome.has_value()) return "run";
    if (std::holds_alternative<Outcome::Skipped>(outcome->what)) return "skip";
    return std::get<Outcome::Failed>(outcome->what).failure.reason;
  }
  std::string Check(Comparison comparison, const std::string& operand, const std::string& bytes) {
    return Check({"answer", comparison, operand}, {Input(bytes)});
  }

  SystemRandom random_;
  MemoryStore store_{{{"default/d", 0}, BootId()}, 1 << 20, &random_};
};

// promise: G-06
TEST_F(WhenTest, EqualsIgnoresTrailingWhiteSpaceOnly) {
  EXPECT_EQ(Check(Comparison::kEquals, "cat", "cat"), "run");
  EXPECT_EQ(Check(Comparison::kEquals, "cat", "cat \t\r\n"), "run");
  EXPECT_EQ(Check(Comparison::kEquals, "cat", " cat"), "skip");
  EXPECT_EQ(Check(Comparison::kEquals, "cat", "dog"), "skip");
  EXPECT_EQ(Check(Comparison::kEquals, "", "\n"), "run");
}

// promise: G-06
TEST_F(WhenTest, NotEquals) {
  EXPECT_EQ(Check(Comparison::kNotEquals, "cat", "dog"), "run");
  EXPECT_EQ(Check(Comparison::kNotEquals, "cat", "cat\n"), "skip");
}

// promise: G-06
TEST_F(WhenTest, MatchesTheWholeText) {
  EXPECT_EQ(Check(Comparison::kMatches, "c.t", "cat\n"), "run");
  EXPECT_EQ(Check(Comparison::kMatches, "c.t", "cats"), "skip");
  EXPECT_EQ(Check(Comparison::kMatches, "c.t.*", "cats"), "run");
}

TEST_F(WhenTest, ALongOperandIsShownInPartAndAsText) {
  const std::string x(39, 'x');
  const std::optional<Outcome> outcome =
      CheckWhen({"answer", Comparison::kEquals, x + "\u20ac"}, {Input("cat")}, store_);
  ASSERT_TRUE(outcome.has_value());
  EXPECT_EQ(std::get<Outcome::Skipped>(outcome->what).message,
            "\"answer\" does not equal \"" + x + "...\"");
}

TEST_F(WhenTest, AnExpressionThatIsNoneFails) {
  EXPECT_EQ(Check(Comparison::kMatches, "c(", "cat"), "WhenInvalid");
}

TEST_F(WhenTest, AMissingInputFails) {
  EXPECT_EQ(Check({"other", Comparison::kEquals, "x"}, {Input("x")}), "WhenInputMissing");
}

TEST_F(WhenTest, SixtyFourKiBAreComparedNotMore) {
  std::string most(kMaxInlineValueBytes, 'x');
  EXPECT_EQ(Check(Comparison::kEquals, most, most), "run");
  EXPECT_EQ(Check(Comparison::kEquals, most, most + "x"), "WhenInputTooLarge");
}

TEST_F(WhenTest, BytesThatDoNotTravelInlineComeFromTheStore) {
  NamedValue input = Input("cat");
  input.value.inline_bytes = nullptr;
  EXPECT_EQ(Check({"answer", Comparison::kEquals, "cat"}, {input}), "run");
  store_.Release(input.value.object);
  EXPECT_EQ(Check({"answer", Comparison::kEquals, "cat"}, {input}), "InputLost");
}

}  // namespace
}  // namespace fractos
