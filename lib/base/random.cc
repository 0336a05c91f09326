#include "lib/base/random.h"

#include <sys/random.h>

#include <cstdlib>

namespace fractos {

uint64_t SystemRandom::Next() {
  uint64_t word = 0;
  // Eight bytes are never interrupted or cut short once the kernel's pool is ready (getrandom(2)).
  if (getrandom(&word, sizeof(word), 0) != sizeof(word)) std::abort();
  return word;
}

uint64_t SeededRandom::Next() {
  uint64_t z = (state_ += 0x9e3779b97f4a7c15ULL);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

}  // namespace fractos
