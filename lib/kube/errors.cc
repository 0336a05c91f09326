#include "lib/kube/errors.h"

#include <chrono>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace fractos::kube {
namespace {

constexpr char kApiPayload[] = "fractos.dev/kubernetes-status";
constexpr char kTransportPayload[] = "fractos.dev/kubernetes-transport";

struct Generic {
  int code;
  const char* reason;
  const char* message;
  absl::StatusCode status;
};

// What each HTTP code means where the server says no more (apimachinery's
// NewGenericServerResponse).
constexpr Generic kGeneric[] = {
    {400, kReasonBadRequest, "the server rejected our request", absl::StatusCode::kInvalidArgument},
    {401, kReasonUnauthorized, "the server has asked for the client to provide credentials",
     absl::StatusCode::kUnauthenticated},
    {403, kReasonForbidden, "forbidden", absl::StatusCode::kPermissionDenied},
    {404, kReasonNotFound, "the server could not find the requested resource",
     absl::StatusCode::kNotFound},
    {405, kReasonMethodNotAllowed, "the server does not allow this method on the resource",
     absl::StatusCode::kUnimplemented},
    {406, "NotAcceptable", "the server was unable to respond with a content type that we take",
     absl::StatusCode::kInvalidArgument},
    {409, kReasonConflict, "the server reported a conflict", absl::StatusCode::kAborted},
    {410, kReasonGone, "the requested version is gone", absl::StatusCode::kOutOfRange},
    {413, "RequestEntityTooLarge", "the request is too large", absl::StatusCode::kInvalidArgument},
    {415, "UnsupportedMediaType", "the server does not take this content type",
     absl::StatusCode::kInvalidArgument},
    {422, kReasonInvalid, "the server rejected our request as invalid",
     absl::StatusCode::kInvalidArgument},
    {429, kReasonTooManyRequests, "the server has received too many requests",
     absl::StatusCode::kResourceExhausted},
    {503, kReasonServiceUnavailable, "the server is currently unable to handle the request",
     absl::StatusCode::kUnavailable},
    {504, kReasonTimeout, "the server was unable to answer in time",
     absl::StatusCode::kDeadlineExceeded},
};

const Generic* FindGeneric(int code) {
  for (const Generic& generic : kGeneric) {
    if (generic.code == code) return &generic;
  }
  return nullptr;
}

absl::StatusCode CodeOf(const ApiStatus& status) {
  if (status.reason == kReasonAlreadyExists) return absl::StatusCode::kAlreadyExists;
  if (status.reason == kReasonServerTimeout) return absl::StatusCode::kDeadlineExceeded;
  if (status.reason == kReasonExpired) return absl::StatusCode::kOutOfRange;
  for (const Generic& generic : kGeneric) {
    if (status.reason == generic.reason) return generic.status;
  }
  if (const Generic* generic = FindGeneric(status.code)) return generic->status;
  return status.code >= 500 ? absl::StatusCode::kInternal : absl::StatusCode::kUnknown;
}

int64_t Seconds(Duration duration) {
  return std::chrono::ceil<std::chrono::seconds>(duration).count();
}

Json ToJson(const ApiStatus& status) {
  Json json = {{"kind", "Status"},
               {"status", "Failure"},
               {"code", status.code},
               {"reason", status.reason},
               {"message", status.message}};
  Json& details = json["details"] = Json::object();
  details["group"] = status.group;
  details["kind"] = status.resource;
  details["name"] = status.name;
  details["retryAfterSeconds"] = Seconds(status.retry_after);
  Json& causes = details["causes"] = Json::array();
  for (const StatusCause& cause : status.causes) {
    causes.push_back(
        {{"reason", cause.reason}, {"message", cause.message}, {"field", cause.field}});
  }
  return json;
}

ApiStatus FromJson(const Json& json) {
  const Json& details = Member(json, "details");
  ApiStatus status{.code = static_cast<int>(IntegerMember(json, "code")),
                   .reason = StringMember(json, "reason"),
                   .message = StringMember(json, "message"),
                   .group = StringMember(details, "group"),
                   .resource = StringMember(details, "kind"),
                   .name = StringMember(details, "name")};
  // A server may say any number; a day is longer than anybody waits.
  constexpr int64_t kLongest = 24 * 60 * 60;
  const int64_t seconds = IntegerMember(details, "retryAfterSeconds");
  status.retry_after = std::chrono::seconds(std::min(std::max<int64_t>(seconds, 0), kLongest));
  const Json& causes = Member(details, "causes");
  if (causes.is_array()) {
    for (const Json& cause : causes) {
      status.causes.push_back({.reason = StringMember(cause, "reason"),
                               .message = StringMember(cause, "message"),
                               .field = StringMember(cause, "field")});
    }
  }
  return status;
}

bool IsStatus(const Json& json) {
  return StringMember(json, "kind") == "Status" && StringMember(json, "status") != "Success";
}

ApiStatus Make(int code, const char* reason, std::string message,
               const GroupVersionResource& resource = {}, absl::string_view name = "") {
  return {.code = code,
          .reason = reason,
          .message = std::move(message),
          .group = resource.group,
          .resource = resource.resource,
          .name = std::string(name)};
}

std::string Quoted(const GroupVersionResource& resource, absl::string_view name) {
  return absl::StrCat(resource.GroupResource(), " \"", name, "\"");
}

bool HasReason(const absl::Status& status, absl::string_view reason) {
  const std::optional<ApiStatus> api = GetApiStatus(status);
  return api.has_value() && api->reason == reason;
}

// The server may leave the reason out; then the code alone says it.
bool HasReasonOrCode(const absl::Status& status, absl::string_view reason, int code) {
  const std::optional<ApiStatus> api = GetApiStatus(status);
  return api.has_value() && (api->reason == reason || (api->reason.empty() && api->code == code));
}

}  // namespace

