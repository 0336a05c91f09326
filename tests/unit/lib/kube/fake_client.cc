#include "tests/unit/lib/kube/fake_client.h"

#include <algorithm>

#include "tests/unit/lib/kube/fake_time.h"

namespace fractos::kube {
namespace {

absl::Status Refused() {
  return MakeError(TransportFailure::kConnectionRefused, "connect: connection refused");
}

}  // namespace

void FakeClient::Inject(Fault fault) {
  absl::MutexLock lock(&mutex_);
  faults_.push_back(std::move(fault));
}

void FakeClient::ClearFaults() {
  absl::MutexLock lock(&mutex_);
  faults_.clear();
}

void FakeClient::SetPartitioned(bool partitioned) {
  {
    absl::MutexLock lock(&mutex_);
    partitioned_ = partitioned;
  }
  if (!partitioned) return;
  absl::MutexLock lock(&server_->mutex_);
  for (FakeWatcher* watcher : server_->watchers_) {
    if (watcher->client_ != this) continue;
    watcher->broken_ = MakeError(TransportFailure::kConnectionLost, "connection reset by peer");
    watcher->alarm_->Ring();
  }
}

std::vector<Call> FakeClient::calls(absl::string_view verb) const {
  absl::MutexLock lock(&mutex_);
  std::vector<Call> calls;
  for (const Call& call : calls_) {
    if (verb.empty() || call.verb == verb) calls.push_back(call);
  }
  return calls;
}

bool FakeClient::AwaitCalls(absl::string_view verb, size_t n) const {
  absl::MutexLock lock(&mutex_);
  const auto there = [&]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return static_cast<size_t>(std::count_if(calls_.begin(), calls_.end(), [&](const Call& call) {
             return call.verb == verb;
           })) >= n;
  };
  return mutex_.AwaitWithTimeout(absl::Condition(&there), kPatience);
}

absl::Status FakeClient::Meet(const Context& context, Call call, Fault* fault) {
  {
    absl::MutexLock lock(&mutex_);
    calls_.push_back(call);
    const auto found = std::find_if(faults_.begin(), faults_.end(), [&](const Fault& f) {
      return (f.verb.empty() || f.verb == call.verb) &&
             (f.resource.empty() || f.resource == call.collection.resource.resource) &&
             (f.name.empty() || f.name == call.name);
    });
    if (found != faults_.end()) {
      *fault = *found;
      if (found->times > 0 && --found->times == 0) faults_.erase(found);
    }
  }
  if (context.stop.stop_requested()) return absl::CancelledError(call.verb);
  if (fault->before) fault->before();
  if (const absl::Status waited = Wait(context, fault->delay); !waited.ok()) return waited;
  if (!fault->error.ok()) return fault->error;
  if (server_->clock()->Now() >= context.deadline) return absl::DeadlineExceededError(call.verb);
  absl::MutexLock lock(&mutex_);
  return partitioned_ ? Refused() : absl::OkStatus();
}

absl::Status FakeClient::Wait(const Context& context, Duration delay) {
  if (delay == Duration::zero()) return absl::OkStatus();
  WaitableClock* const clock = server_->clock();
  const Time over = Later(clock->Now(), delay);
  const std::unique_ptr<Alarm> alarm = clock->NewAlarm();
  const std::stop_callback wake(context.stop, [&alarm] { alarm->Ring(); });
  while (!context.stop.stop_requested() && clock->Now() < std::min(over, context.deadline)) {
    alarm->WaitUntil(std::min(over, context.deadline));
  }
  if (context.stop.stop_requested()) return absl::CancelledError("request");
  if (clock->Now() >= context.deadline) return absl::DeadlineExceededError("request");
  return absl::OkStatus();
}

absl::StatusOr<ObjectList> FakeClient::List(const Context& context, const Collection& collection,
                                            const ListOptions& options) {
  return Do<absl::StatusOr<ObjectList>>(context, {"list", collection, "", options, {}, {}},
                                        [&] { return server_->List(collection, options); });
}

