// What went wrong, as absl::Status with a payload: either the Kubernetes Status that the API server
// answered, or how the connection to it failed. Callers ask with the predicates below, never by
// code or text: several reasons share a code, and only the payload tells an answer of the API
// server from a failure on the way to it.
//
// Some predicates have the names of Abseil's (absl::IsNotFound), which argument-dependent lookup
// finds too: call these as kube::IsNotFound.
#ifndef FRACTOS_LIB_KUBE_ERRORS_H_
#define FRACTOS_LIB_KUBE_ERRORS_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "lib/base/clock.h"
#include "lib/kube/object.h"

namespace fractos::kube {

// The reasons of metav1.StatusReason that anybody here acts on.
inline constexpr char kReasonUnauthorized[] = "Unauthorized";
inline constexpr char kReasonForbidden[] = "Forbidden";
inline constexpr char kReasonNotFound[] = "NotFound";
inline constexpr char kReasonAlreadyExists[] = "AlreadyExists";
inline constexpr char kReasonConflict[] = "Conflict";
inline constexpr char kReasonGone[] = "Gone";
inline constexpr char kReasonExpired[] = "Expired";
inline constexpr char kReasonInvalid[] = "Invalid";
inline constexpr char kReasonBadRequest[] = "BadRequest";
inline constexpr char kReasonMethodNotAllowed[] = "MethodNotAllowed";
inline constexpr char kReasonTooManyRequests[] = "TooManyRequests";
inline constexpr char kReasonServerTimeout[] = "ServerTimeout";
inline constexpr char kReasonTimeout[] = "Timeout";
inline constexpr char kReasonInternalError[] = "InternalError";
inline constexpr char kReasonServiceUnavailable[] = "ServiceUnavailable";
// The reason of the cause that tells IsTooLargeResourceVersion.
inline constexpr char kCauseResourceVersionTooLarge[] = "ResourceVersionTooLarge";

struct StatusCause {
  std::string reason = {};
  std::string message = {};
  std::string field = {};  // of the object, such as "spec.replicas"

  bool operator==(const StatusCause&) const = default;
};

// A metav1.Status of failure.
struct ApiStatus {
  int code = 0;  // HTTP
  std::string reason = {};
  std::string message = {};
  std::string group = {};     // of the object it is about, where the server says so
  std::string resource = {};  // the server calls it "kind", and puts the plural there
  std::string name = {};
  std::vector<StatusCause> causes = {};
  Duration retry_after{0};

  bool operator==(const ApiStatus&) const = default;
};

// How a request failed that got no answer, or an answer that broke off.
enum class TransportFailure {
  kConnectionRefused,  // nobody listens: no byte was sent
  kConnectionLost,     // reset, or ended in the middle: a write may have happened
  kTimeout,            // silent for too long: a write may have happened
  kOther,              // name not resolved, TLS refused, not HTTP
};

// `message` as error, with the payload. The code is that of absl that comes nearest: Unauthorized
// is UNAUTHENTICATED, Forbidden PERMISSION_DENIED, Conflict ABORTED, Gone and Expired OUT_OF_RANGE,
// 429 RESOURCE_EXHAUSTED, Invalid INVALID_ARGUMENT, timeouts DEADLINE_EXCEEDED.
absl::Status MakeError(const ApiStatus& status);
absl::Status MakeError(TransportFailure failure, absl::string_view message);

// Errors as the API server answers them, for fakes and tests.
absl::Status NotFoundError(const GroupVersionResource& resource, absl::string_view name);
absl::Status AlreadyExistsError(const GroupVersionResource& resource, absl::string_view name);
absl::Status ConflictError(const GroupVersionResource& resource, absl::string_view name);
absl::Status ForbiddenError(const GroupVersionResource& resource, absl::string_view verb,
                            absl::string_view name);
absl::Status ExpiredError(absl::string_view message);  // 410
absl::Status InvalidError(absl::string_view message);  // 422
absl::Status TooManyRequestsError(Duration retry_after);
absl::Status InternalError(absl::string_view message);            // 500
absl::Status TooLargeResourceVersionError(Duration retry_after);  // 504

// Reads the body of an answer of failure to `method`. One that is no Status (a proxy's HTML,
// nothing at all) becomes one: its reason follows `http_code` as in apimachinery's
// NewGenericServerResponse, its message quotes at most 2 KiB of `body`.
ApiStatus DecodeStatus(int http_code, absl::string_view method, absl::string_view body);
// Reads the object of an ERROR event; what is no Status becomes one of code 500.
ApiStatus DecodeStatusObject(const Json& object);

// The payload, if `status` has one.
std::optional<ApiStatus> GetApiStatus(const absl::Status& status);
std::optional<TransportFailure> GetTransportFailure(const absl::Status& status);
// The same error with `context` and ": " in front of its message.
absl::Status WithContext(const absl::Status& status, absl::string_view context);

// By the API server's word alone; false for OK and for failures on the way.
bool IsNotFound(const absl::Status& status);
bool IsAlreadyExists(const absl::Status& status);
bool IsConflict(const absl::Status& status);
bool IsGone(const absl::Status& status);     // reason Gone or Expired, or code 410
bool IsExpired(const absl::Status& status);  // the same: a resourceVersion or continue token is old
bool IsForbidden(const absl::Status& status);
bool IsUnauthorized(const absl::Status& status);
bool IsInvalid(const absl::Status& status);
bool IsBadRequest(const absl::Status& status);
// What was applied has a field that the schema lacks, or a key of a list twice: servers answer that
// with 500 and no reason, so the text alone tells.
bool IsRefusedPatch(const absl::Status& status);
bool IsTooManyRequests(const absl::Status& status);
bool IsTimeout(const absl::Status& status);  // the server's, not ours
bool IsInternalError(const absl::Status& status);
bool IsServiceUnavailable(const absl::Status& status);
bool IsTooLargeResourceVersion(const absl::Status& status);
// How long the server asks to wait; 0 when it does not.
Duration SuggestsRetryAfter(const absl::Status& status);

// By what happened on the way.
bool IsConnectionRefused(const absl::Status& status);
bool IsConnectionLost(const absl::Status& status);

}  // namespace fractos::kube

#endif  // FRACTOS_LIB_KUBE_ERRORS_H_
