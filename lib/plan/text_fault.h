// Whether bytes are text at all.
#ifndef FRACTOS_LIB_PLAN_TEXT_FAULT_H_
#define FRACTOS_LIB_PLAN_TEXT_FAULT_H_

#include <cstddef>
#include <optional>

#include "absl/strings/string_view.h"

namespace fractos {

// The first byte of a text that does not belong there; columns count bytes, from 1.
struct TextFault {
  int line = 1;
  int column = 1;
  absl::string_view what;
};

// Whatever is not UTF-8 (overlong forms, surrogates and code points past U+10FFFF included), and
// control characters other than tab and line ends: yaml-cpp takes some of those for the file's end
// and would read half of it without a word. None: the text is clean.
std::optional<TextFault> FindTextFault(absl::string_view text);

}  // namespace fractos

#endif  // FRACTOS_LIB_PLAN_TEXT_FAULT_H_
