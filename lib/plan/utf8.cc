#include "lib/plan/utf8.h"

#include <cstdint>

namespace fractos {
namespace {

// The length of the well-formed sequence that starts at `at`; 0 when there is none.
size_t SequenceLength(absl::string_view text, size_t at) {
  const auto byte = [&](size_t i) -> uint8_t {
    return at + i < text.size() ? static_cast<uint8_t>(text[at + i]) : 0;
  };
  const uint8_t first = byte(0);
  if (first < 0x80) return 1;
  size_t length = 0;
  // The second byte's range keeps out overlong forms, surrogates and what is beyond U+10FFFF.
  uint8_t low = 0x80, high = 0xbf;
  if (first >= 0xc2 && first <= 0xdf) {
    length = 2;
  } else if (first >= 0xe0 && first <= 0xef) {
    length = 3;
    if (first == 0xe0) low = 0xa0;
    if (first == 0xed) high = 0x9f;
  } else if (first >= 0xf0 && first <= 0xf4) {
    length = 4;
    if (first == 0xf0) low = 0x90;
    if (first == 0xf4) high = 0x8f;
  } else {
    return 0;
  }
  if (byte(1) < low || byte(1) > high) return 0;
  for (size_t i = 2; i < length; ++i) {
    if (byte(i) < 0x80 || byte(i) > 0xbf) return 0;
  }
  return length;
}

}  // namespace

absl::string_view CutText(absl::string_view text, size_t limit) {
  if (text.size() <= limit) return text;
  while (limit > 0 && (static_cast<uint8_t>(text[limit]) & 0xc0) == 0x80) --limit;
  return text.substr(0, limit);
}

std::optional<TextFault> FindTextFault(absl::string_view text) {
  TextFault here;
  for (size_t at = 0; at < text.size();) {
    const size_t length = SequenceLength(text, at);
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
