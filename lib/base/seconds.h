// Durations as metrics and flags have them: seconds, and parts of one.
#ifndef FRACTOS_LIB_BASE_SECONDS_H_
#define FRACTOS_LIB_BASE_SECONDS_H_

#include <chrono>

#include "lib/base/clock.h"

namespace fractos {

inline double InSeconds(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

}  // namespace fractos

#endif  // FRACTOS_LIB_BASE_SECONDS_H_
