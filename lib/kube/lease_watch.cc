#include "lib/kube/lease_watch.h"

#include <chrono>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/kube/backoff.h"

namespace fractos::kube {
namespace {

using std::chrono::seconds;

constexpr BackoffOptions kBackoff{.initial = std::chrono::milliseconds(800),
                                  .factor = 2,
                                  .jitter = 1,
                                  .cap = seconds(30),
                                  .reset_after = std::chrono::minutes(2)};
constexpr Duration kMinWatchTimeout = std::chrono::minutes(5);
constexpr Duration kOverdue = seconds(30);
constexpr Duration kVeryShort = seconds(1);

}  // namespace

LeaseWatch::LeaseWatch(ListerWatcher* client, WaitableClock* clock, uint64_t seed,
                       Collection collection, std::string name, Observer observer)
    : client_(client),
      clock_(clock),
      random_(seed),
      collection_(std::move(collection)),
      name_(std::move(name)),
      observer_(std::move(observer)),
      thread_([this, stop = stop_.get_token()] { Run(stop); }) {}

LeaseWatch::~LeaseWatch() {
  stop_.request_stop();
  thread_.join();
}

void LeaseWatch::Restart() {
  absl::MutexLock lock(&mutex_);
  if (watcher_ != nullptr) watcher_->Stop();
}

void LeaseWatch::Run(const std::stop_token& stop) {
  Backoff backoff(kBackoff, &random_);
  while (!stop.stop_requested()) {
    const absl::Status ended = Follow(stop);
    if (ended.ok() || stop.stop_requested()) continue;
    observer_.on_error(ended);
    SleepFor(*clock_, backoff.Next(clock_->Now()), stop);
  }
}

absl::Status LeaseWatch::Follow(const std::stop_token& stop) {
  WatchOptions options;  // without a resourceVersion: begins with what is there
  options.field_selector = absl::StrCat("metadata.name=", name_);
  options.timeout = std::chrono::duration_cast<seconds>(Jitter(kMinWatchTimeout, 1, &random_));
  const Time began = clock_->Now();
  const Context context{stop, began + options.timeout + kOverdue};
  const absl::StatusOr<std::unique_ptr<Watcher>> watcher =
      client_->Watch(context, collection_, options);
  if (!watcher.ok()) return watcher.status();
  {
    absl::MutexLock lock(&mutex_);
    watcher_ = watcher->get();
  }
  observer_.on_watching(true);
  absl::Status ended;
  bool refused = false;
  while (!refused) {
    const absl::StatusOr<std::optional<WatchEvent>> event = (*watcher)->Next(context);
    ended = event.status();
    if (!event.ok() || !*event) break;
    const WatchEvent& seen = **event;
    if (seen.type == WatchEventType::kError) {
      ended = seen.status;
      refused = true;
    } else if (seen.type != WatchEventType::kBookmark && seen.object.name() == name_) {
      observer_.on_lease(seen.type == WatchEventType::kDeleted ? nullptr : &seen.object);
    }
  }
  {
    absl::MutexLock lock(&mutex_);
    watcher_ = nullptr;
  }
  observer_.on_watching(false);
  if (refused) return ended;
  // However it ended, the next begins with what is there. But not one after the other without
  // pause.
  if (clock_->Now() - began >= kVeryShort) return absl::OkStatus();
  return ended.ok() ? absl::UnavailableError("the watch ended within a second") : ended;
}

}  // namespace fractos::kube