absl::Status MakeError(const ApiStatus& status) {
  absl::Status error(CodeOf(status),
                     status.message.empty() ? absl::StrCat("HTTP ", status.code) : status.message);
  error.SetPayload(kApiPayload, absl::Cord(ToJsonText(ToJson(status))));
  return error;
}

absl::Status MakeError(TransportFailure failure, absl::string_view message) {
  absl::Status error = failure == TransportFailure::kTimeout ? absl::DeadlineExceededError(message)
                                                             : absl::UnavailableError(message);
  error.SetPayload(kTransportPayload, absl::Cord(absl::StrCat(static_cast<int>(failure))));
  return error;
}

absl::Status NotFoundError(const GroupVersionResource& resource, absl::string_view name) {
  return MakeError(Make(404, kReasonNotFound, absl::StrCat(Quoted(resource, name), " not found"),
                        resource, name));
}

absl::Status AlreadyExistsError(const GroupVersionResource& resource, absl::string_view name) {
  return MakeError(Make(409, kReasonAlreadyExists,
                        absl::StrCat(Quoted(resource, name), " already exists"), resource, name));
}

absl::Status ConflictError(const GroupVersionResource& resource, absl::string_view name) {
  return MakeError(Make(409, kReasonConflict,
                        absl::StrCat("Operation cannot be fulfilled on ", Quoted(resource, name),
                                     ": the object has been modified"),
                        resource, name));
}

absl::Status ForbiddenError(const GroupVersionResource& resource, absl::string_view verb,
                            absl::string_view name) {
  return MakeError(Make(403, kReasonForbidden,
                        absl::StrCat(Quoted(resource, name), " is forbidden: cannot ", verb, " ",
                                     resource.GroupResource()),
                        resource, name));
}

absl::Status ExpiredError(absl::string_view message) {
  return MakeError(Make(410, kReasonExpired, std::string(message)));
}

absl::Status InvalidError(absl::string_view message) {
  return MakeError(Make(422, kReasonInvalid, std::string(message)));
}

absl::Status TooManyRequestsError(Duration retry_after) {
  ApiStatus status = Make(429, kReasonTooManyRequests, "too many requests, try again later");
  status.retry_after = retry_after;
  return MakeError(status);
}

absl::Status InternalError(absl::string_view message) {
  return MakeError(Make(500, kReasonInternalError, std::string(message)));
}

absl::Status TooLargeResourceVersionError(Duration retry_after) {
  ApiStatus status = Make(504, kReasonTimeout, "Too large resource version");
  status.causes.push_back({.reason = kCauseResourceVersionTooLarge, .message = status.message});
  status.retry_after = retry_after;
  return MakeError(status);
}

ApiStatus DecodeStatus(int http_code, absl::string_view method, absl::string_view body) {
  absl::StatusOr<Json> json = ParseJson(body);
  if (json.ok() && IsStatus(*json)) {
    ApiStatus status = FromJson(*json);
    if (status.code == 0) status.code = http_code;
    return status;
  }
  ApiStatus status;
  status.code = http_code;
  const Generic* generic = FindGeneric(http_code);
  if (generic != nullptr) {
    status.reason = generic->reason;
    status.message = generic->message;
    if (http_code == 409 && method == "POST") status.reason = kReasonAlreadyExists;
  } else if (http_code >= 500) {
    status.reason = kReasonInternalError;
    status.message = "an error on the server has prevented the request from succeeding";
  } else {
    status.message = absl::StrCat("the server responded with the status code ", http_code,
                                  " but did not return more information");
  }
  constexpr size_t kQuoted = 2048;
  const absl::string_view text = absl::StripAsciiWhitespace(body.substr(0, kQuoted));
  if (!text.empty()) absl::StrAppend(&status.message, " (", text, ")");
  return status;
}

