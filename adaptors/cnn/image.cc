#include "adaptors/cnn/image.h"

#include <climits>

#include "absl/strings/str_cat.h"

// Only what is promised: every further format is more code that strangers' bytes reach.
#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_NO_STDIO
#define STBI_ONLY_JPEG
#define STBI_ONLY_PNG
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#include <stb/stb_image.h>
#pragma GCC diagnostic pop

namespace fractos {

absl::StatusOr<Image> Image::Decode(absl::string_view bytes) {
  auto refuse = [](absl::string_view why) {
    return absl::InvalidArgumentError(absl::StrCat("no JPEG or PNG image: ", why));
  };
  if (bytes.size() > INT_MAX) return refuse("more than 2 GiB");
  const auto* data = reinterpret_cast<const stbi_uc*>(bytes.data());
  int size = static_cast<int>(bytes.size());
  Image image;
  int channels = 0;
  if (stbi_info_from_memory(data, size, &image.width, &image.height, &channels) == 0) {
    return refuse("its header is neither's");
  }
  if (image.width <= 0 || image.height <= 0 || int64_t{image.width} * image.height > kMaxPixels) {
    return refuse(absl::StrCat(image.width, " x ", image.height, " pixels, more than ", kMaxPixels,
                               " in all"));
  }
  constexpr int kRgb = 3;
  image.pixels = {stbi_load_from_memory(data, size, &image.width, &image.height, &channels, kRgb),
                  &stbi_image_free};
  if (image.pixels == nullptr) return refuse(stbi_failure_reason());
  return image;
}

}  // namespace fractos
