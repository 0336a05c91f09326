// Durations as people write them.
#ifndef FRACTOS_LIB_PLAN_DURATION_H_
#define FRACTOS_LIB_PLAN_DURATION_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "lib/base/clock.h"

namespace fractos {

// "1500ms", "60s", "5m", "1h": what durations look like in YAML and on the command line.
absl::StatusOr<Duration> ParseDuration(absl::string_view text);
std::string FormatDuration(Duration duration);

}  // namespace fractos

#endif  // FRACTOS_LIB_PLAN_DURATION_H_
