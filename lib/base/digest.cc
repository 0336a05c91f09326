#include "lib/base/digest.h"

#include <openssl/evp.h>

#include <cstdlib>
#include <cstring>

namespace fractos {

Digest Digest::Of(absl::string_view data) {
  // OpenSSL 3's SHA256() looks the algorithm up by its name each time, which takes longer than the
  // few dozen bytes of an identity do.
  static const EVP_MD* const kAlgorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  struct Context {
    EVP_MD_CTX* const raw = EVP_MD_CTX_new();
    ~Context() { EVP_MD_CTX_free(raw); }
  };
  thread_local const Context kContext;
  Digest digest;
  auto* const out = reinterpret_cast<unsigned char*>(digest.bytes_.data());
  if (kAlgorithm == nullptr || EVP_DigestInit_ex(kContext.raw, kAlgorithm, nullptr) != 1 ||
      EVP_DigestUpdate(kContext.raw, data.data(), data.size()) != 1 ||
      EVP_DigestFinal_ex(kContext.raw, out, nullptr) != 1) {
    std::abort();  // a libcrypto without SHA-256: nothing can be named
  }
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
