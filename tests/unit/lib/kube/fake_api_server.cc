#include "tests/unit/lib/kube/fake_api_server.h"

#include <algorithm>
#include <functional>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "lib/kube/errors.h"
#include "lib/kube/time.h"
#include "tests/unit/lib/kube/fake_time.h"

namespace fractos::kube {
namespace {

// A resourceVersion that a caller gave; -1 when it is none of ours.
int64_t ParseVersion(absl::string_view text) {
  int64_t version = 0;
  if (text.empty()) return 0;
  return absl::SimpleAtoi(text, &version) && version >= 0 ? version : -1;
}

// What the server has of what a client sends: the text of it.
Object AsSent(const Object& object) { return *Object::Parse(object.ToText()); }

// What generation counts changes of.
Json SpecOf(const Object& object) {
  Json rest = object.json();
  for (const char* part : {"metadata", "status"}) rest.erase(part);
  return rest;
}

}  // namespace

// --- what tests call

Object FakeApiServer::Put(const Collection& collection, Object object) {
  absl::MutexLock lock(&mutex_);
  const Id id = IdOf(collection, object.name());
  if (FindLocked(id) != nullptr) return ReplaceLocked(id, std::move(object));
  const Json status = object.status();
  Object made = *CreateLocked(collection, std::move(object));
  if (status.is_null()) return made;
  made.mutable_status() = status;
  return ReplaceLocked(id, std::move(made));
}

bool FakeApiServer::Remove(const Collection& collection, absl::string_view name) {
  absl::MutexLock lock(&mutex_);
  const Id id = IdOf(collection, name);
  if (FindLocked(id) == nullptr) return false;
  DeleteLocked(id);
  return true;
}

std::optional<Object> FakeApiServer::Find(const Collection& collection,
                                          absl::string_view name) const {
  absl::MutexLock lock(&mutex_);
  const Object* found = FindLocked(IdOf(collection, name));
  return found == nullptr ? std::nullopt : std::optional<Object>(*found);
}

std::vector<Object> FakeApiServer::All(const Collection& collection) const {
  absl::MutexLock lock(&mutex_);
  std::vector<Object> all;
  for (const auto& [id, object] : objects_) {
    if (In(collection, id)) all.push_back(object);
  }
  return all;
}

std::optional<Object> FakeApiServer::Await(const Collection& collection, absl::string_view name,
                                           const std::function<bool(const Object&)>& holds) const {
  absl::MutexLock lock(&mutex_);
  const Id id = IdOf(collection, name);
  const auto there = [&]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    const Object* found = FindLocked(id);
    return found != nullptr && holds(*found);
  };
  if (!mutex_.AwaitWithTimeout(absl::Condition(&there), kPatience)) return std::nullopt;
  return *FindLocked(id);
}

std::string FakeApiServer::resource_version() const {
  absl::MutexLock lock(&mutex_);
  return absl::StrCat(version_);
}

void FakeApiServer::Compact() {
  absl::MutexLock lock(&mutex_);
  compacted_ = version_;
  history_.clear();
  RingLocked();
}

void FakeApiServer::Skip(int64_t versions) {
  absl::MutexLock lock(&mutex_);
  version_ += versions;
}

void FakeApiServer::SendBookmarks() {
  absl::MutexLock lock(&mutex_);
  for (FakeWatcher* watcher : watchers_) {
    if (watcher->options_.allow_watch_bookmarks) watcher->bookmark_at_ = version_;
  }
  RingLocked();
}

void FakeApiServer::SendToWatches(const WatchEvent& event) {
  absl::MutexLock lock(&mutex_);
  for (FakeWatcher* watcher : watchers_) watcher->first_.push_back(event);
  RingLocked();
}

void FakeApiServer::EndWatches(absl::string_view resource) {
  absl::MutexLock lock(&mutex_);
  for (FakeWatcher* watcher : watchers_) {
    if (resource.empty() || watcher->collection_.resource.resource == resource) {
      watcher->ended_ = true;
    }
  }
  RingLocked();
}

void FakeApiServer::BreakWatches(const absl::Status& error, absl::string_view resource) {
  absl::MutexLock lock(&mutex_);
  for (FakeWatcher* watcher : watchers_) {
    if (resource.empty() || watcher->collection_.resource.resource == resource) {
      watcher->broken_ = error;
    }
  }
  RingLocked();
}

void FakeApiServer::StallWatches(absl::string_view resource) {
  absl::MutexLock lock(&mutex_);
  for (FakeWatcher* watcher : watchers_) {
    if (resource.empty() || watcher->collection_.resource.resource == resource) {
      watcher->stalled_ = true;
    }
  }
  RingLocked();
}

