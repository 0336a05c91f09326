#include "lib/kube/self_subject.h"

#include <gtest/gtest.h>

#include "lib/kube/rest_client.h"
#include "tests/unit/lib/kube/fake_transport.h"
#include "tests/unit/lib/kube/jumping_clock.h"

namespace fractos::kube {
namespace {

TEST(SelfSubjectTest, AServiceAccountOwnsWhatIsMadeInItsNamespace) {
  // promise: K-95
  const SelfSubject self{"system:serviceaccount:ns:operator", "u-1"};
  EXPECT_EQ(OwnedByServiceAccount(self, "ns"), Json({{"apiVersion", "v1"},
                                                     {"kind", "ServiceAccount"},
                                                     {"name", "operator"},
                                                     {"uid", "u-1"}}));
  EXPECT_TRUE(OwnedByServiceAccount(self, "n").is_null());
  EXPECT_TRUE(OwnedByServiceAccount(self, "other").is_null());
  EXPECT_TRUE(OwnedByServiceAccount({"kubernetes-admin", ""}, "ns").is_null());
  EXPECT_TRUE(OwnedByServiceAccount({"system:serviceaccount:ns:operator", ""}, "ns").is_null());
}

TEST(SelfSubjectTest, AsksTheApiServer) {
  // promise: K-95
  FakeServer server;
  JumpingClock clock;
  const auto client = RestClient::New({.host = "https://api:6443", .bearer_token = "secret"},
                                      server.factory(), &clock, {})
                          .value();
  server.Say(201, R"({"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview",
      "metadata":{"creationTimestamp":"2026-01-01T00:00:00Z"},"status":{"userInfo":
      {"username":"system:serviceaccount:ns:operator","uid":"u-1","groups":[]}}})");
  const absl::StatusOr<SelfSubject> self = ReviewSelfSubject(client.get(), {});
  ASSERT_TRUE(self.ok()) << self.status();
  EXPECT_EQ(self->username, "system:serviceaccount:ns:operator");
  EXPECT_EQ(self->uid, "u-1");
  EXPECT_EQ(server.last().method, "POST");
  EXPECT_EQ(server.last().target, "/apis/authentication.k8s.io/v1/selfsubjectreviews");
}

}  // namespace
}  // namespace fractos::kube
