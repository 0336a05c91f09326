// Decoding photographs, and what somebody made to harm whoever decodes it.
#include "adaptors/cnn/image.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
// clang-format off
#include <stdio.h>  // which jpeglib.h needs
#include <jpeglib.h>
// clang-format on
#include <png.h>
#include <sys/resource.h>
#include <zlib.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iterator>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lib/base/random.h"

namespace fractos {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

constexpr size_t kPngSignatureBytes = 8;
constexpr size_t kPngHeaderBytes = kPngSignatureBytes + 25;  // with IHDR, which is the first chunk

std::string Photograph(const std::string& name) {
  std::ifstream file(FRACTOS_SOURCE_DIR "/examples/classify/data/" + name, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::string BigEndian(uint32_t number, int bytes) {
  std::string text;
  while (bytes-- > 0) text.push_back(static_cast<char>(number >> (8 * bytes)));
  return text;
}

uint32_t Crc(absl::string_view bytes) {
  return crc32(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size());
}

std::string PngChunk(const std::string& type, const std::string& data) {
  return absl::StrCat(BigEndian(data.size(), 4), type, data, BigEndian(Crc(type + data), 4));
}

std::string JpegSegment(char marker, const std::string& data) {
  return absl::StrCat("\xff", std::string(1, marker), BigEndian(data.size() + 2, 2), data);
}

// Of `pixels`, rows of `width`, whose bytes `channels` says; `adjust` has the last word on how.
std::string EncodeJpeg(std::string pixels, int width, J_COLOR_SPACE space, int channels,
                       const std::function<void(jpeg_compress_struct*)>& adjust) {
  jpeg_compress_struct encoder{};
  jpeg_error_mgr errors{};
  encoder.err = jpeg_std_error(&errors);
  jpeg_create_compress(&encoder);
  unsigned char* bytes = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&encoder, &bytes, &size);
  encoder.image_width = width;
  encoder.image_height = pixels.size() / width / channels;
  encoder.in_color_space = space;
  encoder.input_components = channels;
  jpeg_set_defaults(&encoder);
  jpeg_set_quality(&encoder, 100, TRUE);
  adjust(&encoder);
  jpeg_start_compress(&encoder, TRUE);
  while (encoder.next_scanline < encoder.image_height) {
    JSAMPROW row = reinterpret_cast<JSAMPROW>(pixels.data()) +
                   size_t{encoder.next_scanline} * width * channels;
    jpeg_write_scanlines(&encoder, &row, 1);
  }
  jpeg_finish_compress(&encoder);
  std::string file(reinterpret_cast<const char*>(bytes), size);
  jpeg_destroy_compress(&encoder);
  std::free(bytes);
  return file;
}

// Makes each chunk's checksum right, so that libpng looks at what is in it.
void MendChecksums(std::string* png) {
  for (size_t at = kPngSignatureBytes; at + 12 <= png->size();) {
    size_t size = png_get_uint_32(reinterpret_cast<png_const_bytep>(png->data() + at));
    if (size > png->size() - at - 12) return;
    absl::string_view checked = absl::string_view(*png).substr(at + 4, 4 + size);
    png->replace(at + 8 + size, 4, BigEndian(Crc(checked), 4));
    at += 12 + size;
  }
}

std::string Pixels(const absl::StatusOr<Image>& image) {
  if (!image.ok()) return image.status().ToString();
  return {reinterpret_cast<const char*>(image->pixels.get()),
          size_t{3} * image->width * image->height};
}

std::string Why(const std::string& bytes) {
  absl::StatusOr<Image> image = Image::Decode(bytes);
  if (image.ok()) return "it is an image";
  EXPECT_EQ(image.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(image.status().message());
}

TEST(ImageTest, PhotographsHaveTheirSize) {
  absl::StatusOr<Image> jpeg = Image::Decode(Photograph("rocket.jpg"));
  ASSERT_TRUE(jpeg.ok()) << jpeg.status();
  EXPECT_EQ(jpeg->width, 640);
  EXPECT_EQ(jpeg->height, 427);
  absl::StatusOr<Image> png = Image::Decode(Photograph("cat.png"));
  ASSERT_TRUE(png.ok()) << png.status();
  EXPECT_EQ(png->width, 451);
  EXPECT_EQ(png->height, 300);
}

TEST(ImageTest, AlphaIsDropped) {
  const unsigned char pixels[] = {10, 20, 30, 0, 40, 50, 60, 255};
  png_image png{};
  png.version = PNG_IMAGE_VERSION;
  png.width = 2;
  png.height = 1;
  png.format = PNG_FORMAT_RGBA;
  png_alloc_size_t size = 1000;
  std::string file(size, '\0');
  ASSERT_NE(png_image_write_to_memory(&png, file.data(), &size, 0, pixels, 0, nullptr), 0);
  file.resize(size);
  EXPECT_EQ(Pixels(Image::Decode(file)), "\x0a\x14\x1e\x28\x32\x3c");
}

TEST(ImageTest, AGammaChangesNothing) {
  std::string coffee = Photograph("coffee.png");
  std::string dark = coffee;
  dark.insert(kPngHeaderBytes, PngChunk("gAMA", BigEndian(100'000, 4)));
  EXPECT_TRUE(Pixels(Image::Decode(dark)) == Pixels(Image::Decode(coffee)));
}

TEST(ImageTest, CmykBecomesRgb) {
  // As Adobe has it: 255 is no ink. Pure red, half as bright.
  std::string pixel("\xff\x00\x00\x80", 4);
  absl::StatusOr<Image> image = Image::Decode(EncodeJpeg(pixel, 1, JCS_CMYK, 4, [](auto*) {}));
  ASSERT_TRUE(image.ok()) << image.status();
  EXPECT_NEAR(image->pixels[0], 128, 3);
  EXPECT_NEAR(image->pixels[1], 0, 3);
  EXPECT_NEAR(image->pixels[2], 0, 3);
}

// What cameras, telephones and old programs write, though no standard has it.
TEST(ImageTest, QuirksOfWholeJpegsChangeNothing) {
  const std::string rocket = Photograph("rocket.jpg");
  const std::string pixels = Pixels(Image::Decode(rocket));

  std::string filled = rocket;
  filled.insert(filled.size() - 2, 100, '\0');
  EXPECT_TRUE(Pixels(Image::Decode(filled)) == pixels) << Why(filled);

  constexpr size_t kVersionAt = 11;
  std::string version = rocket;
  ASSERT_EQ(version.substr(6, 5), std::string("JFIF", 5));
  version.replace(kVersionAt, 2, "\x02\x01");
  EXPECT_TRUE(Pixels(Image::Decode(version)) == pixels) << Why(version);

  const std::string scan("\xff\xda\x00\x0c\x03", 5);
  std::string spectrum = rocket;
  size_t at = spectrum.find(scan);
  ASSERT_NE(at, std::string::npos);
  size_t last_coefficient_at = at + 12;
  ASSERT_EQ(spectrum[last_coefficient_at], 63);
  spectrum[last_coefficient_at] = 0;
  EXPECT_TRUE(Pixels(Image::Decode(spectrum)) == pixels) << Why(spectrum);
}

TEST(ImageTest, AnySubsamplingIsTaken) {
  constexpr int kWidth = 32;
  std::string grey(size_t{3} * kWidth * kWidth, '\x80');
  std::string jpeg = EncodeJpeg(grey, kWidth, JCS_RGB, 3, [](jpeg_compress_struct* encoder) {
    encoder->comp_info[0].h_samp_factor = 4;  // 4:1:0
    encoder->comp_info[0].v_samp_factor = 2;
  });
  EXPECT_TRUE(Pixels(Image::Decode(jpeg)) == grey) << Why(jpeg);
}

// promise: B-21
TEST(ImageTest, MoreThanTheBoundOfScansIsRefused) {
  // Each coefficient by itself, bit after bit.
  constexpr int kBits = 10;
  std::vector<jpeg_scan_info> scans = {{1, {0}, 0, 0, 0, 0}};
  for (int coefficient = 1; coefficient < DCTSIZE2; ++coefficient) {
    for (int bit = kBits - 1; bit >= 0; --bit) {
      int before = bit == kBits - 1 ? 0 : bit + 1;
      scans.push_back({1, {0}, coefficient, coefficient, before, bit});
    }
  }
  for (size_t count : {size_t{500}, scans.size()}) {
    std::string jpeg = EncodeJpeg(std::string(64, '\x80'), 8, JCS_GRAYSCALE, 1,
                                  [&scans, count](jpeg_compress_struct* encoder) {
                                    encoder->scan_info = scans.data();
                                    encoder->num_scans = static_cast<int>(count);
                                  });
    EXPECT_THAT(Why(jpeg), HasSubstr(count == 500 ? "it is an image" : "more than 500 scans"));
  }
}

// promise: B-21
TEST(ImageTest, WhatIsCutShortIsRefused) {
  for (const char* name : {"rocket.jpg", "cat.png"}) {
    std::string whole = Photograph(name);
    for (size_t size : {size_t{1}, size_t{3}, size_t{10}, size_t{300}, whole.size() / 2,
                        whole.size() - 12, whole.size() - 1}) {
      EXPECT_THAT(Why(whole.substr(0, size)), StartsWith("no JPEG or PNG image: "))
          << name << " " << size;
    }
  }
}

// promise: B-21
TEST(ImageTest, MoreThanTheBoundOfPixelsIsRefusedByTheHeader) {
  std::string jpeg = Photograph("rocket.jpg");
  size_t frame = jpeg.find(std::string("\xff\xc0\x00\x11\x08", 5));
  ASSERT_NE(frame, std::string::npos);
  jpeg.replace(frame + 5, 4, absl::StrCat(BigEndian(65'000, 2), BigEndian(65'001, 2)));
  EXPECT_THAT(Why(jpeg), HasSubstr("65001 x 65000 pixels, more than 64000000 in all"));

  std::string png = Photograph("cat.png");
  png.replace(16, 8, absl::StrCat(BigEndian(64'001, 4), BigEndian(1'000, 4)));
  MendChecksums(&png);
  EXPECT_THAT(Why(png), HasSubstr("64001 x 1000 pixels, more than 64000000 in all"));
}

// promise: B-21
TEST(ImageTest, AJpegWithTooManyHuffmanCodesIsRefused) {
  // Three lengths of 255 codes each, where all may have 256: a decoder that believes it writes
  // behind its table.
  std::string codes =
      absl::StrCat("\x10", std::string(13, '\0'), std::string(3, '\xff'), std::string(765, '\x0e'));
  std::string frame("\x08\x01\x00\x01\x00\x01\x01\x11\x00", 9);
  std::string scan("\x01\x01\x00\x00\x3f\x00", 6);
  std::string jpeg =
      absl::StrCat("\xff\xd8", JpegSegment('\xc4', codes), JpegSegment('\xc0', frame),
                   JpegSegment('\xda', scan), std::string(200, '\0'), "\xff\xd9");
  EXPECT_THAT(Why(jpeg), AllOf(StartsWith("no JPEG or PNG image: "), HasSubstr("Huffman")));
}

// promise: B-21
TEST(ImageTest, TextsInAPngAreNotUnpacked) {
  constexpr int kTexts = 50;
  std::string text(7'900'000, 'a');
  uLongf size = compressBound(text.size());
  std::string packed(size, '\0');
  ASSERT_EQ(compress(reinterpret_cast<Bytef*>(packed.data()), &size,
                     reinterpret_cast<const Bytef*>(text.data()), text.size()),
            Z_OK);
  packed.resize(size);
  std::string chunk = PngChunk("zTXt", absl::StrCat("k", std::string(2, '\0'), packed));
  std::string png = Photograph("cat.png");
  for (int i = 0; i < kTexts; ++i) png.insert(kPngHeaderBytes, chunk);

  struct rusage before {};
  struct rusage after {};
  ::getrusage(RUSAGE_SELF, &before);
  EXPECT_EQ(Why(png), "it is an image");
  ::getrusage(RUSAGE_SELF, &after);
  EXPECT_LT(after.ru_maxrss - before.ru_maxrss, 100 * 1024) << "KiB, of some 390,000";
}

// Whether it is still an image is chance; that nothing breaks is what sanitizers watch.
// promise: B-21
TEST(ImageTest, DamagedPhotographsAreDecodedOrRefused) {
  constexpr int kMutants = 200;
  constexpr int kMaxChanges = 8;
  constexpr size_t kHeaders = 700;
  SeededRandom random(21);
  for (const char* name : {"rocket.jpg", "cat.png"}) {
    const std::string whole = Photograph(name);
    for (int mutant = 0; mutant < kMutants; ++mutant) {
      std::string bytes = whole;
      for (uint64_t left = 1 + random.Below(kMaxChanges); left > 0; --left) {
        uint64_t among = random.Below(2) == 0 ? kHeaders : bytes.size();
        bytes[random.Below(among)] = static_cast<char>(random.Next());
      }
      if (name == std::string("cat.png")) MendChecksums(&bytes);
      if (random.Below(8) == 0) bytes.resize(random.Below(bytes.size()));
      absl::StatusOr<Image> image = Image::Decode(bytes);
      if (image.ok()) {
        EXPECT_LE(int64_t{image->width} * image->height, Image::kMaxPixels) << name << mutant;
      } else {
        EXPECT_THAT(std::string(image.status().message()), StartsWith("no JPEG or PNG image: "));
      }
    }
  }
}

}  // namespace
}  // namespace fractos
