#include "cli/cluster/follower.h"

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/kube/errors.h"

namespace fractos::cluster {
namespace {

constexpr std::chrono::seconds kAskAgain{1};

}  // namespace

Follower::Follower(kube::Client* client, kube::WaitableClock* clock,
                   const kube::Collection& collection, kube::Object first,
                   std::function<void()> on_change)
    : client_(client),
      clock_(clock),
      collection_(collection),
      name_(first.name()),
      uid_(first.uid()),
      on_change_(std::move(on_change)),
      view_{std::move(first), false, absl::OkStatus()},
      reflector_(client, clock, &random_, this,
                 {.collection = collection,
                  .label_selector = "",
                  .field_selector = absl::StrCat("metadata.name=", name_),
                  .resync_period = {},
                  .use_watch_list = true,
                  .on_error = [this](const absl::Status& error) { SetTrouble(error); }}),
      thread_([this] { reflector_.Run(stop_.get_token()); }) {}

Follower::~Follower() {
  stop_.request_stop();
  thread_.join();
}

Follower::View Follower::Now() const {
  const absl::MutexLock lock(&mutex_);
  return view_;
}

void Follower::Replace(std::vector<kube::Object> objects, const std::string&) {
  for (kube::Object& object : objects) {
    if (object.name() != name_ || object.uid() != uid_) continue;
    return Take(std::move(object), false);
  }
  // The list may come from a cache that has not heard of the object yet. This is asked until it is
  // answered: no event will come of what was deleted before the list.
  while (true) {
    absl::StatusOr<kube::Object> there =
        client_->Get({.stop = stop_.get_token()}, collection_, name_);
    if (there.ok() && there->uid() == uid_) return Take(*std::move(there), false);
    if (there.ok() || kube::IsNotFound(there.status())) break;
    SetTrouble(there.status());
    if (!kube::SleepFor(*clock_, kAskAgain, stop_.get_token())) return;
  }
  {
    const absl::MutexLock lock(&mutex_);
    view_.gone = true;
  }
  on_change_();
}

void Follower::Take(kube::Object object, bool gone) {
  if (object.name() != name_) return;
  {
    const absl::MutexLock lock(&mutex_);
    if (view_.gone) return;
    view_.trouble = absl::OkStatus();
    if (object.uid() == uid_) {
      view_.object = std::move(object);
      view_.gone = gone;
    } else {
      view_.gone = true;
    }
  }
  on_change_();
}

void Follower::SetTrouble(const absl::Status& error) {
  {
    const absl::MutexLock lock(&mutex_);
    view_.trouble = error;
  }
  on_change_();
}

}  // namespace fractos::cluster
