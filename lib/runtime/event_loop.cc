#include "lib/runtime/event_loop.h"

#include <grpc/support/time.h>
#include <grpcpp/alarm.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/server_builder.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace fractos {
namespace {

gpr_timespec DeadlineIn(Duration left) {
  return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                      gpr_time_from_nanos(std::max<int64_t>(left.count(), 0), GPR_TIMESPAN));
}

}  // namespace

// Timers are no alarms: the wait itself ends when the earliest is due, which costs nothing to arm,
// to cancel or to fire. Only a wake-up from another thread takes an alarm, one for all that was
// posted since the loop last looked.
class EventLoop::Impl final : public Completion {
 public:
  Impl() : queue_(builder_.AddCompletionQueue()) {}

  ~Impl() {
    // Callbacks may own things that post or cancel as they die, so they go before the queue does.
    DropCallbacks();
    void* tag;
    bool ok;
    // What ends may have to start a last operation, so the queue is open until all have ended.
    while (under_way_.load() > 0 && queue_->Next(&tag, &ok)) Finish(tag, ok);
    queue_->Shutdown();
    while (queue_->Next(&tag, &ok)) Finish(tag, ok);
    DropCallbacks();
  }

  void Run() {
    loop_thread_.store(std::this_thread::get_id());
    std::vector<std::function<void()>> due;
    while (!stopped_.load()) {
      std::optional<Time> next = TakeDue(&due);
      for (std::function<void()>& callback : due) {
        if (stopped_.load()) break;
        callback();
        callback = nullptr;
      }
      due.clear();
      if (stopped_.load()) break;
      void* tag;
      bool ok;
      gpr_timespec until = gpr_inf_future(GPR_CLOCK_MONOTONIC);
      if (next.has_value()) until = DeadlineIn(*next - std::chrono::steady_clock::now());
      if (queue_->AsyncNext(&tag, &ok, until) == grpc::CompletionQueue::GOT_EVENT) {
        Finish(tag, ok);
      }
    }
    loop_thread_.store(std::thread::id());
    DropCallbacks();
  }

  void Stop() {
    stopped_.store(true);
    absl::MutexLock lock(&mutex_);
    WakeLocked();
  }

  void Post(std::function<void()> callback) {
    absl::MutexLock lock(&mutex_);
    posted_.push_back(std::move(callback));
    WakeLocked();
  }

  TimerId At(Time when, std::function<void()> callback) {
    absl::MutexLock lock(&mutex_);
    const TimerId id = ++last_timer_;
    auto [timer, added] = timers_.emplace(std::make_pair(when, id), std::move(callback));
    timer_times_.emplace(id, when);
    if (timer == timers_.begin()) WakeLocked();
    return id;
  }

  void Cancel(TimerId id) {
    std::function<void()> callback;  // destroyed after the lock is
    absl::MutexLock lock(&mutex_);
    auto time = timer_times_.find(id);
    if (time == timer_times_.end()) return;
    auto timer = timers_.find({time->second, id});
    callback = std::move(timer->second);
    timers_.erase(timer);
    timer_times_.erase(time);
  }

  bool OnLoopThread() const { return loop_thread_.load() == std::this_thread::get_id(); }
  grpc::ServerCompletionQueue* queue() { return queue_.get(); }
  grpc::ServerBuilder* builder() { return &builder_; }
  void* Begin(Completion* completion) {
    under_way_.fetch_add(1);
    return completion;
  }

  // The wake-up alarm went off.
  void Done(bool) override {
    absl::MutexLock lock(&mutex_);
    waking_ = false;
  }

 private:
  void Finish(void* tag, bool ok) {
    auto* completion = static_cast<Completion*>(tag);
    completion->Done(ok);
    if (completion != this) under_way_.fetch_sub(1);
  }

  // Moves what may run now into `due`; says when the next timer is.
  std::optional<Time> TakeDue(std::vector<std::function<void()>>* due) {
    absl::MutexLock lock(&mutex_);
    std::swap(*due, posted_);
    const Time now = std::chrono::steady_clock::now();
    while (!timers_.empty() && timers_.begin()->first.first <= now) {
      due->push_back(std::move(timers_.begin()->second));
      timer_times_.erase(timers_.begin()->first.second);
      timers_.erase(timers_.begin());
    }
    // What runs now may post or set timers: look again before waiting.
    if (!due->empty()) return now;
    return timers_.empty() ? std::nullopt : std::optional(timers_.begin()->first.first);
  }

  // Not on the loop's own thread, which looks again before it waits. One alarm is under way at
  // most.
  void WakeLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (waking_ || OnLoopThread()) return;
    waking_ = true;
    alarm_.Set(queue_.get(), gpr_inf_past(GPR_CLOCK_MONOTONIC), static_cast<Completion*>(this));
  }

  void DropCallbacks() {
    std::vector<std::function<void()>> posted;
    std::map<std::pair<Time, TimerId>, std::function<void()>> timers;
    absl::MutexLock lock(&mutex_);
    // Destroyed after the lock is: see Cancel.
    posted.swap(posted_);
    timers.swap(timers_);
    timer_times_.clear();
  }

  grpc::ServerBuilder builder_;
  std::unique_ptr<grpc::ServerCompletionQueue> queue_;
  grpc::Alarm alarm_;
  std::atomic<int> under_way_ = 0;  // operations of others
  std::atomic<bool> stopped_ = false;
  std::atomic<std::thread::id> loop_thread_ = std::thread::id();

  absl::Mutex mutex_;
  bool waking_ ABSL_GUARDED_BY(mutex_) = false;
  TimerId last_timer_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<std::function<void()>> posted_ ABSL_GUARDED_BY(mutex_);
  std::map<std::pair<Time, TimerId>, std::function<void()>> timers_ ABSL_GUARDED_BY(mutex_);
  std::map<TimerId, Time> timer_times_ ABSL_GUARDED_BY(mutex_);
};

EventLoop::EventLoop() : impl_(std::make_unique<Impl>()) {}
EventLoop::~EventLoop() = default;
void EventLoop::Run() { impl_->Run(); }
void EventLoop::Stop() { impl_->Stop(); }
void EventLoop::Post(std::function<void()> callback) { impl_->Post(std::move(callback)); }
EventLoop::TimerId EventLoop::At(Time when, std::function<void()> callback) {
  return impl_->At(when, std::move(callback));
}
void EventLoop::Cancel(TimerId timer) { impl_->Cancel(timer); }
bool EventLoop::OnLoopThread() const { return impl_->OnLoopThread(); }
grpc::ServerCompletionQueue* EventLoop::completion_queue() { return impl_->queue(); }
grpc::ServerBuilder* EventLoop::server_builder() { return impl_->builder(); }
void* EventLoop::Begin(Completion* completion) { return impl_->Begin(completion); }

}  // namespace fractos
