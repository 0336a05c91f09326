#include "lib/api/record_text.h"

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/strip.h"

namespace fractos {

std::string IncarnationText(const Incarnation& at, const std::string& ns) {
  return absl::StrCat(absl::StripPrefix(at.address.cluster, absl::StrCat(ns, "/")), "/",
                      at.address.replica, "@", IdText(at.boot));
}

absl::StatusOr<Incarnation> ParseIncarnation(absl::string_view text, const std::string& ns) {
  const size_t at = text.rfind('@');
  const size_t slash = text.rfind('/', at);
  Incarnation incarnation;
  if (at == absl::string_view::npos || slash == absl::string_view::npos ||
      !absl::SimpleAtoi(text.substr(slash + 1, at - slash - 1), &incarnation.address.replica)) {
    return absl::InvalidArgumentError(absl::StrCat("\"", text, "\" is no CLUSTER/REPLICA@BOOT"));
  }
  const absl::string_view cluster = text.substr(0, slash);
  incarnation.address.cluster =
      absl::StrContains(cluster, '/') ? std::string(cluster) : absl::StrCat(ns, "/", cluster);
  absl::StatusOr<BootId> boot = ParseIdText<BootId>(text.substr(at + 1));
  if (!boot.ok()) return boot.status();
  incarnation.boot = *boot;
  return incarnation;
}

}  // namespace fractos
