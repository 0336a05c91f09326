#include "adaptors/cnn/image.h"

#include <png.h>
#include <turbojpeg.h>

#include <algorithm>
#include <initializer_list>
#include <new>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace fractos {
namespace {

constexpr absl::string_view kJpegSignature = "\xff\xd8";
constexpr absl::string_view kPngSignature = "\x89PNG\r\n\x1a\n";

absl::Status Refuse(absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat("no JPEG or PNG image: ", why));
}

const unsigned char* Data(absl::string_view bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

// With room for pixels of `channels` bytes.
absl::StatusOr<Image> Allocate(int64_t width, int64_t height, int channels) {
  if (width <= 0 || height <= 0 || width > Image::kMaxPixels / height) {
    return Refuse(
        absl::StrCat(width, " x ", height, " pixels, more than ", Image::kMaxPixels, " in all"));
  }
  Image image;
  image.width = static_cast<int>(width);
  image.height = static_cast<int>(height);
  image.pixels.reset(new (std::nothrow) unsigned char[width * height * channels]);
  if (image.pixels == nullptr) return Refuse("no memory for its pixels");
  return image;
}

// Makes RGB of four bytes a pixel, in place: `convert` gives a colour from itself and the fourth.
template <typename Convert>
void DropFourth(Image* image, Convert convert) {
  const unsigned char* from = image->pixels.get();
  unsigned char* to = image->pixels.get();
  for (int64_t left = int64_t{image->width} * image->height; left > 0; --left, from += 4) {
    unsigned char fourth = from[3];
    for (int i = 0; i < 3; ++i) *to++ = convert(from[i], fourth);
  }
}

absl::StatusOr<Image> DecodeJpeg(absl::string_view bytes) {
  std::unique_ptr<void, int (*)(tjhandle)> decoder(tjInitDecompress(), &tjDestroy);
  auto refuse = [&decoder] { return Refuse(tjGetErrorStr2(decoder.get())); };
  if (decoder == nullptr) return refuse();
  int width = 0;
  int height = 0;
  int subsampling = 0;
  int colours = 0;
  if (tjDecompressHeader3(decoder.get(), Data(bytes), bytes.size(), &width, &height, &subsampling,
                          &colours) != 0) {
    return refuse();
  }
  bool cmyk = colours == TJCS_CMYK || colours == TJCS_YCCK;
  TJPF format = cmyk ? TJPF_CMYK : TJPF_RGB;
  absl::StatusOr<Image> image = Allocate(width, height, tjPixelSize[format]);
  if (!image.ok()) return image.status();
  // A warning means damage, such as an end that is missing, and fails here anyway: this stops at
  // the first. Scans are limited, for each costs time by the size that is announced, not by the
  // bytes that are there.
  constexpr int kFlags = TJFLAG_STOPONWARNING | TJFLAG_LIMITSCANS;
  if (tjDecompress2(decoder.get(), Data(bytes), bytes.size(), image->pixels.get(), width,
                    /*pitch=*/0, height, format, kFlags) != 0) {
    return refuse();
  }
  if (cmyk) {
    // All who write CMYK write it inverted, as Adobe does: 255 is no ink.
    DropFourth(&*image, [](int colour, int key) { return (colour * key + 127) / 255; });
  }
  return image;
}

// The file without the chunks that do not matter to its pixels. libpng would keep up to a thousand
// texts and profiles, each unpacked to as much as 8 MB of a few KB.
std::string OnlyPixels(absl::string_view png) {
  constexpr size_t kTypeAt = 4;
  constexpr size_t kAroundData = 12;  // length, type and checksum
  std::string kept(kPngSignature);
  png.remove_prefix(kPngSignature.size());
  while (png.size() >= kAroundData) {
    // libpng finds out if it is cut short.
    size_t size = std::min(png.size(), kAroundData + png_get_uint_32(Data(png)));
    absl::string_view type = png.substr(kTypeAt, 4);
    for (absl::string_view wanted : {"IHDR", "PLTE", "tRNS", "IDAT", "IEND"}) {
      if (type == wanted) absl::StrAppend(&kept, png.substr(0, size));
    }
    png.remove_prefix(size);
  }
  return kept;
}

absl::StatusOr<Image> DecodePng(absl::string_view bytes) {
  std::string file = OnlyPixels(bytes);
  png_image png{};
  png.version = PNG_IMAGE_VERSION;
  std::unique_ptr<png_image, void (*)(png_image*)> freed_at_end(&png, &png_image_free);
  if (png_image_begin_read_from_memory(&png, file.data(), file.size()) == 0) {
    return Refuse(png.message);
  }
  // libpng drops alpha only by mixing with a background.
  bool alpha = (png.format & PNG_FORMAT_FLAG_ALPHA) != 0;
  png.format = alpha ? PNG_FORMAT_RGBA : PNG_FORMAT_RGB;
  png.flags |= PNG_IMAGE_FLAG_16BIT_sRGB;
  absl::StatusOr<Image> image = Allocate(png.width, png.height, alpha ? 4 : 3);
  if (!image.ok()) return image.status();
  if (png_image_finish_read(&png, /*background=*/nullptr, image->pixels.get(), /*row_stride=*/0,
                            /*colormap=*/nullptr) == 0) {
    return Refuse(png.message);
  }
  if (alpha) DropFourth(&*image, [](int colour, int) { return colour; });
  return image;
}

}  // namespace

absl::StatusOr<Image> Image::Decode(absl::string_view bytes) {
  if (absl::StartsWith(bytes, kJpegSignature)) return DecodeJpeg(bytes);
  if (absl::StartsWith(bytes, kPngSignature)) return DecodePng(bytes);
  return Refuse("its header is neither's");
}

}  // namespace fractos
