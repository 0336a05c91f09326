#include "lib/plan/text_fault.h"

#include <cstdint>

#include "lib/base/utf8.h"

namespace fractos {

std::optional<TextFault> FindTextFault(absl::string_view text) {
  TextFault here;
  for (size_t at = 0; at < text.size();) {
    const size_t length = Utf8SequenceLength(text, at);
    const auto byte = static_cast<uint8_t>(text[at]);
    if (length == 0) {
      here.what = "not UTF-8";
      return here;
    }
    if ((byte < 0x20 && byte != '\t' && byte != '\n' && byte != '\r') || byte == 0x7f) {
      here.what = "a control character, which text must not hold";
      return here;
    }
    at += length;
    here.column += static_cast<int>(length);
    if (byte == '\n') {
      ++here.line;
      here.column = 1;
    }
  }
  return std::nullopt;
}

}  // namespace fractos