ApiStatus DecodeStatusObject(const Json& object) {
  if (IsStatus(object)) {
    ApiStatus status = FromJson(object);
    if (status.code == 0) status.code = 500;
    return status;
  }
  return Make(500, kReasonInternalError, "an error event without a Status");
}

std::optional<ApiStatus> GetApiStatus(const absl::Status& status) {
  const absl::optional<absl::Cord> payload = status.GetPayload(kApiPayload);
  if (!payload.has_value()) return std::nullopt;
  const absl::StatusOr<Json> json = ParseJson(std::string(*payload));
  return json.ok() ? std::optional(FromJson(*json)) : std::nullopt;
}

std::optional<TransportFailure> GetTransportFailure(const absl::Status& status) {
  const absl::optional<absl::Cord> payload = status.GetPayload(kTransportPayload);
  if (!payload.has_value() || payload->size() != 1) return std::nullopt;
  return static_cast<TransportFailure>((*payload)[0] - '0');
}

absl::Status WithContext(const absl::Status& status, absl::string_view context) {
  if (status.ok()) return status;
  absl::Status error(status.code(), absl::StrCat(context, ": ", status.message()));
  status.ForEachPayload([&error](absl::string_view url, const absl::Cord& payload) {
    error.SetPayload(url, payload);
  });
  return error;
}

bool IsNotFound(const absl::Status& status) {
  return HasReasonOrCode(status, kReasonNotFound, 404);
}
bool IsAlreadyExists(const absl::Status& status) { return HasReason(status, kReasonAlreadyExists); }
bool IsConflict(const absl::Status& status) {
  return HasReasonOrCode(status, kReasonConflict, 409);
}
bool IsGone(const absl::Status& status) {
  const std::optional<ApiStatus> api = GetApiStatus(status);
  return api.has_value() &&
         (api->code == 410 || api->reason == kReasonGone || api->reason == kReasonExpired);
}
bool IsExpired(const absl::Status& status) { return IsGone(status); }
bool IsForbidden(const absl::Status& status) {
  return HasReasonOrCode(status, kReasonForbidden, 403);
}
bool IsUnauthorized(const absl::Status& status) {
  return HasReasonOrCode(status, kReasonUnauthorized, 401);
}
bool IsInvalid(const absl::Status& status) { return HasReasonOrCode(status, kReasonInvalid, 422); }
bool IsBadRequest(const absl::Status& status) {
  return HasReasonOrCode(status, kReasonBadRequest, 400);
}
bool IsRefusedPatch(const absl::Status& status) {
  const std::optional<ApiStatus> api = GetApiStatus(status);
  return api.has_value() && api->code == 500 && api->reason.empty() &&
         absl::StartsWith(api->message, "failed to create typed patch object (");
}
bool IsTooManyRequests(const absl::Status& status) {
  const std::optional<ApiStatus> api = GetApiStatus(status);
  return api.has_value() && (api->reason == kReasonTooManyRequests || api->code == 429);
}
bool IsTimeout(const absl::Status& status) { return HasReasonOrCode(status, kReasonTimeout, 504); }
bool IsInternalError(const absl::Status& status) {
  return HasReasonOrCode(status, kReasonInternalError, 500);
}
bool IsServiceUnavailable(const absl::Status& status) {
  return HasReasonOrCode(status, kReasonServiceUnavailable, 503);
}
bool IsTooLargeResourceVersion(const absl::Status& status) {
  const std::optional<ApiStatus> api = GetApiStatus(status);
  if (!api.has_value() || api->reason != kReasonTimeout) return false;
  for (const StatusCause& cause : api->causes) {
    if (cause.reason == kCauseResourceVersionTooLarge) return true;
    // Servers before 1.16 gave only the text.
    if (absl::string_view(cause.message) == "Too large resource version") return true;
  }
  return false;
}
Duration SuggestsRetryAfter(const absl::Status& status) {
  const std::optional<ApiStatus> api = GetApiStatus(status);
  return api.has_value() ? api->retry_after : Duration(0);
}

bool IsConnectionRefused(const absl::Status& status) {
  return GetTransportFailure(status) == TransportFailure::kConnectionRefused;
}
bool IsConnectionLost(const absl::Status& status) {
  return GetTransportFailure(status) == TransportFailure::kConnectionLost;
}

}  // namespace fractos::kube
