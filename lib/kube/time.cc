#include "lib/kube/time.h"

#include "absl/time/time.h"

namespace fractos::kube {
namespace {

std::string Format(absl::string_view format, absl::Time time) {
  return absl::FormatTime(format, time, absl::UTCTimeZone());
}

}  // namespace

std::string FormatTime(WallTime time) {
  return Format("%Y-%m-%dT%H:%M:%SZ", absl::FromChrono(time));
}

std::string FormatMicroTime(WallTime time) {
  return Format("%Y-%m-%dT%H:%M:%E6SZ", absl::FromChrono(time));
}

std::string FormatMicroTime(int64_t microseconds) {
  return Format("%Y-%m-%dT%H:%M:%E6SZ", absl::FromUnixMicros(microseconds));
}

std::optional<WallTime> ParseTime(absl::string_view text) {
  absl::Time time;
  if (!absl::ParseTime(absl::RFC3339_full, text, &time, nullptr)) return std::nullopt;
  return absl::ToChronoTime(time);
}

int64_t ParseMicroseconds(absl::string_view text) {
  absl::Time time;
  if (!absl::ParseTime(absl::RFC3339_full, text, &time, nullptr)) return 0;
  return absl::ToUnixMicros(time);
}

}  // namespace fractos::kube
