// Times as Kubernetes writes them: RFC 3339, in UTC.
#ifndef FRACTOS_LIB_KUBE_TIME_H_
#define FRACTOS_LIB_KUBE_TIME_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "lib/base/clock.h"

namespace fractos::kube {

// metav1.Time, "2006-01-02T15:04:05Z": what is left of a second is dropped.
std::string FormatTime(WallTime time);

// metav1.MicroTime, "2006-01-02T15:04:05.000000Z".
std::string FormatMicroTime(WallTime time);
// The same of microseconds since 1970.
std::string FormatMicroTime(int64_t microseconds);

// The time that `text` says, of either form or with an offset from UTC; none when it is no RFC
// 3339. What WallTime cannot hold is the nearest that it can.
std::optional<WallTime> ParseTime(absl::string_view text);
// The same in microseconds since 1970; 0 when `text` is none, as where a time is not there.
int64_t ParseMicroseconds(absl::string_view text);

}  // namespace fractos::kube

#endif  // FRACTOS_LIB_KUBE_TIME_H_
