// The watches of the FakeApiServer, and what its selectors select.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "lib/kube/errors.h"
#include "tests/unit/lib/kube/fake_api_server.h"

namespace fractos::kube {
namespace {

// A value at "path.to.field"; empty when there is none.
std::string FieldOf(const Object& object, absl::string_view path) {
  const Json* at = &object.json();
  for (const absl::string_view part : absl::StrSplit(path, '.')) at = &Member(*at, part);
  if (at->is_string()) return at->get<std::string>();
  return at->is_null() ? "" : at->dump();
}

bool MatchesOne(absl::string_view term, bool bare_means_exists,
                const std::function<std::optional<std::string>(absl::string_view)>& value_of) {
  const auto compare = [&](absl::string_view separator, bool equal) {
    const std::pair<absl::string_view, absl::string_view> sides =
        absl::StrSplit(term, absl::MaxSplits(separator, 1));
    return (value_of(sides.first).value_or("") == sides.second) == equal;
  };
  if (term.find("!=") != absl::string_view::npos) return compare("!=", false);
  if (term.find("==") != absl::string_view::npos) return compare("==", true);
  if (term.find('=') != absl::string_view::npos) return compare("=", true);
  if (!bare_means_exists) return false;
  if (!term.empty() && term[0] == '!') return !value_of(term.substr(1));
  return value_of(term).has_value();
}

}  // namespace

bool MatchesSelectors(const Object& object, absl::string_view label_selector,
                      absl::string_view field_selector) {
  const std::map<std::string, std::string> labels = object.labels();
  for (const absl::string_view term : absl::StrSplit(label_selector, ',', absl::SkipEmpty())) {
    const bool matches = MatchesOne(term, true, [&](absl::string_view key) {
      const auto found = labels.find(std::string(key));
      return found == labels.end() ? std::nullopt : std::optional<std::string>(found->second);
    });
    if (!matches) return false;
  }
  for (const absl::string_view term : absl::StrSplit(field_selector, ',', absl::SkipEmpty())) {
    if (!MatchesOne(term, false, [&](absl::string_view path) -> std::optional<std::string> {
          return FieldOf(object, path);
        })) {
      return false;
    }
  }
  return true;
}

absl::Status TooOldError(int64_t version, int64_t oldest) {
  return ExpiredError(absl::StrCat("too old resource version: ", version, " (", oldest, ")"));
}

FakeWatcher::FakeWatcher(FakeApiServer* server, const FakeClient* client, Collection collection,
                         WatchOptions options)
    : server_(server),
      client_(client),
      collection_(std::move(collection)),
      options_(std::move(options)),
      alarm_(server->clock_->NewAlarm()),
      ends_at_(options_.timeout.count() == 0 ? Time::max()
                                             : server->clock_->Now() + options_.timeout) {}

FakeWatcher::~FakeWatcher() {
  absl::MutexLock lock(&server_->mutex_);
  server_->watchers_.erase(this);
}

void FakeWatcher::Stop() {
  absl::MutexLock lock(&server_->mutex_);
  stopped_ = true;
  alarm_->Ring();
}

absl::StatusOr<std::optional<WatchEvent>> FakeWatcher::Next(const Context& context) {
  const std::stop_callback wake(context.stop, [this] { alarm_->Ring(); });
  while (true) {
    const Time now = server_->clock_->Now();
    Time until = context.deadline;
    {
      absl::MutexLock lock(&server_->mutex_);
      if (stopped_) return std::nullopt;
      if (!broken_.ok()) return broken_;
      if (!stalled_) {
        if (std::optional<WatchEvent> event = TakeLocked()) return event;
        if (ended_ || now >= ends_at_) return std::nullopt;
        until = std::min(until, ends_at_);
      }
    }
    if (context.stop.stop_requested()) return absl::CancelledError("watch");
    if (now >= context.deadline) return absl::DeadlineExceededError("watch");
    alarm_->WaitUntil(until);
  }
}

std::optional<WatchEvent> FakeWatcher::TakeLocked() {
  if (!first_.empty()) {
    WatchEvent event = std::move(first_.front());
    first_.pop_front();
    return event;
  }
  if (seen_ < server_->compacted_) {
    ended_ = true;
    const int64_t behind = seen_;
    seen_ = server_->version_;
    return WatchEvent{WatchEventType::kError, Object(), TooOldError(behind, server_->compacted_)};
  }
  for (const FakeApiServer::Change& change : server_->history_) {
    if (change.version <= seen_) continue;
    if (bookmark_at_ != 0 && change.version > bookmark_at_) break;
    seen_ = change.version;
    if (!FakeApiServer::In(collection_, change.id)) continue;
    if (std::optional<WatchEvent> event = Convert(change)) return event;
  }
  if (bookmark_at_ == 0) return std::nullopt;
  WatchEvent bookmark{WatchEventType::kBookmark, Object(), absl::OkStatus()};
  bookmark.object.set_resource_version(absl::StrCat(bookmark_at_));
  seen_ = std::max(seen_, bookmark_at_);
  bookmark_at_ = 0;
  return bookmark;
}

// An object that begins (ceases) to match the selectors is added (deleted) as far as the watch
// goes.
std::optional<WatchEvent> FakeWatcher::Convert(const FakeApiServer::Change& change) const {
  const auto matches = [this](const Object& object) {
    return MatchesSelectors(object, options_.label_selector, options_.field_selector);
  };
  const bool was = change.before && matches(*change.before);
  const bool is = !change.deleted && matches(change.after);
  if (is) {
    return WatchEvent{was ? WatchEventType::kModified : WatchEventType::kAdded, change.after,
                      absl::OkStatus()};
  }
  if (!was) return std::nullopt;
  Object last = *change.before;
  last.set_resource_version(absl::StrCat(change.version));
  return WatchEvent{WatchEventType::kDeleted, std::move(last), absl::OkStatus()};
}

}  // namespace fractos::kube
