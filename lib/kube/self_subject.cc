#include "lib/kube/self_subject.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace fractos::kube {
namespace {

const GroupVersionResource kSelfSubjectReviews{"authentication.k8s.io", "v1", "selfsubjectreviews"};

}  // namespace

absl::StatusOr<SelfSubject> ReviewSelfSubject(Client* client, const Context& context) {
  const Object question(kSelfSubjectReviews.ApiVersion(), "SelfSubjectReview", "", "");
  const absl::StatusOr<Object> answer =
      client->Create(context, {kSelfSubjectReviews, ""}, question, {});
  if (!answer.ok()) return answer.status();
  const Json& user = Member(answer->status(), "userInfo");
  return SelfSubject{StringMember(user, "username"), StringMember(user, "uid")};
}

Json OwnedByServiceAccount(const SelfSubject& self, absl::string_view ns) {
  absl::string_view name = self.username;
  if (!absl::ConsumePrefix(&name, absl::StrCat("system:serviceaccount:", ns, ":")) ||
      name.empty() || self.uid.empty()) {
    return Json();
  }
  return {{"apiVersion", "v1"},
          {"kind", "ServiceAccount"},
          {"name", std::string(name)},
          {"uid", self.uid}};
}

}  // namespace fractos::kube
