// Text with references in it: "$(parameters.image).class".
#ifndef FRACTOS_LIB_PLAN_TEMPLATE_H_
#define FRACTOS_LIB_PLAN_TEMPLATE_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace fractos {

struct TemplatePart {
  enum class Kind {
    kLiteral,    // `text` itself
    kParameter,  // $(parameters.<text>)
    kFailure,    // $(failure.<text>): step, reason or message
  };
  Kind kind = Kind::kLiteral;
  std::string text;
  friend bool operator==(const TemplatePart&, const TemplatePart&) = default;
};

// The parts of `text`; "$$(" is a literal "$(". No two literals follow each other. InvalidArgument
// for a reference that is not closed or is of neither kind.
absl::StatusOr<std::vector<TemplatePart>> ParseTemplate(absl::string_view text);

// `literal` such that ParseTemplate reads it back as one literal.
std::string EscapeTemplate(absl::string_view literal);

}  // namespace fractos

#endif  // FRACTOS_LIB_PLAN_TEMPLATE_H_
