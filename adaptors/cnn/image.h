// A photograph, decoded from bytes that nobody vouches for.
#ifndef FRACTOS_ADAPTORS_CNN_IMAGE_H_
#define FRACTOS_ADAPTORS_CNN_IMAGE_H_

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace fractos {

// 8-bit RGB pixels, rows from the top, no gaps.
struct Image {
  static constexpr int64_t kMaxPixels = 64'000'000;

  int width = 0;
  int height = 0;
  std::unique_ptr<unsigned char[]> pixels;

  // InvalidArgument unless `bytes` is a JPEG or PNG file, whole and undamaged, of at most
  // kMaxPixels pixels, which its header says before any memory is taken for them. Alpha is dropped,
  // and what the file says of colour profiles and gamma ignored.
  static absl::StatusOr<Image> Decode(absl::string_view bytes);
};

}  // namespace fractos

#endif  // FRACTOS_ADAPTORS_CNN_IMAGE_H_
