#include "lib/kube/reflector.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/kube/errors.h"

namespace fractos::kube {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr BackoffOptions kBackoff{.initial = milliseconds(800),
                                  .factor = 2,
                                  .jitter = 1,
                                  .cap = seconds(30),
                                  .reset_after = minutes(2)};
// Nobody is there to be spared, and until a connection is made the store is out of date.
constexpr BackoffOptions kRefusedBackoff{
    .initial = milliseconds(800), .factor = 2, .jitter = 1, .cap = seconds(5)};
// A watch of this length shows that the server works.
constexpr Duration kWorked = seconds(10);
// Between one and two times this, so that not all watches of a restarted server end together.
constexpr Duration kMinWatchTimeout = minutes(5);
constexpr Duration kOverdue = seconds(30);
constexpr Duration kSilence = minutes(3);
constexpr Duration kVeryShort = seconds(1);

bool IsUnavailableVersion(const absl::Status& error) {
  return kube::IsExpired(error) || kube::IsTooLargeResourceVersion(error);
}

// The server is busy or away: a list would only make it worse, and the watch can go on later.
bool CanWatchAgain(const absl::Status& error) {
  return kube::IsConnectionRefused(error) || kube::IsTooManyRequests(error);
}

}  // namespace

Reflector::Reflector(ListerWatcher* client, WaitableClock* clock, Random* random,
                     ReflectorStore* store, ReflectorOptions options)
    : client_(client),
      clock_(clock),
      random_(random),
      store_(store),
      options_(std::move(options)),
      backoff_(kBackoff, random),
      refused_backoff_(kRefusedBackoff, random) {}

std::string Reflector::LastSyncResourceVersion() const { return version(); }

std::string Reflector::version() const {
  absl::MutexLock lock(&mutex_);
  return version_;
}

void Reflector::set_version(const std::string& version) {
  absl::MutexLock lock(&mutex_);
  version_ = version;
}

void Reflector::Run(const std::stop_token& stop) {
  if (options_.resync_period > Duration::zero()) {
    next_resync_ = clock_->Now() + options_.resync_period;
  }
  while (!stop.stop_requested()) {
    const absl::Status error = ListAndWatch(stop);
    if (!error.ok() && !stop.stop_requested()) Report(error);
    Wait(stop, error);
  }
}

void Reflector::Wait(const std::stop_token& stop, const absl::Status& error) {
  const Time now = clock_->Now();
  if (kube::IsConnectionRefused(error)) {
    SleepFor(*clock_, refused_backoff_.Next(now), stop);
    return;
  }
  last_wait_ = backoff_.Next(now);
  SleepFor(*clock_, last_wait_, stop);
}

void Reflector::NoteWatched(Duration length) {
  if (length >= std::max(kWorked, last_wait_)) backoff_.Reset();
}

void Reflector::Report(const absl::Status& error) const {
  if (!options_.on_error) return;
  options_.on_error(
      kube::WithContext(error, absl::StrCat("following ", options_.collection.ToString())));
}

absl::Status Reflector::ListAndWatch(const std::stop_token& stop) {
  std::unique_ptr<Watcher> watcher;
  bool list = !options_.use_watch_list;
  if (options_.use_watch_list) {
    absl::StatusOr<std::unique_ptr<Watcher>> begun = WatchList(stop);
    if (stop.stop_requested()) return absl::OkStatus();
    // Most of all a server that cannot do it (Invalid); whatever else it is, the list says it too.
    list = !begun.ok();
    if (begun.ok()) watcher = std::move(*begun);
  }
  if (list) {
    if (const absl::Status listed = List(stop); !listed.ok()) return listed;
  }
  return Watch(stop, std::move(watcher));
}