size_t FakeApiServer::open_watches() const {
  absl::MutexLock lock(&mutex_);
  return watchers_.size();
}

bool FakeApiServer::AwaitWatches(size_t n) const {
  absl::MutexLock lock(&mutex_);
  const auto there = [&]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return watchers_.size() == n; };
  return mutex_.AwaitWithTimeout(absl::Condition(&there), kPatience);
}

// --- what clients call

absl::StatusOr<ObjectList> FakeApiServer::List(const Collection& collection,
                                               const ListOptions& options) {
  absl::MutexLock lock(&mutex_);
  const int64_t asked = ParseVersion(options.resource_version);
  if (asked < 0) return InvalidError("invalid resource version");
  if (asked > version_) return TooLargeResourceVersionError(std::chrono::seconds(1));
  if (options.resource_version_match == "Exact" && asked <= compacted_) {
    return TooOldError(asked, compacted_);
  }
  // "version/last key": a page goes on where the one before ended.
  int64_t version = version_;
  std::string after;
  if (!options.continue_token.empty()) {
    const std::pair<std::string, std::string> token =
        absl::StrSplit(options.continue_token, absl::MaxSplits(':', 1));
    version = ParseVersion(token.first);
    if (version <= compacted_) {
      return ExpiredError("The provided continue parameter is too old");
    }
    after = token.second;
  }
  ObjectList list;
  list.resource_version = absl::StrCat(version);
  for (const auto& [id, object] : objects_) {
    const std::string key = id.second.ToString();
    if (!In(collection, id) || (!after.empty() && key <= after)) continue;
    if (!MatchesSelectors(object, options.label_selector, options.field_selector)) continue;
    if (options.limit > 0 && list.items.size() == static_cast<size_t>(options.limit)) {
      list.continue_token = absl::StrCat(version, ":", list.items.back().key().ToString());
      break;
    }
    list.items.push_back(object);
  }
  return list;
}

absl::Status FakeApiServer::Watch(FakeWatcher* watcher) {
  const WatchOptions& options = watcher->options_;
  absl::MutexLock lock(&mutex_);
  const int64_t asked = ParseVersion(options.resource_version);
  const bool initial = options.send_initial_events.value_or(false);
  if (asked < 0) return InvalidError("invalid resource version");
  if (options.send_initial_events && !options_.watch_list) {
    return InvalidError("sendInitialEvents: Forbidden: sendInitialEvents is forbidden for watch");
  }
  if (initial && asked > version_) return TooLargeResourceVersionError(std::chrono::seconds(1));
  watcher->seen_ = version_;
  if (initial || asked == 0) {
    for (const auto& [id, object] : objects_) {
      if (In(watcher->collection_, id) &&
          MatchesSelectors(object, options.label_selector, options.field_selector)) {
        watcher->first_.push_back({WatchEventType::kAdded, object, absl::OkStatus()});
      }
    }
    if (initial && options_.initial_events_end) {
      Object end;
      end.set_resource_version(absl::StrCat(version_));
      end.SetAnnotation(kInitialEventsEndAnnotation, "true");
      watcher->first_.push_back({WatchEventType::kBookmark, end, absl::OkStatus()});
    }
  } else {
    watcher->seen_ = asked;
  }
  watchers_.insert(watcher);
  return absl::OkStatus();
}

absl::StatusOr<Object> FakeApiServer::Get(const Collection& collection, absl::string_view name) {
  absl::MutexLock lock(&mutex_);
  const Object* found = FindLocked(IdOf(collection, name));
  if (found == nullptr) return NotFoundError(collection.resource, name);
  return *found;
}

absl::StatusOr<Object> FakeApiServer::Create(const Collection& collection, Object object) {
  absl::MutexLock lock(&mutex_);
  return CreateLocked(collection, std::move(object));
}

absl::StatusOr<Object> FakeApiServer::Update(const Collection& collection, const Object& object,
                                             Part part) {
  absl::MutexLock lock(&mutex_);
  const Id id = IdOf(collection, object.name());
  const Object* found = FindLocked(id);
  if (found == nullptr) return NotFoundError(collection.resource, object.name());
  if (object.resource_version() != found->resource_version() ||
      (!object.uid().empty() && object.uid() != found->uid())) {
    return ConflictError(collection.resource, object.name());
  }
  Object after = part == Part::kStatus ? *found : object;
  const Json status = (part == Part::kStatus ? object : *found).status();
  after.json().erase("status");
  if (!status.is_null()) after.mutable_status() = status;
  return ReplaceLocked(id, std::move(after));
}

