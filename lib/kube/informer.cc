#include "lib/kube/informer.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace fractos::kube {

Informer::Informer(ListerWatcher* client, WaitableClock* clock, Random* random, Options options)
    : client_(client),
      clock_(clock),
      options_(std::move(options)),
      reflector_(client_, clock_, random, this, WithErrors(options_.reflector)) {}

Informer::~Informer() = default;

ReflectorOptions Informer::WithErrors(ReflectorOptions options) {
  options.on_error = [this](const absl::Status& error) {
    {
      absl::MutexLock lock(&mutex_);
      last_error_ = error;
    }
    if (options_.reflector.on_error) options_.reflector.on_error(error);
  };
  return options;
}

void Informer::Run(const std::stop_token& stop) {
  std::thread dispatcher([this] { Dispatch(); });
  {
    const std::stop_callback stopping(stop, [this] {
      absl::MutexLock lock(&mutex_);
      stopping_ = true;
    });
    reflector_.Run(stop);
  }
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  dispatcher.join();
}

Informer::HandlerId Informer::AddHandler(ResourceEventHandler* handler) {
  absl::MutexLock lock(&mutex_);
  const HandlerId id = next_id_++;
  handlers_.push_back({id, handler, next_number_});
  for (const ObjectPtr& object : store_.List()) {
    PushLocked({Notification::Kind::kAdd, nullptr, object, true, id});
  }
  if (synced_) PushLocked({Notification::Kind::kSynced, nullptr, nullptr, false, id});
  return id;
}

void Informer::RemoveHandler(HandlerId id) {
  absl::MutexLock lock(&mutex_);
  handlers_.erase(std::remove_if(handlers_.begin(), handlers_.end(),
                                 [id](const Handler& handler) { return handler.id == id; }),
                  handlers_.end());
  if (dispatcher_ == std::this_thread::get_id()) return;
  const auto over = [this, id]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return calling_ != id; };
  mutex_.Await(absl::Condition(&over));
}

bool Informer::HasSynced() const {
  absl::MutexLock lock(&mutex_);
  return synced_;
}

bool Informer::HandlerHasSynced(HandlerId id) const {
  absl::MutexLock lock(&mutex_);
  return std::any_of(handlers_.begin(), handlers_.end(),
                     [id](const Handler& h) { return h.id == id && h.synced; });
}

absl::Status Informer::AwaitSync(const Context& context) const {
  const std::unique_ptr<Alarm> alarm = clock_->NewAlarm();
  const std::stop_callback wake(context.stop, [&alarm] { alarm->Ring(); });
  absl::MutexLock lock(&mutex_);
  awaiting_sync_.insert(alarm.get());
  while (!synced_ && !context.stop.stop_requested() && clock_->Now() < context.deadline) {
    mutex_.Unlock();
    alarm->WaitUntil(context.deadline);
    mutex_.Lock();
  }
  awaiting_sync_.erase(alarm.get());
  if (synced_) return absl::OkStatus();
  const std::string what = options_.reflector.collection.ToString();
  if (context.stop.stop_requested()) {
    return absl::CancelledError(absl::StrCat("stopped before ", what, " was read"));
  }
  return absl::DeadlineExceededError(
      absl::StrCat(what, " could not be read in time: ",
                   last_error_.ok() ? "the API server has not answered" : last_error_.message()));
}

ObjectPtr Informer::Share(Object object) const {
  if (options_.transform) options_.transform(&object);
  return std::make_shared<const Object>(std::move(object));
}

void Informer::Replace(std::vector<Object> objects, const std::string&) {
  std::vector<ObjectPtr> now;
  now.reserve(objects.size());
  for (Object& object : objects) now.push_back(Share(std::move(object)));

  absl::MutexLock lock(&mutex_);
  AwaitRoomLocked();
  const bool initial = !synced_;
  auto before = store_.Replace(now);
  for (const ObjectPtr& object : now) {
    const auto found = before.find(object->key().ToString());
    if (found == before.end()) {
      TellLocked(nullptr, object, initial);
    } else {
      TellLocked(found->second, object, initial);
      before.erase(found);
    }
  }
  for (const auto& [key, object] : before) {
    PushLocked({Notification::Kind::kDelete, object, nullptr, true});
  }
  if (synced_) return;
  synced_ = true;
  PushLocked({Notification::Kind::kSynced, nullptr, nullptr});
  for (Alarm* alarm : awaiting_sync_) alarm->Ring();
}

