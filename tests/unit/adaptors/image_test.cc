// Decoding photographs, and what somebody made to harm whoever decodes it.
#include "adaptors/cnn/image.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <png.h>
#include <sys/resource.h>
#include <turbojpeg.h>
#include <zlib.h>

#include <algorithm>
#include <fstream>
#include <iterator>

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
  const unsigned char pixel[] = {255, 0, 0, 128};
  tjhandle encoder = tjInitCompress();
  unsigned char* bytes = nullptr;
  unsigned long size = 0;
  ASSERT_EQ(tjCompress2(encoder, pixel, 1, 0, 1, TJPF_CMYK, &bytes, &size, TJSAMP_444, 100, 0), 0);
  absl::StatusOr<Image> image =
      Image::Decode(absl::string_view(reinterpret_cast<const char*>(bytes), size));
  tjFree(bytes);
  tjDestroy(encoder);
  ASSERT_TRUE(image.ok()) << image.status();
  EXPECT_NEAR(image->pixels[0], 128, 3);
  EXPECT_NEAR(image->pixels[1], 0, 3);
  EXPECT_NEAR(image->pixels[2], 0, 3);
}

// promise: B-21
TEST(ImageTest, WhatIsCutShortIsRefused) {
  for (const char* name : {"rocket.jpg", "cat.png"}) {
    std::string whole = Photograph(name);
    for (size_t size : {size_t{1}, size_t{3}, size_t{10}, size_t{300}, whole.size() / 2}) {
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
