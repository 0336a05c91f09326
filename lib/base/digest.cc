#include "lib/base/digest.h"

#include <openssl/sha.h>

#include <cstring>

namespace fractos {

Digest Digest::Of(absl::string_view data) {
  Digest digest;
  SHA256(reinterpret_cast<const unsigned char*>(data.data()), data.size(),
         reinterpret_cast<unsigned char*>(digest.bytes_.data()));
  return digest;
}

absl::StatusOr<Digest> Digest::FromBytes(absl::string_view bytes) {
  if (bytes.size() != kSize) return absl::InvalidArgumentError("a digest is 32 bytes long");
  Digest digest;
  std::memcpy(digest.bytes_.data(), bytes.data(), kSize);
  return digest;
}

FieldHasher& FieldHasher::Add(absl::string_view field) {
  uint64_t length = field.size();
  char prefix[8];
  for (char& byte : prefix) {
    byte = static_cast<char>(length & 0xff);
    length >>= 8;
  }
  buffer_.append(prefix, sizeof(prefix));
  buffer_.append(field.data(), field.size());
  return *this;
}

}  // namespace fractos
