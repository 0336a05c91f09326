// What frames become in memory. A process of its own, for it counts all that is allocated.
#include <gtest/gtest.h>
#include <malloc.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <string>

#include "absl/strings/string_view.h"
#include "lib/base/limits.h"
#include "lib/base/random.h"
#include "lib/link/codec.h"
#include "lib/link/outbox.h"

namespace {

std::atomic<int64_t> allocated, peak;

void* Counted(void* memory) {
  if (memory == nullptr) std::abort();
  const auto size = static_cast<int64_t>(::malloc_usable_size(memory));
  const int64_t now = allocated += size;
  for (int64_t most = peak; most < now && !peak.compare_exchange_weak(most, now);) {
  }
  return memory;
}
void Free(void* memory) {
  allocated -= static_cast<int64_t>(::malloc_usable_size(memory));
  std::free(memory);
}

}  // namespace

// What a process has in memory says little where a sanitizer keeps what was freed.
void* operator new(size_t size) { return Counted(std::malloc(size)); }
void* operator new(size_t size, const std::nothrow_t&) noexcept {
  return Counted(std::malloc(size));
}
void operator delete(void* memory) noexcept { Free(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { Free(memory); }
void operator delete(void* memory, size_t) noexcept { Free(memory); }

namespace fractos {
namespace {

// How much more is allocated at a time than before, while it is read; whether it is taken.
int64_t PeakBytes(const std::string& bytes, bool taken = false) {
  const int64_t before = allocated;
  peak = before;
  const absl::StatusOr<Frame> frame = DecodeFrame(bytes);
  EXPECT_EQ(frame.ok(), taken) << frame.status();
  return peak - before;
}

std::string Repeated(absl::string_view part, size_t bytes) {
  std::string out;
  while (out.size() + part.size() <= bytes) out.append(part.data(), part.size());
  return out;
}

// promise: H-45
TEST(CodecMemoryTest, AFrameBecomesNotManyTimesItsLengthInMemory) {
  constexpr size_t kAlmostAll = kMaxMessageBytes - 64;
  constexpr int64_t kMost = 5 * kMaxMessageBytes;
  // A field of a message, length and all.
  const auto wrap = [](char field, const std::string& inner) {
    std::string out(1, field);
    size_t size = inner.size();
    for (; size > 127; size >>= 7) out += static_cast<char>((size & 127) | 128);
    return out + static_cast<char>(size) + inner;
  };
  const std::string lists = Repeated(absl::string_view("\x1a\0", 2), kAlmostAll);
  const std::string kinds = Repeated(absl::string_view("\x0a\0\x12\0", 4), kAlmostAll);
  const std::string unknown = Repeated(absl::string_view("\x6a\0", 2), kAlmostAll);
  EXPECT_GT(PeakBytes(wrap('\x0a', kinds)), int64_t{kMaxMessageBytes}) << "it is counted";
  EXPECT_LT(PeakBytes(Repeated(absl::string_view("\x0a\0", 2), kMaxMessageBytes)), kMost);
  EXPECT_LT(PeakBytes(wrap('\x0a', wrap('\x3a', lists))), kMost) << "steps of Recorded";
  EXPECT_LT(PeakBytes(wrap('\x0a', kinds)), kMost) << "messages in one envelope";
  EXPECT_LT(PeakBytes(wrap('\x0a', unknown)), kMost) << "fields of an envelope not known";
  EXPECT_LT(PeakBytes(unknown + "garbage"), kMost) << "fields of a frame not known";
}

// The least that is a hand-over, with steps or signatures that are the least of their kind.
std::string SmallHandOver(size_t steps, size_t signatures) {
  auto continuation = std::make_shared<Continuation>();
  continuation->run = SeededRandom(1).NewId<RunId>();
  continuation->driver = Address::Driver("d");
  for (size_t i = 0; i < steps; ++i) {
    auto step = std::make_shared<Step>();
    step->path = "s";
    step->cluster = "n/c";
    step->operation = "o";
    continuation->steps.push_back(step);
  }
  continuation->signatures.assign(signatures, {"c", "o", Effect::kNone, false, {}, {}});
  HandOver message;
  message.continuation = continuation;
  return EncodeMessage(message);
}

// promise: H-45
TEST(CodecMemoryTest, ManyValidMessagesBecomeNotManyTimesTheirLengthInMemory) {
  constexpr int64_t kMost = 10 * kMaxMessageBytes;
  const std::string end = EncodeMessage(End{SeededRandom(1).NewId<RunId>()});
  const std::string stale = EncodeMessage(StaleEpoch{"c", 0});
  const std::string steps = SmallHandOver(256, 0);
  const std::string signatures = SmallHandOver(1, 4000);
  for (const std::string* message : {&end, &stale, &steps, &signatures}) {
    const std::string all = Repeated(*message, kMaxMessageBytes);
    EXPECT_LT(PeakBytes(all, DecodeFrame(all).ok()), kMost) << message->size() << " bytes each";
    EXPECT_LT(PeakBytes(Repeated(*message, kMaxMessageBytes / 4), /*taken=*/true), kMost);
  }
}

// Or a process that is busy would break its Links.
// promise: H-45
TEST(CodecMemoryTest, WhateverAnOutboxGathersIsTaken) {
  for (const std::string& message :
       {EncodeMessage(End{SeededRandom(1).NewId<RunId>()}), EncodeMessage(StaleEpoch{"n/c", 1}),
        SmallHandOver(256, 0), SmallHandOver(1, 4000)}) {
    Outbox box;
    size_t added = 0;
    for (; added < 2 * kMaxMessageBytes; added += message.size()) box.Add(message, false);
    const std::string frame = box.TakeFrame();
    EXPECT_LT(frame.size(), added) << "it is full";
    EXPECT_GT(frame.size(), Outbox::kMaxGatheredBytes - message.size());
    PeakBytes(frame, /*taken=*/true);
  }
}

}  // namespace
}  // namespace fractos
