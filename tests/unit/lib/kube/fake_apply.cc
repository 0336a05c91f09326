// Server-side apply of the FakeApiServer: objects merge field by field, lists are one field each.
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "lib/kube/errors.h"
#include "tests/unit/lib/kube/fake_api_server.h"

namespace fractos::kube {
namespace {

using Leaves = std::map<std::string, Json>;  // by JSON pointer

void Collect(const Json& json, const std::string& path, Leaves* leaves) {
  if (!json.is_object() || (json.empty() && !path.empty())) {
    leaves->emplace(path, json);
    return;
  }
  for (const auto& [key, value] : json.items()) {
    const std::string at =
        absl::StrCat(path, "/", absl::StrReplaceAll(key, {{"~", "~0"}, {"/", "~1"}}));
    static const std::set<std::string> kIdentity = {
        "/apiVersion",         "/kind",         "/metadata/name",
        "/metadata/namespace", "/metadata/uid", "/metadata/resourceVersion",
        "/metadata/generation"};
    if (kIdentity.count(at) == 0) Collect(value, at, leaves);
  }
}

}  // namespace

absl::StatusOr<Object> FakeApiServer::Apply(const Collection& collection, const Object& object,
                                            const ApplyOptions& options, Part part) {
  if (options.field_manager.empty()) return InvalidError("fieldManager: Required value");
  absl::MutexLock lock(&mutex_);
  const Id id = IdOf(collection, object.name());
  if (FindLocked(id) == nullptr) {
    if (part == Part::kStatus) return NotFoundError(collection.resource, object.name());
    const absl::StatusOr<Object> made = CreateLocked(collection, object);
    if (!made.ok()) return made;
    Leaves leaves;
    Json rest = object.json();
    rest.erase("status");
    Collect(rest, "", &leaves);
    for (const auto& [path, value] : leaves) applied_[id][options.field_manager].insert(path);
    return made;
  }
  Object after = *FindLocked(id);
  if (!object.resource_version().empty() && object.resource_version() != after.resource_version()) {
    return ConflictError(collection.resource, object.name());
  }
  const auto concerns = [part](const std::string& path) {
    const bool status = path == "/status" || absl::StartsWith(path, "/status/");
    return status == (part == Part::kStatus);
  };
  Leaves leaves;
  Collect(object.json(), "", &leaves);
  std::set<std::string> now;
  auto& managers = applied_[id];
  for (const auto& [path, value] : leaves) {
    if (!concerns(path)) continue;
    const Json::json_pointer at(path);
    const bool same = after.json().contains(at) && after.json().at(at) == value;
    for (auto& [manager, paths] : managers) {
      if (manager == options.field_manager || paths.count(path) == 0 || same) continue;
      if (!options.force) return ConflictError(collection.resource, object.name());
      paths.erase(path);
    }
    now.insert(path);
  }
  std::set<std::string>& mine = managers[options.field_manager];
  for (auto before = mine.begin(); before != mine.end();) {
    if (!concerns(*before) || now.count(*before) != 0) {
      ++before;
      continue;
    }
    bool shared = false;
    for (const auto& [manager, paths] : managers) {
      shared = shared || (manager != options.field_manager && paths.count(*before) != 0);
    }
    const Json::json_pointer at(*before);
    if (!shared && after.json().contains(at)) {
      after.json().at(at.parent_pointer()).erase(at.back());
    }
    before = mine.erase(before);
  }
  for (const std::string& path : now) {
    after.json()[Json::json_pointer(path)] = leaves[path];
    mine.insert(path);
  }
  return ReplaceLocked(id, std::move(after));
}

}  // namespace fractos::kube