absl::Status Reflector::List(const std::stop_token& stop) {
  ListOptions options;
  options.label_selector = options_.label_selector;
  options.field_selector = options_.field_selector;
  // "0": whatever the server has in its cache. Later no older than what was seen already.
  const std::string last = version();
  options.resource_version = version_unavailable_ ? "" : last.empty() ? "0" : last;

  const bool newest = options.resource_version.empty() || options.resource_version == "0";
  const Pager pager(client_, newest || paginated_ ? 500 : 0);
  absl::StatusOr<Pager::Result> result = pager.List({stop}, options_.collection, options);
  if (!result.ok() && IsUnavailableVersion(result.status())) {
    version_unavailable_ = true;
    options.resource_version = "";
    result = pager.List({stop}, options_.collection, options);
  }
  if (!result.ok()) return kube::WithContext(result.status(), "list");
  if (options.resource_version == "0" && result->paginated) paginated_ = true;
  version_unavailable_ = false;
  const std::string listed = result->list.resource_version;
  store_->Replace(std::move(result->list.items), listed);
  set_version(listed);
  return absl::OkStatus();
}

WatchOptions Reflector::MakeWatchOptions() {
  WatchOptions options;
  options.label_selector = options_.label_selector;
  options.field_selector = options_.field_selector;
  options.timeout = std::chrono::duration_cast<seconds>(Jitter(kMinWatchTimeout, 1, random_));
  watch_ends_ = clock_->Now() + options.timeout + kOverdue;
  return options;
}

absl::StatusOr<std::unique_ptr<Watcher>> Reflector::WatchList(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    WatchOptions options = MakeWatchOptions();
    options.send_initial_events = true;
    options.resource_version_match = "NotOlderThan";
    if (!version_unavailable_) options.resource_version = version();

    Stream stream;
    stream.started = clock_->Now();
    stream.initial = true;
    absl::StatusOr<std::unique_ptr<Watcher>> watcher =
        client_->Watch({stop, watch_ends_}, options_.collection, options);
    Ended ended = Ended::kFailed;
    stream.error = watcher.status();
    if (watcher.ok()) {
      refused_backoff_.Reset();
      stream.watcher = watcher->get();
      ended = Follow(stop, &stream);
    }
    switch (ended) {
      case Ended::kInitialEventsEnd: {
        version_unavailable_ = false;
        std::vector<Object> objects;
        objects.reserve(stream.initial_objects.size());
        for (auto& [key, object] : stream.initial_objects) objects.push_back(std::move(object));
        store_->Replace(std::move(objects), stream.version);
        set_version(stream.version);
        return watcher;
      }
      case Ended::kStopped:
        return nullptr;
      case Ended::kClosed:
        // Everything would be sent again, so not without a pause.
        Wait(stop, stream.error);
        break;
      case Ended::kTooSoon:
      case Ended::kFailed:
        if (CanWatchAgain(stream.error)) {
          Report(stream.error);
          Wait(stop, stream.error);
        } else if (IsUnavailableVersion(stream.error) && !version_unavailable_) {
          version_unavailable_ = true;
        } else {
          return stream.error;
        }
    }
  }
  return nullptr;
}

absl::Status Reflector::Watch(const std::stop_token& stop, std::unique_ptr<Watcher> watcher) {
  while (!stop.stop_requested()) {
    Stream stream;
    // Before the request is sent: some proxies hold back the answer until the first event.
    stream.started = clock_->Now();
    if (watcher == nullptr) {
      WatchOptions options = MakeWatchOptions();
      options.resource_version = version();
      // From there the events come in order; without one the first ones are what is there already,
      // in any order.
      stream.publish_version = !options.resource_version.empty() && options.resource_version != "0";
      absl::StatusOr<std::unique_ptr<Watcher>> begun =
          client_->Watch({stop, watch_ends_}, options_.collection, options);
      if (!begun.ok()) {
        if (stop.stop_requested()) break;
        if (!CanWatchAgain(begun.status())) return kube::WithContext(begun.status(), "watch");
        Report(begun.status());
        Wait(stop, begun.status());
        continue;
      }
      refused_backoff_.Reset();
      watcher = std::move(*begun);
    }
    stream.watcher = watcher.get();
    const Ended ended = Follow(stop, &stream);
    watcher.reset();
    NoteWatched(clock_->Now() - stream.started);
    if (ended == Ended::kStopped) break;
    if (ended == Ended::kClosed) continue;
    if (kube::IsTooManyRequests(stream.error)) {
      Report(stream.error);
      Wait(stop, stream.error);
      continue;
    }
    // No error to tell anybody of: a watch that was idle for long, on a busy server. The list from
    // the last resourceVersion works as it is no older than that, only newer.
    if (kube::IsExpired(stream.error)) return absl::OkStatus();
    return kube::WithContext(stream.error, "watch");
  }
  return absl::OkStatus();
}

