// What all devices say together: who may refine into what.
#ifndef FRACTOS_LIB_PLAN_CATALOG_H_
#define FRACTOS_LIB_PLAN_CATALOG_H_

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "lib/plan/plan.h"

namespace fractos {

// "name" or "namespace/name" as a full name; empty when it is neither.
std::string FullClusterName(absl::string_view device, absl::string_view ns);

// The full name of the cluster that a refinement by `own` names: "." is `own` itself, a bare name
// is one in the same namespace.
std::string RefinedCluster(absl::string_view name, absl::string_view own);

// Answers questions across descriptions. Not thread-safe; `descriptions` must outlive it.
class Catalog {
 public:
  using Key = std::pair<std::string, std::string>;  // cluster's full name, operation

  explicit Catalog(const Descriptions& descriptions) : descriptions_(descriptions) {}

  // Null when there is no such cluster or operation.
  const OperationSpec* Find(const Key& key) const;

  // What the operation declares to refine to, "." and relative names resolved, each once, sorted.
  std::vector<Key> RefinesTo(const Key& key) const;

  // Everything that refinements of the operation, and theirs, may name. The operation itself is in
  // it only when it may come back to itself. Names that lead nowhere are included.
  std::set<Key> Reachable(const Key& key) const;

  // Itself and all that it may refine to.
  bool IsDeterministic(const Key& key) const;

  OperationSignature Signature(const Key& key) const;

 private:
  const Descriptions& descriptions_;
};

// How signatures are keyed.
std::string SignatureKey(const Catalog::Key& key);

}  // namespace fractos

#endif  // FRACTOS_LIB_PLAN_CATALOG_H_
