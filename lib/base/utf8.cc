#include "lib/base/utf8.h"

#include <cstdint>

#include "absl/strings/str_cat.h"

namespace fractos {
namespace {

// C0, DEL, and C1, whose characters some terminals obey as they do ESC.
bool IsControl(absl::string_view character) {
  const auto byte = static_cast<uint8_t>(character[0]);
  if (character.size() == 1) return byte < 0x20 || byte == 0x7f;
  return byte == 0xc2 && static_cast<uint8_t>(character[1]) < 0xa0;
}

void AppendEscaped(char c, std::string* text) {
  switch (c) {
    case '\n':
      text->append("\\n");
      return;
    case '\r':
      text->append("\\r");
      return;
    case '\t':
      text->append("\\t");
      return;
    default:
      break;
  }
  const auto byte = static_cast<uint8_t>(c);
  if (byte >= 0x20 && byte < 0x7f) {
    text->append({'\\', c});
    return;
  }
  absl::StrAppend(text, "\\", byte >> 6, (byte >> 3) & 7, byte & 7);
}

}  // namespace

size_t Utf8SequenceLength(absl::string_view text, size_t at) {
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

namespace {

// With what `stays` says of a character that is text.
template <typename Stays>
std::string Escape(absl::string_view text, Stays stays) {
  std::string escaped;
  for (size_t at = 0; at < text.size();) {
    const size_t length = Utf8SequenceLength(text, at);
    if (length == 0) {
      AppendEscaped(text[at++], &escaped);
      continue;
    }
    const absl::string_view character = text.substr(at, length);
    at += length;
    if (stays(character)) {
      absl::StrAppend(&escaped, character);
    } else {
      for (const char c : character) AppendEscaped(c, &escaped);
    }
  }
  return escaped;
}

}  // namespace

std::string EscapeText(absl::string_view text, char quote) {
  return Escape(text, [quote](absl::string_view character) {
    return !IsControl(character) && character[0] != '\\' && character[0] != quote;
  });
}

std::string EscapeLines(absl::string_view text) {
  return Escape(text, [](absl::string_view character) {
    return !IsControl(character) || character == "\n" || character == "\t";
  });
}

absl::string_view CutText(absl::string_view text, size_t limit) {
  if (text.size() <= limit) return text;
  while (limit > 0 && (static_cast<uint8_t>(text[limit]) & 0xc0) == 0x80) --limit;
  return text.substr(0, limit);
}

}  // namespace fractos
