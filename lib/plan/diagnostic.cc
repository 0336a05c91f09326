// Diagnostics as a person reads them.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/plan/plan.h"

namespace fractos {

std::string Diagnostic::ToString() const {
  std::string text = mark.file;
  if (mark.line > 0) {
    absl::StrAppend(&text, text.empty() ? "" : ":", mark.line, ":", mark.column);
  }
  for (const std::string& part : {field, message}) {
    if (!part.empty()) absl::StrAppend(&text, text.empty() ? "" : ": ", part);
  }
  return text;
}

void SortByPlace(std::vector<Diagnostic>* diagnostics) {
  std::stable_sort(
      diagnostics->begin(), diagnostics->end(), [](const Diagnostic& a, const Diagnostic& b) {
        return std::pair(a.mark.line, a.mark.column) < std::pair(b.mark.line, b.mark.column);
      });
}

}  // namespace fractos
