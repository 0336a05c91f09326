// 128-bit identifiers, each kind a type of its own so that a run can never be taken for an object.
#ifndef FRACTOS_LIB_BASE_IDS_H_
#define FRACTOS_LIB_BASE_IDS_H_

#include <array>
#include <cstdint>
#include <cstring>
#include <ostream>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace fractos {

// Lower-case hexadecimal text of `bytes`.
std::string HexEncode(absl::string_view bytes);

// The bytes that `hex` spells. InvalidArgument when the length is odd or a digit is not
// hexadecimal.
absl::StatusOr<std::string> HexDecode(absl::string_view hex);

// A value of 128 bits; `Tag` only tells the kinds apart. Regular: copies, compares, hashes.
// The all-zero id means "none" and is what a default-constructed id is.
template <typename Tag>
class Id128 {
 public:
  static constexpr size_t kSize = 16;

  constexpr Id128() = default;

  // The first 16 bytes of `bytes`, which must hold at least that many.
  static Id128 FromBytesOrDie(absl::string_view bytes);

  // InvalidArgument unless `bytes` is exactly 16 long.
  static absl::StatusOr<Id128> FromBytes(absl::string_view bytes);

  // InvalidArgument unless `hex` is 32 hexadecimal digits.
  static absl::StatusOr<Id128> FromHex(absl::string_view hex);

  bool IsNone() const { return bytes_ == std::array<char, kSize>{}; }
  absl::string_view bytes() const { return {bytes_.data(), kSize}; }
  std::string ToHex() const { return HexEncode(bytes()); }
  // The first eight digits, for people.
  std::string ToShortHex() const { return HexEncode(bytes().substr(0, 4)); }

  friend bool operator==(const Id128&, const Id128&) = default;
  friend auto operator<=>(const Id128&, const Id128&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const Id128& id) {
    return H::combine(std::move(h), id.bytes());
  }
  friend std::ostream& operator<<(std::ostream& out, const Id128& id) { return out << id.ToHex(); }

 private:
  std::array<char, kSize> bytes_{};
};

template <typename Tag>
absl::StatusOr<Id128<Tag>> Id128<Tag>::FromBytes(absl::string_view bytes) {
  if (bytes.size() != kSize) return absl::InvalidArgumentError("an id is 16 bytes long");
  Id128 id;
  std::memcpy(id.bytes_.data(), bytes.data(), kSize);
  return id;
}

template <typename Tag>
Id128<Tag> Id128<Tag>::FromBytesOrDie(absl::string_view bytes) {
  return FromBytes(bytes.substr(0, kSize)).value();
}

template <typename Tag>
absl::StatusOr<Id128<Tag>> Id128<Tag>::FromHex(absl::string_view hex) {
  absl::StatusOr<std::string> bytes = HexDecode(hex);
  if (!bytes.ok()) return bytes.status();
  return FromBytes(*bytes);
}

using RunId = Id128<struct RunIdTag>;        // one TaskGraph object: its uid
using ObjectId = Id128<struct ObjectIdTag>;  // one Memory object at its owner
using BootId = Id128<struct BootIdTag>;      // one life of a process
using Lineage = Id128<struct LineageTag>;    // which results a step was executed on
using ResultId = Id128<struct ResultIdTag>;  // one result of a step

}  // namespace fractos

#endif  // FRACTOS_LIB_BASE_IDS_H_