absl::StatusOr<Object> FakeApiServer::Patch(const Collection& collection, absl::string_view name,
                                            const Json& patch, Part part) {
  absl::MutexLock lock(&mutex_);
  const Id id = IdOf(collection, name);
  const Object* found = FindLocked(id);
  if (found == nullptr) return NotFoundError(collection.resource, name);
  const std::string& version = StringMember(Member(patch, "metadata"), "resourceVersion");
  if (!version.empty() && version != found->resource_version()) {
    return ConflictError(collection.resource, name);
  }
  Json applied = patch;
  if (part == Part::kStatus) {
    applied = Json::object();
    if (patch.contains("status")) applied["status"] = patch["status"];
  } else {
    applied.erase("status");
  }
  Object after = *found;
  after.json().merge_patch(applied);
  return ReplaceLocked(id, std::move(after));
}

absl::Status FakeApiServer::Delete(const Collection& collection, absl::string_view name,
                                   const DeleteOptions& options) {
  absl::MutexLock lock(&mutex_);
  const Id id = IdOf(collection, name);
  const Object* found = FindLocked(id);
  if (found == nullptr) return NotFoundError(collection.resource, name);
  if ((!options.uid.empty() && options.uid != found->uid()) ||
      (!options.resource_version.empty() &&
       options.resource_version != found->resource_version())) {
    return ConflictError(collection.resource, name);
  }
  if (found->finalizers().empty()) {
    DeleteLocked(id);
  } else if (!found->deleting()) {
    Object after = *found;
    after.mutable_metadata()["deletionTimestamp"] = TimestampNow();
    const Object before = *found;
    after.set_resource_version(absl::StrCat(++version_));
    objects_[id] = after;
    RecordLocked({version_, id, before, after, false});
  }
  return absl::OkStatus();
}

// --- the store

const Object* FakeApiServer::FindLocked(const Id& id) const {
  const auto found = objects_.find(id);
  return found == objects_.end() ? nullptr : &found->second;
}

absl::StatusOr<Object> FakeApiServer::CreateLocked(const Collection& collection, Object object) {
  object = AsSent(object);
  Json& metadata = object.mutable_metadata();
  const std::string prefix = StringMember(metadata, "generateName");
  if (object.name().empty() && !prefix.empty()) metadata["name"] = NewTextLocked(prefix);
  if (object.name().empty()) return InvalidError("metadata.name: Required value");
  if (!collection.ns.empty()) metadata["namespace"] = collection.ns;
  const Id id{collection.resource, object.key()};
  if (FindLocked(id) != nullptr) return AlreadyExistsError(collection.resource, object.name());
  if (!object.resource_version().empty()) {
    return InvalidError("resourceVersion should not be set on objects to be created");
  }
  object.json().erase("status");
  metadata["uid"] = NewTextLocked("uid-");
  metadata["creationTimestamp"] = TimestampNow();
  metadata["generation"] = 1;
  object.set_resource_version(absl::StrCat(++version_));
  objects_[id] = object;
  RecordLocked({version_, id, std::nullopt, object, false});
  return object;
}

Object FakeApiServer::ReplaceLocked(const Id& id, Object after) {
  const Object before = objects_.at(id);
  after = AsSent(after);
  Json& metadata = after.mutable_metadata();
  for (const char* field : {"uid", "creationTimestamp", "deletionTimestamp", "namespace", "name"}) {
    const Json& value = Member(before.metadata(), field);
    if (value.is_null()) {
      metadata.erase(field);
    } else {
      metadata[field] = value;
    }
  }
  metadata["generation"] = before.generation() + (SpecOf(before) == SpecOf(after) ? 0 : 1);
  after.set_resource_version(before.resource_version());
  if (after == before) return before;  // nothing to write: the resourceVersion stays
  after.set_resource_version(absl::StrCat(++version_));
  if (after.deleting() && after.finalizers().empty()) {
    objects_[id] = after;
    DeleteLocked(id);
    return after;
  }
  objects_[id] = after;
  RecordLocked({version_, id, before, after, false});
  return after;
}

void FakeApiServer::DeleteLocked(const Id& id) {
  const Object before = std::move(objects_.extract(id).mapped());
  applied_.erase(id);
  Object last = before;
  last.set_resource_version(absl::StrCat(++version_));
  RecordLocked({version_, id, before, last, true});
}

void FakeApiServer::RecordLocked(Change change) {
  history_.push_back(std::move(change));
  RingLocked();
}

void FakeApiServer::RingLocked() {
  for (FakeWatcher* watcher : watchers_) watcher->alarm_->Ring();
}

std::string FakeApiServer::NewTextLocked(absl::string_view prefix) {
  return absl::StrCat(prefix, absl::Dec(next_number_++, absl::kZeroPad5));
}

std::string FakeApiServer::TimestampNow() const { return FormatTime(clock_->WallNow()); }

}  // namespace fractos::kube