Reflector::Ended Reflector::Follow(const std::stop_token& stop, Stream* stream) {
  int events = 0;
  bool bookmarks = false;
  Time silent_since = clock_->Now();
  const auto closed = [&] {
    if (clock_->Now() - stream->started >= kVeryShort || events > 0) return Ended::kClosed;
    stream->error = absl::UnavailableError("the watch ended within a second, with nothing sent");
    return Ended::kTooSoon;
  };
  while (true) {
    const Time stalled = bookmarks ? std::min(watch_ends_, silent_since + kSilence) : watch_ends_;
    absl::StatusOr<std::optional<WatchEvent>> event =
        stream->watcher->Next({stop, std::min(stalled, next_resync_)});
    if (stop.stop_requested()) return Ended::kStopped;
    ResyncIfDue();
    if (!event.ok()) {
      const absl::Status& error = event.status();
      if (absl::IsDeadlineExceeded(error) && !GetTransportFailure(error)) {  // ours
        if (clock_->Now() < stalled) continue;
        stream->watcher->Stop();
        return closed();
      }
      // A connection breaks for many reasons, none of which is in the way of going on.
      if (GetTransportFailure(error)) return closed();
      stream->error = error;
      return Ended::kFailed;
    }
    if (!*event) return closed();
    if ((*event)->type == WatchEventType::kError) {
      stream->error = (*event)->status;
      return Ended::kFailed;
    }
    ++events;
    silent_since = clock_->Now();
    bookmarks = bookmarks || (*event)->type == WatchEventType::kBookmark;
    const bool end = (*event)->type == WatchEventType::kBookmark &&
                     (*event)->object.annotation(kInitialEventsEndAnnotation) == "true";
    Take(stream, std::move(**event));
    if (stream->initial && end) return Ended::kInitialEventsEnd;
  }
}

void Reflector::Take(Stream* stream, WatchEvent event) {
  if (event.object.resource_version().empty()) {
    Report(absl::DataLossError("an event without resourceVersion"));
    return;
  }
  stream->version = event.object.resource_version();
  if (event.type != WatchEventType::kAdded) stream->publish_version = true;
  if (stream->initial) {
    // Not the store's yet: it is to see the list whole. A change or deletion can come in between.
    if (event.type == WatchEventType::kBookmark) return;
    ObjectKey key = event.object.key();
    if (event.type == WatchEventType::kDeleted) {
      stream->initial_objects.erase(key);
    } else {
      stream->initial_objects.insert_or_assign(std::move(key), std::move(event.object));
    }
    return;
  }
  switch (event.type) {
    case WatchEventType::kAdded:
      store_->Add(std::move(event.object));
      break;
    case WatchEventType::kModified:
      store_->Update(std::move(event.object));
      break;
    case WatchEventType::kDeleted:
      store_->Delete(std::move(event.object));
      break;
    case WatchEventType::kBookmark:
      store_->Bookmark(stream->version);
      break;
    case WatchEventType::kError:
      break;
  }
  if (stream->publish_version) set_version(stream->version);
}

void Reflector::ResyncIfDue() {
  const Time now = clock_->Now();
  if (now < next_resync_) return;
  next_resync_ = now + options_.resync_period;
  store_->Resync();
}

}  // namespace fractos::kube