absl::StatusOr<std::unique_ptr<Watcher>> FakeClient::Watch(const Context& context,
                                                           const Collection& collection,
                                                           const WatchOptions& options) {
  return Do<absl::StatusOr<std::unique_ptr<Watcher>>>(
      context, {"watch", collection, "", {}, options, {}},
      [&]() -> absl::StatusOr<std::unique_ptr<Watcher>> {
        auto watcher = std::make_unique<FakeWatcher>(server_, this, collection, options);
        if (absl::Status begun = server_->Watch(watcher.get()); !begun.ok()) return begun;
        // The partition may have come since Meet, and not have found this watch to break it.
        absl::MutexLock lock(&mutex_);
        if (partitioned_) return Refused();
        return watcher;
      });
}

absl::StatusOr<Object> FakeClient::Get(const Context& context, const Collection& collection,
                                       absl::string_view name) {
  return Do<absl::StatusOr<Object>>(context, {"get", collection, std::string(name), {}, {}, {}},
                                    [&] { return server_->Get(collection, name); });
}

absl::StatusOr<Object> FakeClient::Create(const Context& context, const Collection& collection,
                                          const Object& object, const WriteOptions&) {
  return Do<absl::StatusOr<Object>>(context,
                                    {"create", collection, object.name(), {}, {}, object.json()},
                                    [&] { return server_->Create(collection, object); });
}

absl::StatusOr<Object> FakeClient::Update(const Context& context, const Collection& collection,
                                          const Object& object, const WriteOptions&) {
  if (object.resource_version().empty()) return absl::InvalidArgumentError("no resourceVersion");
  return Do<absl::StatusOr<Object>>(
      context, {"update", collection, object.name(), {}, {}, object.json()},
      [&] { return server_->Update(collection, object, Part::kAllButStatus); });
}

absl::StatusOr<Object> FakeClient::UpdateStatus(const Context& context,
                                                const Collection& collection, const Object& object,
                                                const WriteOptions&) {
  if (object.resource_version().empty()) return absl::InvalidArgumentError("no resourceVersion");
  return Do<absl::StatusOr<Object>>(
      context, {"update-status", collection, object.name(), {}, {}, object.json()},
      [&] { return server_->Update(collection, object, Part::kStatus); });
}

absl::StatusOr<Object> FakeClient::Apply(const Context& context, const Collection& collection,
                                         const Object& object, const ApplyOptions& options) {
  return Do<absl::StatusOr<Object>>(
      context, {"apply", collection, object.name(), {}, {}, object.json()},
      [&] { return server_->Apply(collection, object, options, Part::kAllButStatus); });
}

absl::StatusOr<Object> FakeClient::ApplyStatus(const Context& context, const Collection& collection,
                                               const Object& object, const ApplyOptions& options) {
  return Do<absl::StatusOr<Object>>(
      context, {"apply-status", collection, object.name(), {}, {}, object.json()},
      [&] { return server_->Apply(collection, object, options, Part::kStatus); });
}

absl::StatusOr<Object> FakeClient::Patch(const Context& context, const Collection& collection,
                                         absl::string_view name, const Json& merge_patch,
                                         const PatchOptions& options) {
  const bool status = options.subresource == "status";
  return Do<absl::StatusOr<Object>>(
      context,
      {status ? "patch-status" : "patch", collection, std::string(name), {}, {}, merge_patch}, [&] {
        return server_->Patch(collection, name, merge_patch,
                              status ? Part::kStatus : Part::kAllButStatus);
      });
}

absl::Status FakeClient::Delete(const Context& context, const Collection& collection,
                                absl::string_view name, const DeleteOptions& options) {
  return Do<absl::Status>(context, {"delete", collection, std::string(name), {}, {}, {}},
                          [&] { return server_->Delete(collection, name, options); });
}

absl::StatusOr<std::string> FakeClient::GetRaw(const Context& context, absl::string_view path) {
  return Do<absl::StatusOr<std::string>>(
      context, {"raw", {}, std::string(path), {}, {}, {}},
      [&]() -> absl::StatusOr<std::string> { return std::string("ok"); });
}

}  // namespace fractos::kube
