#include "lib/kube/event_correlator.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace fractos::kube {
namespace {

// With a separator that is in none of them, so that no two lists make one key.
constexpr absl::string_view kSeparator("\0", 1);

std::string SpamKey(const EventRecord& event) {
  return absl::StrJoin(
      {event.component, event.host, event.object_kind, event.object_ns, event.object_name,
       event.object_uid, event.object_api_version, absl::StrCat(static_cast<int>(event.type))},
      kSeparator);
}

std::string SimilarKey(const EventRecord& event) {
  return absl::StrCat(SpamKey(event), kSeparator, event.reason);
}

std::string EventKey(const EventRecord& event) {
  return absl::StrCat(SimilarKey(event), kSeparator, event.message);
}

}  // namespace

std::optional<EventRecord> EventCorrelator::Correlate(EventRecord event) {
  const std::string key = Aggregate(&event);
  Count(key, &event);
  const std::string spam_key = SpamKey(event);
  TokenBucket* bucket = spam_.Get(spam_key);
  if (bucket == nullptr) {
    constexpr double kPerSecond = 1 / std::chrono::duration<double>(kSpamInterval).count();
    bucket = spam_.Put(spam_key, TokenBucket(kPerSecond, kSpamBurst));
  }
  if (!bucket->TryTake(clock_->Now())) return std::nullopt;
  return event;
}

std::string EventCorrelator::Aggregate(EventRecord* event) {
  const Time now = clock_->Now();
  std::string key = SimilarKey(*event);
  Similar* similar = similar_.Get(key);
  if (similar == nullptr || now - similar->last > kSimilarInterval) {
    similar = similar_.Put(key, {});
  }
  similar->messages.insert(event->message);
  similar->last = now;
  if (similar->messages.size() < kMaxSimilar) return EventKey(*event);
  similar->messages.erase(similar->messages.begin());
  event->message = absl::StrCat("(combined from similar events): ", event->message);
  return key;
}

void EventCorrelator::Count(const std::string& key, EventRecord* event) {
  if (const Seen* seen = seen_.Get(key)) {
    event->name = seen->name;
    event->first = seen->first;
    event->count = seen->count + 1;
  }
  seen_.Put(key, {event->name, event->first, event->count});
}

}  // namespace fractos::kube
