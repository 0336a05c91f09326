#include "lib/api/conditions.h"

#include "absl/strings/ascii.h"
#include "lib/base/utf8.h"
#include "lib/kube/time.h"

namespace fractos {
namespace {

constexpr size_t kMaxReason = 256;

bool IsReason(absl::string_view reason) {
  if (reason.empty() || reason.size() > kMaxReason || !absl::ascii_isalpha(reason.front())) {
    return false;
  }
  for (const char c : reason) {
    if (!absl::ascii_isalnum(c)) return false;
  }
  return true;
}

}  // namespace

std::string StatusMessage(absl::string_view message) {
  return std::string(CutText(message, kMaxStatusMessageBytes));
}

void SetCondition(kube::Json* conditions, const Condition& condition, int64_t generation,
                  WallTime now) {
  if (!conditions->is_array()) *conditions = kube::Json::array();
  kube::Json next = {{"type", condition.type},
                     {"status", condition.status},
                     {"observedGeneration", generation},
                     {"lastTransitionTime", kube::FormatTime(now)},
                     {"reason", IsReason(condition.reason) ? condition.reason : "Unknown"},
                     {"message", StatusMessage(condition.message)}};
  for (kube::Json& each : *conditions) {
    if (kube::StringMember(each, "type") != condition.type) continue;
    const std::string& since = kube::StringMember(each, "lastTransitionTime");
    if (kube::StringMember(each, "status") == condition.status && !since.empty()) {
      next["lastTransitionTime"] = since;
    }
    each = std::move(next);
    return;
  }
  conditions->push_back(std::move(next));
}

const kube::Json& FindCondition(const kube::Json& status, absl::string_view type) {
  static const kube::Json& none = *new kube::Json();
  const kube::Json& conditions = kube::Member(status, "conditions");
  if (!conditions.is_array()) return none;
  for (const kube::Json& each : conditions) {
    if (kube::StringMember(each, "type") == type) return each;
  }
  return none;
}

bool IsTrue(const kube::Json& status, absl::string_view type) {
  return kube::StringMember(FindCondition(status, type), "status") == "True";
}

}  // namespace fractos
