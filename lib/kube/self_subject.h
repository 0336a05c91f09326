// Who the API server takes this process for.
#ifndef FRACTOS_LIB_KUBE_SELF_SUBJECT_H_
#define FRACTOS_LIB_KUBE_SELF_SUBJECT_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "lib/kube/client.h"
#include "lib/kube/object.h"

namespace fractos::kube {

struct SelfSubject {
  std::string username;  // "system:serviceaccount:NAMESPACE:NAME", in a pod
  std::string uid;       // a ServiceAccount's
};

// Asks by a SelfSubjectReview (authentication.k8s.io/v1), which everybody may who is known at all.
absl::StatusOr<SelfSubject> ReviewSelfSubject(Client* client, const Context& context);

// An ownerReference to the process's ServiceAccount, for what it makes in that account's namespace
// and what is to go with it. Null when it is no ServiceAccount, or one of another namespace.
Json OwnedByServiceAccount(const SelfSubject& self, absl::string_view ns);

}  // namespace fractos::kube

#endif  // FRACTOS_LIB_KUBE_SELF_SUBJECT_H_
