#include "lib/kube/object.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace fractos::kube {
namespace {

// The deepest nesting of brackets outside of texts; counted before the text is parsed, since the
// parser would build what is too deep to be walked.
size_t NestingDepth(absl::string_view text) {
  size_t depth = 0, deepest = 0;
  bool quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c == '\\') {
        ++i;
      } else if (c == '"') {
        quoted = false;
      }
    } else if (c == '"') {
      quoted = true;
    } else if (c == '{' || c == '[') {
      deepest = std::max(deepest, ++depth);
    } else if ((c == '}' || c == ']') && depth > 0) {
      --depth;
    }
  }
  return deepest;
}

std::map<std::string, std::string> TextMap(const Json& json) {
  std::map<std::string, std::string> texts;
  if (!json.is_object()) return texts;
  for (const auto& [key, value] : json.items()) {
    if (value.is_string()) texts.emplace(key, value.get_ref<const std::string&>());
  }
  return texts;
}

// A member for writing, made when it is absent or no object.
Json& WritableMember(Json& json, const std::string& key) {
  Json& member = json[key];
  if (!member.is_object()) member = Json::object();
  return member;
}

}  // namespace

absl::StatusOr<Json> ParseJson(absl::string_view text) {
  if (NestingDepth(text) > kMaxJsonDepth) {
    return absl::InvalidArgumentError(
        absl::StrCat("JSON that nests deeper than ", kMaxJsonDepth, " levels"));
  }
  Json json =
      Json::parse(text.data(), text.data() + text.size(), nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) {
    constexpr size_t kQuoted = 64;
    return absl::InvalidArgumentError(
        absl::StrCat("not JSON: ", text.substr(0, kQuoted), text.size() > kQuoted ? "..." : ""));
  }
  return json;
}

std::string ToJsonText(const Json& json) {
  return json.dump(-1, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
}

const Json& Member(const Json& json, absl::string_view key) {
  static const Json* const kNull = new Json();
  if (!json.is_object()) return *kNull;
  const auto member = json.find(std::string(key));
  return member == json.end() ? *kNull : *member;
}

const std::string& StringMember(const Json& json, absl::string_view key) {
  static const std::string* const kEmpty = new std::string();
  const Json& member = Member(json, key);
  return member.is_string() ? member.get_ref<const std::string&>() : *kEmpty;
}

int64_t IntegerMember(const Json& json, absl::string_view key, int64_t otherwise) {
  const Json& member = Member(json, key);
  return member.is_number_integer() ? member.get<int64_t>() : otherwise;
}

bool BoolMember(const Json& json, absl::string_view key) {
  const Json& member = Member(json, key);
  return member.is_boolean() && member.get<bool>();
}

std::string GroupVersionResource::ApiVersion() const {
  return group.empty() ? version : absl::StrCat(group, "/", version);
}

std::string GroupVersionResource::GroupResource() const {
  return group.empty() ? resource : absl::StrCat(resource, ".", group);
}

std::string ObjectKey::ToString() const { return ns.empty() ? name : absl::StrCat(ns, "/", name); }

absl::StatusOr<ObjectKey> ObjectKey::Parse(absl::string_view text) {
  const std::vector<std::string> parts = absl::StrSplit(text, '/');
  if (parts.size() > 2 ||
      std::any_of(parts.begin(), parts.end(), [](const std::string& p) { return p.empty(); })) {
    return absl::InvalidArgumentError(absl::StrCat("not an object's key: \"", text, "\""));
  }
  return parts.size() == 1 ? ObjectKey{"", parts[0]} : ObjectKey{parts[0], parts[1]};
}

Object::Object(absl::string_view api_version, absl::string_view kind, absl::string_view ns,
               absl::string_view name)
    : Object() {
  json_["apiVersion"] = std::string(api_version);
  json_["kind"] = std::string(kind);
  Json& metadata = mutable_metadata();
  metadata["name"] = std::string(name);
  if (!ns.empty()) metadata["namespace"] = std::string(ns);
}

absl::StatusOr<Object> Object::Parse(absl::string_view text) {
  absl::StatusOr<Json> json = ParseJson(text);
  if (!json.ok()) return json.status();
  if (!json->is_object()) return absl::InvalidArgumentError("JSON, but not an object");
  return Object(*std::move(json));
}

Json& Object::Section(const char* key) { return WritableMember(json_, key); }

const std::string& Object::label(absl::string_view key) const {
  return StringMember(Member(metadata(), "labels"), key);
}

const std::string& Object::annotation(absl::string_view key) const {
  return StringMember(Member(metadata(), "annotations"), key);
}

std::map<std::string, std::string> Object::labels() const {
  return TextMap(Member(metadata(), "labels"));
}

std::map<std::string, std::string> Object::annotations() const {
  return TextMap(Member(metadata(), "annotations"));
}

std::vector<std::string> Object::finalizers() const {
  std::vector<std::string> names;
  const Json& list = Member(metadata(), "finalizers");
  if (!list.is_array()) return names;
  for (const Json& name : list) {
    if (name.is_string()) names.push_back(name.get_ref<const std::string&>());
  }
  return names;
}

std::vector<OwnerReference> Object::owner_references() const {
  std::vector<OwnerReference> owners;
  const Json& list = Member(metadata(), "ownerReferences");
  if (!list.is_array()) return owners;
  for (const Json& owner : list) {
    owners.push_back({.api_version = StringMember(owner, "apiVersion"),
                      .kind = StringMember(owner, "kind"),
                      .name = StringMember(owner, "name"),
                      .uid = StringMember(owner, "uid"),
                      .controller = BoolMember(owner, "controller"),
                      .block_owner_deletion = BoolMember(owner, "blockOwnerDeletion")});
  }
  return owners;
}

std::optional<OwnerReference> Object::controller_of() const {
  for (OwnerReference& owner : owner_references()) {
    if (owner.controller) return std::move(owner);
  }
  return std::nullopt;
}

void Object::set_resource_version(absl::string_view version) {
  mutable_metadata()["resourceVersion"] = std::string(version);
}

void Object::SetLabel(absl::string_view key, absl::string_view value) {
  WritableMember(mutable_metadata(), "labels")[std::string(key)] = std::string(value);
}

void Object::SetAnnotation(absl::string_view key, absl::string_view value) {
  WritableMember(mutable_metadata(), "annotations")[std::string(key)] = std::string(value);
}

}  // namespace fractos::kube
