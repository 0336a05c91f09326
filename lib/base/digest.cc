#include "lib/base/digest.h"

#include <openssl/evp.h>

#include <cstdlib>
#include <cstring>

namespace fractos {

namespace {

// OpenSSL 3's SHA256() looks the algorithm up by its name each time, which takes longer than the
// few dozen bytes of an identity do.
const EVP_MD* Algorithm() {
  static const EVP_MD* const kAlgorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  if (kAlgorithm == nullptr) std::abort();  // a libcrypto without SHA-256: nothing can be named
  return kAlgorithm;
}

}  // namespace

Digest Digest::Of(absl::string_view data) {
  struct Context {
    EVP_MD_CTX* const raw = EVP_MD_CTX_new();
    ~Context() { EVP_MD_CTX_free(raw); }
  };
  thread_local const Context kContext;
  Digest digest;
  auto* const out = reinterpret_cast<unsigned char*>(digest.bytes_.data());
  if (EVP_DigestInit_ex(kContext.raw, Algorithm(), nullptr) != 1 ||
      EVP_DigestUpdate(kContext.raw, data.data(), data.size()) != 1 ||
      EVP_DigestFinal_ex(kContext.raw, out, nullptr) != 1) {
    std::abort();
  }
  return digest;
}

struct DigestStream::Context {
  EVP_MD_CTX* const raw = EVP_MD_CTX_new();
  ~Context() { EVP_MD_CTX_free(raw); }
};

DigestStream::DigestStream() : context_(std::make_unique<Context>()) {
  if (EVP_DigestInit_ex(context_->raw, Algorithm(), nullptr) != 1) std::abort();
}
DigestStream::~DigestStream() = default;

void DigestStream::Add(absl::string_view data) {
  if (EVP_DigestUpdate(context_->raw, data.data(), data.size()) != 1) std::abort();
}

Digest DigestStream::Finish() {
  char bytes[Digest::kSize];
  auto* const out = reinterpret_cast<unsigned char*>(bytes);
  if (EVP_DigestFinal_ex(context_->raw, out, nullptr) != 1) std::abort();
  return Digest::FromBytes({bytes, sizeof(bytes)}).value();
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
