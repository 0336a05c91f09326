#include "lib/kube/event_recorder.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "lib/base/ids.h"
#include "lib/base/utf8.h"
#include "lib/kube/backoff.h"
#include "lib/kube/errors.h"
#include "lib/kube/time.h"

namespace fractos::kube {
namespace {

std::string Shorten(absl::string_view text) {
  if (text.size() <= EventRecorder::kMaxMessageBytes) return std::string(text);
  constexpr absl::string_view kMore = "...";
  return absl::StrCat(CutText(text, EventRecorder::kMaxMessageBytes - kMore.size()), kMore);
}

bool IsDnsSubdomain(absl::string_view name) {
  if (name.empty() || name.size() > 253) return false;
  const auto alphanumeric = [](char c) { return absl::ascii_islower(c) || absl::ascii_isdigit(c); };
  for (const absl::string_view label : absl::StrSplit(name, '.')) {
    if (label.empty() || !alphanumeric(label.front()) || !alphanumeric(label.back())) return false;
    if (!std::all_of(label.begin(), label.end(),
                     [&](char c) { return alphanumeric(c) || c == '-'; })) {
      return false;
    }
  }
  return true;
}

}  // namespace

EventRecorder::EventRecorder(Client* client, WaitableClock* clock, Random* random, Options options)
    : client_(client),
      clock_(clock),
      random_(random),
      options_(std::move(options)),
      correlator_(clock),
      thread_([this] { Run(); }) {}

EventRecorder::~EventRecorder() {
  {
    absl::MutexLock lock(&mutex_);
    closing_ = true;
    flush_until_ = clock_->Now() + kFlush;
  }
  stop_.request_stop();  // of the wait between two tries
  thread_.join();
}

void EventRecorder::Event(const Object& object, EventType type, absl::string_view reason,
                          absl::string_view message) {
  EventRecord event;
  // The API server takes events about what has no namespace in "default" alone.
  event.ns = object.ns().empty() ? "default" : object.ns();
  event.object_api_version = object.api_version();
  event.object_kind = object.kind();
  event.object_ns = object.ns();
  event.object_name = object.name();
  event.object_uid = object.uid();
  event.object_resource_version = object.resource_version();
  event.type = type;
  event.reason = std::string(reason);
  event.message = Shorten(message);
  event.component = options_.component;
  event.host = options_.host;
  event.first = event.last = clock_->WallNow();

  absl::MutexLock lock(&mutex_);
  if (closing_ || queue_.size() >= kMaxQueued) {
    ++stats_.overflowed;
    return;
  }
  queue_.push_back(std::move(event));
}

EventRecorder::Stats EventRecorder::stats() const {
  absl::MutexLock lock(&mutex_);
  return stats_;
}

absl::Status EventRecorder::last_error() const {
  absl::MutexLock lock(&mutex_);
  return last_error_;
}

void EventRecorder::Run() {
  while (true) {
    EventRecord event;
    {
      absl::MutexLock lock(&mutex_);
      const auto ready = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
        return closing_ || !queue_.empty();
      };
      mutex_.Await(absl::Condition(&ready));
      if (queue_.empty()) return;
      event = std::move(queue_.front());
      queue_.pop_front();
      if (clock_->Now() >= flush_until_) {
        ++stats_.failed;
        continue;
      }
      last_name_ = std::max<int64_t>(
          last_name_ + 1, std::chrono::nanoseconds(event.first.time_since_epoch()).count());
      event.name = MakeName(event.object_name, last_name_);
    }
    const std::optional<EventRecord> correlated = correlator_.Correlate(std::move(event));
    if (correlated) {
      Write(*correlated);
      continue;
    }
    absl::MutexLock lock(&mutex_);
    ++stats_.filtered;
  }
}

std::string EventRecorder::MakeName(absl::string_view object, int64_t nanoseconds) {
  std::string name = absl::StrCat(object, ".", absl::Hex(nanoseconds));
  // The names of some objects, such as "system:node", are none for an event.
  if (!IsDnsSubdomain(name)) name = random_->NewId<Id128<struct EventNameTag>>().ToHex();
  return name;
}

void EventRecorder::Write(const EventRecord& event) {
  bool update = event.count > 1;
  absl::Status status;
  for (int tries = 1;; ++tries) {
    status = TryWrite(event, &update);
    // What the API server has refused, it would refuse again.
    if (status.ok() || GetApiStatus(status) || tries >= kMaxTries) break;
    // The first wait is shorter by chance, so that not everybody comes at once when the API server
    // is back.
    const Duration wait = tries == 1 ? Jitter(kRetry, 1, random_) - kRetry : kRetry;
    if (!SleepFor(*clock_, wait, stop_.get_token())) break;
  }
  absl::MutexLock lock(&mutex_);
  if (status.ok()) {
    ++stats_.written;
  } else {
    ++stats_.failed;
    last_error_ = status;
  }
}

absl::Status EventRecorder::TryWrite(const EventRecord& event, bool* update) {
  Context context;
  {
    absl::MutexLock lock(&mutex_);
    context.deadline = std::min(clock_->Now() + kRequestTimeout, flush_until_);
  }
  const Collection collection{kEvents, event.ns};
  if (*update) {
    const Json patch{{"count", event.count},
                     {"lastTimestamp", FormatTime(event.last)},
                     {"message", event.message}};
    PatchOptions options;
    options.field_manager = options_.component;
    const absl::Status patched =
        client_->Patch(context, collection, event.name, patch, options).status();
    // Events live for an hour; this one's first is gone.
    if (!kube::IsNotFound(patched)) return patched;
    *update = false;
  }
  return client_->Create(context, collection, MakeObject(event), {options_.component}).status();
}

Object EventRecorder::MakeObject(const EventRecord& event) const {
  Object object("v1", "Event", event.ns, event.name);
  Json& json = object.json();
  json["involvedObject"] = {{"apiVersion", event.object_api_version},
                            {"kind", event.object_kind},
                            {"name", event.object_name},
                            {"uid", event.object_uid},
                            {"resourceVersion", event.object_resource_version}};
  if (!event.object_ns.empty()) json["involvedObject"]["namespace"] = event.object_ns;
  json["type"] = event.type == EventType::kNormal ? "Normal" : "Warning";
  json["reason"] = event.reason;
  json["message"] = event.message;
  json["source"] = {{"component", event.component}, {"host", event.host}};
  json["reportingComponent"] = event.component;
  json["reportingInstance"] = event.host;
  json["firstTimestamp"] = FormatTime(event.first);
  json["lastTimestamp"] = FormatTime(event.last);
  json["count"] = event.count;
  return object;
}

}  // namespace fractos::kube
