#include "lib/base/ids.h"

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"

namespace fractos {

std::string HexEncode(absl::string_view bytes) { return absl::BytesToHexString(bytes); }

absl::StatusOr<std::string> HexDecode(absl::string_view hex) {
  if (hex.size() % 2 != 0) return absl::InvalidArgumentError("hexadecimal text of odd length");
  for (char c : hex) {
    if (!absl::ascii_isxdigit(static_cast<unsigned char>(c))) {
      return absl::InvalidArgumentError("not hexadecimal text");
    }
  }
  return absl::HexStringToBytes(hex);
}

}  // namespace fractos
