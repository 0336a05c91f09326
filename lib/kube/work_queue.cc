#include "lib/kube/work_queue.h"

#include <algorithm>

namespace fractos::kube {

WorkQueue::WorkQueue(Options options)
    : clock_(options.clock),
      rate_limiter_(options.rate_limiter ? std::move(options.rate_limiter)
                                         : DefaultControllerRateLimiter(options.clock)),
      metrics_(options.metrics),
      alarm_(options.clock->NewAlarm()),
      thread_([this] { AddWhenReady(); }) {}

WorkQueue::~WorkQueue() {
  ShutDown();
  thread_.join();
}

void WorkQueue::Add(absl::string_view key) {
  absl::MutexLock lock(&mutex_);
  AddLocked(std::string(key));
}

void WorkQueue::AddLocked(std::string key) {
  if (shutting_down_ || !dirty_.emplace(key, clock_->Now()).second) return;
  if (metrics_ != nullptr) metrics_->OnAdd();
  if (!processing_.contains(key)) PushLocked(std::move(key));
}

void WorkQueue::PushLocked(std::string key) {
  queue_.push_back(std::move(key));
  if (metrics_ != nullptr) metrics_->OnDepth(queue_.size());
}

void WorkQueue::AddAfter(absl::string_view key, Duration delay) {
  bool first = false;
  {
    absl::MutexLock lock(&mutex_);
    if (shutting_down_) return;
    if (metrics_ != nullptr) metrics_->OnRetry();
    if (delay <= Duration::zero()) {
      AddLocked(std::string(key));
      return;
    }
    Waiting waiting{Later(clock_->Now(), delay), next_order_++, std::string(key)};
    const auto found = waiting_of_.find(key);
    if (found != waiting_of_.end()) {
      if (found->second->ready_at <= waiting.ready_at) return;
      waiting_.erase(found->second);
    }
    const auto at = waiting_.insert(std::move(waiting)).first;
    waiting_of_[key] = at;
    first = at == waiting_.begin();
  }
  if (first) alarm_->Ring();
}

void WorkQueue::AddRateLimited(absl::string_view key) { AddAfter(key, rate_limiter_->When(key)); }

std::optional<std::string> WorkQueue::Get() {
  absl::MutexLock lock(&mutex_);
  const auto ready = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return !queue_.empty() || shutting_down_;
  };
  mutex_.Await(absl::Condition(&ready));
  if (queue_.empty()) return std::nullopt;
  std::string key = std::move(queue_.front());
  queue_.pop_front();
  const Time now = clock_->Now();
  const auto added = dirty_.find(key);
  if (metrics_ != nullptr) {
    metrics_->OnDepth(queue_.size());
    metrics_->OnGet(now - added->second);
  }
  dirty_.erase(added);
  processing_.emplace(key, now);
  return key;
}

void WorkQueue::Done(absl::string_view key) {
  absl::MutexLock lock(&mutex_);
  const auto found = processing_.find(key);
  if (found == processing_.end()) return;
  if (metrics_ != nullptr) metrics_->OnDone(clock_->Now() - found->second);
  processing_.erase(found);
  if (dirty_.contains(key)) PushLocked(std::string(key));
}

size_t WorkQueue::Len() const {
  absl::MutexLock lock(&mutex_);
  return queue_.size();
}

void WorkQueue::ShutDown() {
  {
    absl::MutexLock lock(&mutex_);
    shutting_down_ = true;
    draining_ = false;
  }
  alarm_->Ring();
}

void WorkQueue::ShutDownWithDrain() {
  {
    absl::MutexLock lock(&mutex_);
    shutting_down_ = true;
    draining_ = true;
  }
  alarm_->Ring();
  absl::MutexLock lock(&mutex_);
  const auto drained = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return !draining_ || (queue_.empty() && processing_.empty());
  };
  mutex_.Await(absl::Condition(&drained));
}

bool WorkQueue::ShuttingDown() const {
  absl::MutexLock lock(&mutex_);
  return shutting_down_;
}

WorkQueue::Unfinished WorkQueue::UnfinishedWork() const {
  absl::MutexLock lock(&mutex_);
  Unfinished unfinished;
  const Time now = clock_->Now();
  for (const auto& [key, since] : processing_) {
    unfinished.total += now - since;
    unfinished.longest = std::max<Duration>(unfinished.longest, now - since);
  }
  return unfinished;
}

void WorkQueue::AddWhenReady() {
  while (const std::optional<Time> next = AddReady()) alarm_->WaitUntil(*next);
}

std::optional<Time> WorkQueue::AddReady() {
  absl::MutexLock lock(&mutex_);
  if (shutting_down_) return std::nullopt;
  const Time now = clock_->Now();
  while (!waiting_.empty() && waiting_.begin()->ready_at <= now) {
    std::string key = waiting_.extract(waiting_.begin()).value().key;
    waiting_of_.erase(key);
    AddLocked(std::move(key));
  }
  return waiting_.empty() ? Time::max() : waiting_.begin()->ready_at;
}

}  // namespace fractos::kube
