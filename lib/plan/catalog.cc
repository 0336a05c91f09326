#include "lib/plan/catalog.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "lib/plan/names.h"

namespace fractos {

std::string FullClusterName(absl::string_view device, absl::string_view ns) {
  const std::vector<absl::string_view> parts = absl::StrSplit(device, '/');
  if (parts.size() > 2 || !IsDnsName(parts.back())) return "";
  if (parts.size() == 2 && !IsNamespace(parts.front())) return "";
  return parts.size() == 2 ? std::string(device) : absl::StrCat(ns, "/", device);
}

std::string RefinedCluster(absl::string_view name, absl::string_view own) {
  if (name == ".") return std::string(own);
  if (absl::StrContains(name, '/')) return std::string(name);
  return absl::StrCat(own.substr(0, own.find('/')), "/", name);
}

const OperationSpec* Catalog::Find(const Key& key) const {
  const auto device = descriptions_.find(key.first);
  return device == descriptions_.end() ? nullptr : device->second.Find(key.second);
}

std::vector<Catalog::Key> Catalog::RefinesTo(const Key& key) const {
  const OperationSpec* operation = Find(key);
  if (operation == nullptr) return {};
  std::set<Key> targets;
  for (const std::string& target : operation->refines_to) {
    const size_t slash = target.find('/');
    targets.insert({RefinedCluster(target.substr(0, slash), key.first),
                    slash == std::string::npos ? "" : target.substr(slash + 1)});
  }
  return {targets.begin(), targets.end()};
}

std::set<Catalog::Key> Catalog::Reachable(const Key& key) const {
  std::set<Key> reached;
  std::vector<Key> to_visit = {key};
  while (!to_visit.empty()) {
    const Key next = to_visit.back();
    to_visit.pop_back();
    for (const Key& target : RefinesTo(next)) {
      if (reached.insert(target).second) to_visit.push_back(target);
    }
  }
  return reached;
}

bool Catalog::IsDeterministic(const Key& key) const {
  std::set<Key> all = Reachable(key);
  all.insert(key);
  for (const Key& each : all) {
    const OperationSpec* operation = Find(each);
    if (operation == nullptr || !operation->deterministic) return false;
  }
  return true;
}

OperationSignature Catalog::Signature(const Key& key) const {
  OperationSignature signature;
  signature.cluster = key.first;
  signature.operation = key.second;
  signature.deterministic = IsDeterministic(key);
  for (const Key& target : RefinesTo(key)) signature.refines_to.push_back(SignatureKey(target));
  const OperationSpec* operation = Find(key);
  if (operation == nullptr) return signature;
  signature.effect = operation->effect;
  for (const InputSpec& input : operation->inputs) {
    if (input.passed) signature.passed_inputs.push_back(input.variadic ? "*" : input.name);
  }
  return signature;
}

std::string SignatureKey(const Catalog::Key& key) {
  return OperationSignature::KeyOf(key.first, key.second);
}

}  // namespace fractos
