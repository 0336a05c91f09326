// UTF-8, and text that is shown to people whoever wrote it.
#ifndef FRACTOS_LIB_BASE_UTF8_H_
#define FRACTOS_LIB_BASE_UTF8_H_

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace fractos {

// The length of the well-formed sequence that starts at byte `at`; 0 when there is none. Overlong
// forms, surrogates and what is beyond U+10FFFF are none.
size_t Utf8SequenceLength(absl::string_view text, size_t at);

// `text` as it may stand between two `quote`s on one line of a terminal: control characters, bytes
// that are no UTF-8, backslashes and `quote` itself are escaped as in C; all other characters, of
// whatever language, are left alone.
std::string EscapeText(absl::string_view text, char quote);

// `text` as it may stand on a terminal by itself: control characters other than line ends and tabs,
// and bytes that are no UTF-8, are escaped as in C; all else is left alone.
std::string EscapeLines(absl::string_view text);

// The first `limit` bytes of `text` at most, not cutting a character in two.
absl::string_view CutText(absl::string_view text, size_t limit);

}  // namespace fractos

#endif  // FRACTOS_LIB_BASE_UTF8_H_
