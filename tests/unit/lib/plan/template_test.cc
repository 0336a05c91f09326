#include "lib/plan/template.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace fractos {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(TemplateTest, PartsAndFaults) {
  using Kind = TemplatePart::Kind;
  EXPECT_THAT(
      *ParseTemplate("a$(parameters.x)$(failure.reason)$$(b"),
      ElementsAre(TemplatePart{Kind::kLiteral, "a"}, TemplatePart{Kind::kParameter, "x"},
                  TemplatePart{Kind::kFailure, "reason"}, TemplatePart{Kind::kLiteral, "$(b"}));
  EXPECT_THAT(*ParseTemplate(""), IsEmpty());
  EXPECT_THAT(ParseTemplate("$(parameters.x").status().message(), HasSubstr("is not closed"));
  EXPECT_THAT(ParseTemplate("$(x)").status().message(), HasSubstr("unknown reference \"x\""));
  EXPECT_THAT(ParseTemplate("$()").status().message(), HasSubstr("unknown reference"));
  EXPECT_THAT(ParseTemplate("$(failure.mesage)").status().message(),
              HasSubstr("not \"mesage\", did you mean \"message\"?"));
  for (const char* literal : {"$(", "a$(b)", "$$(", "$", "((", "$$$(x$("}) {
    EXPECT_THAT(*ParseTemplate(EscapeTemplate(literal)),
                ElementsAre(TemplatePart{Kind::kLiteral, literal}));
  }
}

}  // namespace
}  // namespace fractos
