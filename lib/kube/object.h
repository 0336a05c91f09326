// Kubernetes objects as the JSON that the API server speaks, with accessors for what every object
// has. There are no generated types: an operator knows few fields of few kinds, and must give the
// others back as it got them.
#ifndef FRACTOS_LIB_KUBE_OBJECT_H_
#define FRACTOS_LIB_KUBE_OBJECT_H_

#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"

namespace fractos::kube {

using Json = nlohmann::json;

// No object nests deeper: etcd holds 1.5 MiB, but code that walks JSON recurses.
inline constexpr size_t kMaxJsonDepth = 256;

// Parses one JSON text; InvalidArgument when it is none or nests deeper than kMaxJsonDepth. Never
// throws.
absl::StatusOr<Json> ParseJson(absl::string_view text);

// The text of `json` on one line. Bytes that are no UTF-8 become U+FFFD. Never throws.
std::string ToJsonText(const Json& json);

// The member `key` of `json` when `json` is an object that has one, else null. Valid as long as
// `json` is unchanged.
const Json& Member(const Json& json, absl::string_view key);
// The text of that member; empty when there is none or it is no string.
const std::string& StringMember(const Json& json, absl::string_view key);
// The number of that member; `otherwise` when there is none or it is no integer.
int64_t IntegerMember(const Json& json, absl::string_view key, int64_t otherwise = 0);
// True only when that member is `true`.
bool BoolMember(const Json& json, absl::string_view key);

// Which collection of objects the API server serves, as `group/version/resource`: {"apps", "v1",
// "statefulsets"}. The core group's name is empty.
struct GroupVersionResource {
  std::string group;
  std::string version;
  std::string resource;  // plural, lower case

  // "apps/v1", or "v1" for the core group: what objects of it have as apiVersion.
  std::string ApiVersion() const;
  // "statefulsets.apps", or "pods" for the core group: how messages and RBAC rules name it.
  std::string GroupResource() const;

  auto operator<=>(const GroupVersionResource&) const = default;
  template <typename H>
  friend H AbslHashValue(H h, const GroupVersionResource& r) {
    return H::combine(std::move(h), r.group, r.version, r.resource);
  }
};

// What stores and work queues know an object by (client-go's MetaNamespaceKeyFunc).
struct ObjectKey {
  std::string ns;  // empty: the object is cluster-scoped
  std::string name;

  // "namespace/name", or "name".
  std::string ToString() const;
  // InvalidArgument when `text` has more than one slash or an empty part.
  static absl::StatusOr<ObjectKey> Parse(absl::string_view text);

  auto operator<=>(const ObjectKey&) const = default;
  template <typename H>
  friend H AbslHashValue(H h, const ObjectKey& key) {
    return H::combine(std::move(h), key.ns, key.name);
  }
};

struct OwnerReference {
  std::string api_version = {};
  std::string kind = {};
  std::string name = {};
  std::string uid = {};
  bool controller = false;
  bool block_owner_deletion = false;

  bool operator==(const OwnerReference&) const = default;
};

// One object. A value: copies are deep, so whoever shares one does so by shared_ptr<const Object>.
// Accessors of what is absent or of the wrong type give empty values and never fail, since objects
// come from outside. References stay valid while the object is unchanged. Not thread-safe, like any
// value.
class Object {
 public:
  Object() : json_(Json::object()) {}
  explicit Object(Json json) : json_(std::move(json)) {
    if (!json_.is_object()) json_ = Json::object();
  }
  // An object of that type and name, with nothing else.
  Object(absl::string_view api_version, absl::string_view kind, absl::string_view ns,
         absl::string_view name);

  // InvalidArgument when `text` is no JSON object.
  static absl::StatusOr<Object> Parse(absl::string_view text);
  std::string ToText() const { return ToJsonText(json_); }

  const Json& json() const { return json_; }
  // For writing. It must stay a JSON object.
  Json& json() { return json_; }

  const std::string& api_version() const { return StringMember(json_, "apiVersion"); }
  const std::string& kind() const { return StringMember(json_, "kind"); }

  const Json& metadata() const { return Member(json_, "metadata"); }
  const Json& spec() const { return Member(json_, "spec"); }
  const Json& status() const { return Member(json_, "status"); }
  // For writing: made when absent.
  Json& mutable_metadata() { return Section("metadata"); }
  Json& mutable_spec() { return Section("spec"); }
  Json& mutable_status() { return Section("status"); }

  const std::string& name() const { return StringMember(metadata(), "name"); }
  const std::string& ns() const { return StringMember(metadata(), "namespace"); }
  ObjectKey key() const { return {ns(), name()}; }
  const std::string& uid() const { return StringMember(metadata(), "uid"); }
  // Opaque: compare for equality only.
  const std::string& resource_version() const {
    return StringMember(metadata(), "resourceVersion");
  }
  // Counts changes of the spec, not of the status; 0 when the kind has none.
  int64_t generation() const { return IntegerMember(metadata(), "generation"); }
  // RFC 3339, as the API server wrote it.
  const std::string& creation_timestamp() const {
    return StringMember(metadata(), "creationTimestamp");
  }
  // Set: the object goes once its finalizers are removed.
  bool deleting() const { return !StringMember(metadata(), "deletionTimestamp").empty(); }

  // The value, or empty when there is no such label (annotation).
  const std::string& label(absl::string_view key) const;
  const std::string& annotation(absl::string_view key) const;
  std::map<std::string, std::string> labels() const;
  std::map<std::string, std::string> annotations() const;
  std::vector<std::string> finalizers() const;
  std::vector<OwnerReference> owner_references() const;
  // The owner that manages this object, if any has said so (metav1.GetControllerOf).
  std::optional<OwnerReference> controller_of() const;

  void set_resource_version(absl::string_view version);
  void SetLabel(absl::string_view key, absl::string_view value);
  void SetAnnotation(absl::string_view key, absl::string_view value);

  bool operator==(const Object& other) const { return json_ == other.json_; }

 private:
  Json& Section(const char* key);

  Json json_;
};

}  // namespace fractos::kube

#endif  // FRACTOS_LIB_KUBE_OBJECT_H_
