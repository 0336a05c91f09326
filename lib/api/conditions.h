// metav1.Condition: what `kubectl wait` waits for. Semantics: apimachinery meta.SetStatusCondition.
#ifndef FRACTOS_LIB_API_CONDITIONS_H_
#define FRACTOS_LIB_API_CONDITIONS_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "lib/base/clock.h"
#include "lib/kube/object.h"

namespace fractos {

// Of one message in a status, whether of a condition or of a failure.
inline constexpr size_t kMaxStatusMessageBytes = 4096;

// `message` as it stands in a status: cut to that, not within a character.
std::string StatusMessage(absl::string_view message);

struct Condition {
  std::string type;
  std::string status;  // "True", "False" or "Unknown"
  std::string reason;  // one CamelCase word
  std::string message;
};

// Puts the condition into `conditions`, a JSON list, in place of the one of its type. Its
// lastTransitionTime is `now` only when the status is another than before. What the API server
// would refuse is made fit: a reason that is no CamelCase word becomes "Unknown", long messages are
// cut.
void SetCondition(kube::Json* conditions, const Condition& condition, int64_t generation,
                  WallTime now);

// The condition of that type in an object's status; null JSON when there is none.
const kube::Json& FindCondition(const kube::Json& status, absl::string_view type);
bool IsTrue(const kube::Json& status, absl::string_view type);

}  // namespace fractos

#endif  // FRACTOS_LIB_API_CONDITIONS_H_
