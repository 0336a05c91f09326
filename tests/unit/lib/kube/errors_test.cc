#include "lib/kube/errors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

namespace fractos::kube {
namespace {

using std::chrono::seconds;
using ::testing::HasSubstr;

const GroupVersionResource kPods{"", "v1", "pods"};

std::string Message(const absl::Status& status) { return std::string(status.message()); }

// promise: K-02
TEST(ErrorsTest, APredicateHoldsForItsErrorAlone) {
  const absl::Status errors[] = {NotFoundError(kPods, "x"),
                                 AlreadyExistsError(kPods, "x"),
                                 ConflictError(kPods, "x"),
                                 ForbiddenError(kPods, "list", "x"),
                                 ExpiredError("old"),
                                 InvalidError("bad"),
                                 TooManyRequestsError(seconds(1)),
                                 InternalError("oops"),
                                 TooLargeResourceVersionError(seconds(1))};
  bool (*const predicates[])(const absl::Status&) = {kube::IsNotFound,
                                                     kube::IsAlreadyExists,
                                                     IsConflict,
                                                     IsForbidden,
                                                     IsExpired,
                                                     IsInvalid,
                                                     IsTooManyRequests,
                                                     IsInternalError,
                                                     IsTooLargeResourceVersion};
  for (size_t e = 0; e < std::size(errors); ++e) {
    for (size_t p = 0; p < std::size(predicates); ++p) {
      EXPECT_EQ(predicates[p](errors[e]), e == p) << errors[e] << " " << p;
    }
  }
  for (const auto predicate : predicates) {
    EXPECT_FALSE(predicate(absl::OkStatus()));
    // The codes alone say nothing: these did not come from an API server.
    EXPECT_FALSE(predicate(absl::NotFoundError("x")));
    EXPECT_FALSE(predicate(absl::AbortedError("x")));
    EXPECT_FALSE(predicate(MakeError(TransportFailure::kTimeout, "x")));
  }
}

TEST(ErrorsTest, KeepsTheStatus) {
  const ApiStatus status{.code = 422,
                         .reason = "Invalid",
                         .message = "no",
                         .group = "apps",
                         .resource = "statefulsets",
                         .name = "x",
                         .causes = {{"FieldValueInvalid", "must be positive", "spec.replicas"}},
                         .retry_after = seconds(3)};
  const absl::Status error = WithContext(WithContext(MakeError(status), "update"), "reconcile");
  EXPECT_EQ(GetApiStatus(error), status);
  EXPECT_EQ(Message(error), "reconcile: update: no");
  EXPECT_EQ(error.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(SuggestsRetryAfter(error), seconds(3));
  EXPECT_EQ(GetTransportFailure(error), std::nullopt);
}

TEST(ErrorsTest, ReadsAStatusOfTheServer) {
  const ApiStatus status = DecodeStatus(403, "GET", R"({"kind": "Status", "apiVersion": "v1",
    "status": "Failure", "reason": "Forbidden", "code": 403,
    "message": "pods is forbidden: User \"u\" cannot list resource \"pods\"",
    "details": {"kind": "pods", "group": "", "name": "x", "retryAfterSeconds": 2,
                "causes": [{"reason": "r", "message": "m", "field": "f"}, 5]}})");
  EXPECT_EQ(status.code, 403);
  EXPECT_EQ(status.reason, "Forbidden");
  EXPECT_EQ(status.resource, "pods");
  EXPECT_EQ(status.retry_after, seconds(2));
  ASSERT_EQ(status.causes.size(), 2u);
  EXPECT_EQ(status.causes[0], (StatusCause{"r", "m", "f"}));
  EXPECT_TRUE(IsForbidden(MakeError(status)));
}

// promise: K-03
TEST(ErrorsTest, WhatIsNoStatusIsJudgedByItsCode) {
  const auto error = [](int code, const char* method, const char* body) {
    return MakeError(DecodeStatus(code, method, body));
  };
  EXPECT_TRUE(kube::IsNotFound(error(404, "GET", "404 page not found\n")));
  EXPECT_TRUE(kube::IsAlreadyExists(error(409, "POST", "")));
  EXPECT_TRUE(IsConflict(error(409, "PUT", "")));
  EXPECT_TRUE(IsUnauthorized(error(401, "GET", "{}")));
  EXPECT_TRUE(IsGone(error(410, "GET", "<html>")));
  EXPECT_TRUE(IsTooManyRequests(error(429, "GET", "slow down")));
  EXPECT_TRUE(IsInternalError(error(500, "GET", "")));
  EXPECT_TRUE(IsInternalError(error(502, "GET", "<html>bad gateway</html>")));
  EXPECT_TRUE(IsServiceUnavailable(error(503, "GET", "")));
  EXPECT_TRUE(IsTimeout(error(504, "GET", "")));
  EXPECT_THAT(Message(error(502, "GET", "<html>bad gateway</html>")), HasSubstr("bad gateway"));
  EXPECT_THAT(Message(error(302, "GET", "")), HasSubstr("302"));
  EXPECT_LT(Message(error(500, "GET", std::string(1 << 20, 'x').c_str())).size(), 2200u);
  // An object, but not a failure.
  EXPECT_TRUE(IsConflict(error(409, "PUT", R"({"kind": "Pod"})")));
  EXPECT_TRUE(IsConflict(error(409, "PUT", R"({"kind": "Status", "status": "Success"})")));
}

// promise: K-03
TEST(ErrorsTest, ReadsTheObjectOfAnErrorEvent) {
  EXPECT_TRUE(IsExpired(MakeError(DecodeStatusObject(
      Json::parse(R"({"kind": "Status", "code": 410, "reason": "Expired", "message": "old"})")))));
  EXPECT_TRUE(
      IsExpired(MakeError(DecodeStatusObject(Json::parse(R"({"kind": "Status", "code": 410})")))));
  EXPECT_TRUE(IsInternalError(MakeError(DecodeStatusObject(Json::parse("{}")))));
}

// promise: K-02
TEST(ErrorsTest, ARefusedPatchIsKnownByItsText) {
  const auto answered = [](int code, const char* reason, const char* message) {
    return WithContext(MakeError({.code = code, .reason = reason, .message = message}),
                       "applying StatefulSet a");
  };
  constexpr char kUnknown[] =
      "failed to create typed patch object (ns/a; apps/v1, Kind=StatefulSet): "
      ".spec.template.spec.affinity.nodeAfinity: field not declared in schema";
  EXPECT_TRUE(IsRefusedPatch(answered(500, "", kUnknown)));
  EXPECT_TRUE(IsRefusedPatch(
      answered(500, "",
               "failed to create typed patch object (ns/a; apps/v1, Kind=StatefulSet): errors:\n"
               "  .spec.template.spec.containers[name=\"adaptor\"].env: duplicate entries for key "
               "[name=\"FRACTOS_ADAPTOR_SOCKET\"]")));
  EXPECT_FALSE(IsRefusedPatch(answered(503, "", kUnknown)));
  EXPECT_FALSE(IsRefusedPatch(answered(500, kReasonInternalError, kUnknown)));
  EXPECT_FALSE(IsRefusedPatch(answered(500, "", "failed calling webhook")));
  EXPECT_FALSE(IsRefusedPatch(absl::InternalError(kUnknown)));
}

TEST(ErrorsTest, TooLargeResourceVersionIsATimeoutWithACause) {
  const absl::Status error = MakeError(DecodeStatus(504, "GET", R"({"kind": "Status",
    "status": "Failure", "reason": "Timeout", "code": 504,
    "message": "Timeout: Too large resource version: 9, current: 5",
    "details": {"causes": [{"reason": "ResourceVersionTooLarge", "message": "x"}],
                "retryAfterSeconds": 1}})"));
  EXPECT_TRUE(IsTooLargeResourceVersion(error));
  EXPECT_TRUE(IsTimeout(error));
  EXPECT_FALSE(IsTooLargeResourceVersion(MakeError(DecodeStatus(504, "GET", ""))));
}

TEST(ErrorsTest, BoundsRetryAfter) {
  const auto retry_after = [](const char* details) {
    return DecodeStatusObject(
               Json::parse(std::string(R"({"kind": "Status", "details": )") + details + "}"))
        .retry_after;
  };
  EXPECT_EQ(retry_after(R"({"retryAfterSeconds": -5})"), seconds(0));
  EXPECT_EQ(retry_after(R"({"retryAfterSeconds": "5"})"), seconds(0));
  EXPECT_EQ(retry_after(R"({"retryAfterSeconds": 9223372036854775807})"), std::chrono::hours(24));
}

TEST(ErrorsTest, FailuresOnTheWay) {
  const absl::Status refused = MakeError(TransportFailure::kConnectionRefused, "no");
  EXPECT_TRUE(IsConnectionRefused(WithContext(refused, "get")));
  EXPECT_FALSE(IsConnectionLost(refused));
  EXPECT_EQ(refused.code(), absl::StatusCode::kUnavailable);
  const absl::Status timeout = MakeError(TransportFailure::kTimeout, "silent");
  EXPECT_EQ(GetTransportFailure(timeout), TransportFailure::kTimeout);
  EXPECT_FALSE(IsTimeout(timeout));
  EXPECT_EQ(GetApiStatus(timeout), std::nullopt);
}

}  // namespace
}  // namespace fractos::kube