void Informer::Put(Object object) {
  ObjectPtr now = Share(std::move(object));
  absl::MutexLock lock(&mutex_);
  AwaitRoomLocked();
  const ObjectPtr before = store_.Put(now);
  TellLocked(before, now, false);
}

void Informer::Delete(Object object) {
  ObjectPtr last = Share(std::move(object));
  absl::MutexLock lock(&mutex_);
  AwaitRoomLocked();
  if (store_.Erase(last->key().ToString()) == nullptr) return;
  PushLocked({Notification::Kind::kDelete, std::move(last), nullptr});
}

void Informer::Resync() {
  absl::MutexLock lock(&mutex_);
  AwaitRoomLocked();
  for (const ObjectPtr& object : store_.List()) {
    PushLocked({Notification::Kind::kUpdate, object, object});
  }
}

void Informer::TellLocked(const ObjectPtr& before, const ObjectPtr& after, bool initial) {
  if (before == nullptr) {
    PushLocked({Notification::Kind::kAdd, nullptr, after, initial});
  } else if (before->uid() != after->uid()) {
    PushLocked({Notification::Kind::kDelete, before, nullptr, true});
    PushLocked({Notification::Kind::kAdd, nullptr, after, initial});
  } else if (before->resource_version() != after->resource_version()) {
    PushLocked({Notification::Kind::kUpdate, before, after});
  }
}

void Informer::PushLocked(Notification notification) {
  notification.number = next_number_++;
  queue_.push_back(std::move(notification));
}

void Informer::AwaitRoomLocked() {
  const auto room = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return queue_.size() < options_.max_queued || stopping_;
  };
  mutex_.Await(absl::Condition(&room));
}

void Informer::Dispatch() {
  absl::MutexLock lock(&mutex_);
  dispatcher_ = std::this_thread::get_id();
  while (true) {
    const auto ready = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
      return stopping_ || !queue_.empty();
    };
    mutex_.Await(absl::Condition(&ready));
    if (stopping_) return;
    const Notification notification = std::move(queue_.front());
    queue_.pop_front();
    // By id, for handlers come and go while one is called.
    std::vector<HandlerId> told;
    for (const Handler& handler : handlers_) {
      if (handler.joined_at <= notification.number &&
          (notification.only == 0 || notification.only == handler.id)) {
        told.push_back(handler.id);
      }
    }
    for (const HandlerId id : told) {
      const auto found = std::find_if(handlers_.begin(), handlers_.end(),
                                      [id](const Handler& h) { return h.id == id; });
      if (found == handlers_.end() || stopping_) continue;
      if (notification.kind == Notification::Kind::kSynced) {
        found->synced = true;
        continue;
      }
      ResourceEventHandler* const handler = found->handler;
      calling_ = id;
      mutex_.Unlock();
      Call(handler, notification);
      mutex_.Lock();
      calling_ = 0;
    }
  }
}

void Informer::Call(ResourceEventHandler* handler, const Notification& notification) {
  switch (notification.kind) {
    case Notification::Kind::kAdd:
      handler->OnAdd(notification.after, notification.flag);
      break;
    case Notification::Kind::kUpdate:
      handler->OnUpdate(notification.before, notification.after);
      break;
    case Notification::Kind::kDelete:
      handler->OnDelete(notification.before, notification.flag);
      break;
    case Notification::Kind::kSynced:
      break;
  }
}

void StripManagedFields(Object* object) { object->mutable_metadata().erase("managedFields"); }

}  // namespace fractos::kube
