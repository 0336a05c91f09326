#include "adaptors/cnn/image.h"

// jpeglib.h needs stdio.h, and jerror.h numbers its messages by what jpeglib.h defines.
// clang-format off
#include <stdio.h>
#include <jpeglib.h>
#include <jerror.h>
// clang-format on
#include <png.h>

#include <algorithm>
#include <csetjmp>
#include <initializer_list>
#include <new>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace fractos {
namespace {

constexpr absl::string_view kJpegSignature = "\xff\xd8";
constexpr absl::string_view kPngSignature = "\x89PNG\r\n\x1a\n";
constexpr absl::string_view kPngEnd("\0\0\0\0IEND\xae\x42\x60\x82", 12);

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

// One JPEG file as libjpeg reads it, which tells of an error by a call that must not return: it
// jumps to the setjmp of the function that was called last, where nothing is to be destroyed.
struct JpegFile {
  ~JpegFile() { jpeg_destroy_decompress(&state); }

  jpeg_decompress_struct state{};
  jpeg_error_mgr errors{};
  jpeg_progress_mgr progress{};
  std::jmp_buf refuse{};
  char why[JMSG_LENGTH_MAX] = "";
};

JpegFile* FileOf(j_common_ptr state) { return static_cast<JpegFile*>(state->client_data); }

[[noreturn]] void RefuseJpeg(j_common_ptr state) {
  JpegFile* file = FileOf(state);
  state->err->format_message(state, file->why);
  std::longjmp(file->refuse, 1);
}

// Of libjpeg's warnings, those after which pixels are made up. Others are quirks of whole
// photographs: bytes that fill up before a marker, a version nobody knows.
void HearJpegWarning(j_common_ptr state, int level) {
  if (level >= 0) return;  // a trace
  switch (state->err->msg_code) {
    case JWRN_ARITH_BAD_CODE:
    case JWRN_HIT_MARKER:
    case JWRN_HUFF_BAD_CODE:
    case JWRN_JPEG_EOF:
    case JWRN_MUST_RESYNC:
      RefuseJpeg(state);
    default:
      break;
  }
}

// Each scan costs time by the size that is announced, not by the bytes that are there.
void LimitJpegScans(j_common_ptr state) {
  constexpr int kMaxScans = 500;
  JpegFile* file = FileOf(state);
  if (file->state.input_scan_number <= kMaxScans) return;
  snprintf(file->why, sizeof(file->why), "more than %d scans", kMaxScans);
  std::longjmp(file->refuse, 1);
}

// False if it is refused, as is ReadJpegPixels; the file then knows why.
bool ReadJpegHeader(JpegFile* file, const unsigned char* bytes, size_t size) {
  file->state.err = jpeg_std_error(&file->errors);
  file->errors.error_exit = &RefuseJpeg;
  file->errors.emit_message = &HearJpegWarning;
  file->progress.progress_monitor = &LimitJpegScans;
  file->state.client_data = file;
  if (setjmp(file->refuse) != 0) return false;
  jpeg_create_decompress(&file->state);
  file->state.progress = &file->progress;
  jpeg_mem_src(&file->state, bytes, size);
  jpeg_read_header(&file->state, /*require_image=*/TRUE);
  return true;
}

// `pixels` has room for all of them, of `channels` bytes each.
bool ReadJpegPixels(JpegFile* file, unsigned char* pixels, int channels) {
  if (setjmp(file->refuse) != 0) return false;
  jpeg_start_decompress(&file->state);
  while (file->state.output_scanline < file->state.output_height) {
    JSAMPROW row =
        pixels + size_t{file->state.output_scanline} * file->state.output_width * channels;
    jpeg_read_scanlines(&file->state, &row, 1);
  }
  jpeg_finish_decompress(&file->state);  // reads on to the end of the file, which must be there
  return true;
}

absl::StatusOr<Image> DecodeJpeg(absl::string_view bytes) {
  JpegFile file;
  if (!ReadJpegHeader(&file, Data(bytes), bytes.size())) return Refuse(file.why);
  J_COLOR_SPACE colours = file.state.jpeg_color_space;
  bool cmyk = colours == JCS_CMYK || colours == JCS_YCCK;
  file.state.out_color_space = cmyk ? JCS_CMYK : JCS_RGB;
  int channels = cmyk ? 4 : 3;
  absl::StatusOr<Image> image = Allocate(file.state.image_width, file.state.image_height, channels);
  if (!image.ok()) return image.status();
  if (!ReadJpegPixels(&file, image->pixels.get(), channels)) return Refuse(file.why);
  if (cmyk) {
    // All who write CMYK write it inverted, as Adobe does: 255 is no ink.
    DropFourth(&*image, [](int colour, int key) { return (colour * key + 127) / 255; });
  }
  return image;
}

// The file without the chunks that do not matter to its pixels. libpng would keep up to a thousand
// texts and profiles, each unpacked to as much as 8 MB of a few KB; and it would not look for the
// end.
absl::StatusOr<std::string> OnlyPixels(absl::string_view png) {
  constexpr size_t kTypeAt = 4;
  constexpr size_t kAroundData = 12;  // length, type and checksum
  std::string kept(kPngSignature);
  png.remove_prefix(kPngSignature.size());
  while (png.size() >= kAroundData) {
    if (absl::StartsWith(png, kPngEnd)) return absl::StrCat(kept, kPngEnd);
    size_t size = std::min(png.size(), kAroundData + png_get_uint_32(Data(png)));
    absl::string_view type = png.substr(kTypeAt, 4);
    for (absl::string_view wanted : {"IHDR", "PLTE", "tRNS", "IDAT"}) {
      if (type == wanted) absl::StrAppend(&kept, png.substr(0, size));
    }
    png.remove_prefix(size);
  }
  return Refuse("it is cut short: a PNG file ends with a chunk IEND");
}

absl::StatusOr<Image> DecodePng(absl::string_view bytes) {
  absl::StatusOr<std::string> file = OnlyPixels(bytes);
  if (!file.ok()) return file.status();
  png_image png{};
  png.version = PNG_IMAGE_VERSION;
  std::unique_ptr<png_image, void (*)(png_image*)> freed_at_end(&png, &png_image_free);
  if (png_image_begin_read_from_memory(&png, file->data(), file->size()) == 0) {
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
