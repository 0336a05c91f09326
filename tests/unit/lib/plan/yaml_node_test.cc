// The tree that YAML becomes: what stands where, and what is refused before anything is read of it.
#include "lib/plan/yaml_node.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/unit/lib/plan/shipped.h"

namespace fractos {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

std::vector<Diagnostic> FaultsOf(absl::string_view text) {
  std::vector<Diagnostic> faults;
  LoadYaml(text, "f", &faults);
  return faults;
}

// promise: G-15
TEST(YamlNodeTest, AnAliasStandsWhereItIsWritten) {
  std::vector<Diagnostic> faults;
  const std::vector<YamlNode> documents = LoadYaml("a:   &x 1\nb: *x\n", "f", &faults);
  ASSERT_THAT(faults, IsEmpty());
  ASSERT_THAT(documents, SizeIs(1));
  const YamlNode* b = documents[0].Find("b");
  ASSERT_NE(b, nullptr);
  EXPECT_EQ(b->text, "1");
  EXPECT_EQ(b->line, 2);
  EXPECT_EQ(b->column, 4);
}

TEST(YamlNodeTest, AnAliasWithinItsOwnAnchorIsNotTakenForAnEarlierDocuments) {
  const std::vector<Diagnostic> faults = FaultsOf("a: &x [1]\n---\nb: &y [*y]\n");
  ASSERT_THAT(faults, SizeIs(1));
  EXPECT_THAT(faults[0].message, HasSubstr("within its own anchor"));
}

// promise: L-14, G-15
TEST(YamlNodeTest, TheValueThatIsTooManyIsNamed) {
  std::string text;
  for (size_t i = 0; i < kMaxYamlNodes; ++i) text += "-   x\n";
  const std::vector<Diagnostic> faults = FaultsOf(text);
  ASSERT_THAT(faults, SizeIs(1));
  EXPECT_EQ(faults[0].mark.line, static_cast<int>(kMaxYamlNodes)) << "the list itself is one";
  EXPECT_EQ(faults[0].mark.column, 5);
}

// yaml-cpp says where it stopped; what is to be mended mostly stands elsewhere.
TEST(YamlNodeTest, FaultsInTheSyntaxSayWhatMayBeMeant) {
  const auto said = [](absl::string_view text) {
    const std::vector<Diagnostic> faults = FaultsOf(text);
    return faults.size() == 1 ? faults[0].message : absl::StrCat(faults.size(), " faults");
  };
  EXPECT_EQ(said("a: 1\nb:\n- {c: 2\n- {c: 3}\n"),
            "not YAML: end of map flow not found; the \"{\" at 3:3 is not closed, or a comma is "
            "missing after it");
  EXPECT_THAT(said("a: [1, [2], 3\nb: 4\n"), HasSubstr("the \"[\" at 1:4 is not closed"));
  EXPECT_THAT(said("a: b: c\n"), HasSubstr("; quote text that holds \": \""));
  EXPECT_THAT(said("a: - b\n"), HasSubstr("; begin the list on a line of its own"));
  EXPECT_THAT(said("a:\n  b: 1\n c: 2\n"), HasSubstr("; check the indentation"));
  EXPECT_THAT(said("a:\n  - 1\n - 2\n"), HasSubstr("; check the indentation"));
}

TEST(YamlNodeTest, TagsAreRefusedOnWhateverTheyStand) {
  for (const char* text : {"a: !foo x\n", "a: !foo [x]\n", "a: !foo {x: y}\n"}) {
    const std::vector<Diagnostic> faults = FaultsOf(text);
    ASSERT_THAT(faults, SizeIs(1)) << text;
    EXPECT_THAT(faults[0].message, HasSubstr("the tag \"!foo\" is not supported"));
    EXPECT_EQ(faults[0].mark.line, 1);
  }
}

// What has no value stands where its key is; in a list it has none.
// promise: G-15
TEST(YamlNodeTest, NothingStandsWhereItsKeyDoes) {
  EXPECT_THAT(
      Faults("apiVersion:\nkind: TaskGraph\nmetadata: {name: x}\nspec: {steps: [null]}\n", "f", {}),
      HasSubstr("f:1:1: apiVersion: has no value"));
  EXPECT_THAT(Faults("apiVersion: fractos.dev/v1alpha1\nkind: TaskGraph\nmetadata: {name: x}\n"
                     "spec:\n  steps: [null]\n",
                     "f", {}),
              HasSubstr("f:5:11: spec.steps[0]: must be a map, not nothing"));
}

}  // namespace
}  // namespace fractos
