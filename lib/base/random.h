// Chance comes in from outside, like time: seeded in tests, from the kernel in production.
#ifndef FRACTOS_LIB_BASE_RANDOM_H_
#define FRACTOS_LIB_BASE_RANDOM_H_

#include <cstdint>
#include <string>

#include "lib/base/ids.h"

namespace fractos {

// A source of chance. Implementations say whether they are thread-safe.
class Random {
 public:
  virtual ~Random() = default;
  virtual uint64_t Next() = 0;

  // Uniform in [0, bound); `bound` must be positive.
  uint64_t Below(uint64_t bound) { return Next() % bound; }

  template <typename Id>
  Id NewId() {
    std::string bytes;
    for (int half = 0; half < 2; ++half) {
      uint64_t word = Next();
      for (int i = 0; i < 8; ++i, word >>= 8) bytes.push_back(static_cast<char>(word & 0xff));
    }
    return Id::FromBytesOrDie(bytes);
  }
};

// From getrandom(2): unpredictable, so fit for ids that must not be guessed. Thread-safe.
class SystemRandom final : public Random {
 public:
  uint64_t Next() override;
};

// splitmix64: the same seed gives the same sequence on every machine. Not thread-safe.
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(uint64_t seed) : state_(seed) {}
  uint64_t Next() override;

 private:
  uint64_t state_;
};

}  // namespace fractos

#endif  // FRACTOS_LIB_BASE_RANDOM_H_
