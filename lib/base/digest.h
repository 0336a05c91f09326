// SHA-256 of bytes, and a hasher over a list of fields that no two different lists share.
#ifndef FRACTOS_LIB_BASE_DIGEST_H_
#define FRACTOS_LIB_BASE_DIGEST_H_

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "lib/base/ids.h"

namespace fractos {

// The SHA-256 of some bytes. Regular type; a default-constructed one is all zero and is nobody's.
class Digest {
 public:
  static constexpr size_t kSize = 32;

  constexpr Digest() = default;
  static Digest Of(absl::string_view data);
  // InvalidArgument unless exactly 32 bytes.
  static absl::StatusOr<Digest> FromBytes(absl::string_view bytes);

  absl::string_view bytes() const { return {bytes_.data(), kSize}; }
  std::string ToHex() const { return HexEncode(bytes()); }

  friend bool operator==(const Digest&, const Digest&) = default;
  friend auto operator<=>(const Digest&, const Digest&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const Digest& digest) {
    return H::combine(std::move(h), digest.bytes());
  }

 private:
  std::array<char, kSize> bytes_{};
};

// The SHA-256 of bytes that come piece by piece. Not thread-safe.
class DigestStream {
 public:
  DigestStream();
  ~DigestStream();
  DigestStream(const DigestStream&) = delete;
  DigestStream& operator=(const DigestStream&) = delete;

  void Add(absl::string_view data);
  // Once, at the end.
  Digest Finish();

 private:
  struct Context;
  const std::unique_ptr<Context> context_;
};

// Digests a list of fields, each with its length in front, so that ("ab","c") and ("a","bc")
// differ. Not thread-safe.
class FieldHasher {
 public:
  // `domain` separates uses: the same fields under two domains give two digests.
  explicit FieldHasher(absl::string_view domain) { Add(domain); }

  FieldHasher& Add(absl::string_view field);
  Digest Finish() const { return Digest::Of(buffer_); }

 private:
  // The fields are short, so they are gathered and hashed at once: setting up an incremental
  // context costs more than the copy.
  std::string buffer_;
};

}  // namespace fractos

#endif  // FRACTOS_LIB_BASE_DIGEST_H_
