#include "operator/controller/manager.h"

#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/kube/errors.h"

namespace fractos::ctrl {

absl::StatusOr<std::unique_ptr<Manager>> Manager::Create(Options options) {
  std::unique_ptr<Manager> manager(new Manager(std::move(options)));
  if (!manager->options_.election.has_value()) return manager;
  Manager* const self = manager.get();
  kube::LeaderElectionOptions election = *std::move(self->options_.election);
  // Run ends the runnables first.
  election.release_on_cancel = true;
  election.callbacks.on_started_leading = [self](const std::stop_token& stop,
                                                 const kube::Leadership& leadership) {
    if (self->options_.log != nullptr) {
      self->options_.log->Write(EventLog::Level::kInfo, "leading",
                                {{"transitions", absl::StrCat(leadership.lease_transitions)}});
    }
    self->Lead(stop);
  };
  election.callbacks.on_stopped_leading = [self] {
    {
      const absl::MutexLock lock(&self->mutex_);
      if (self->stopping_) return;
    }
    const absl::Status why = absl::AbortedError("the Lease was lost: another operator may lead");
    if (self->options_.on_lost != nullptr) self->options_.on_lost(why);
    self->Fail(why);
  };
  election.callbacks.on_new_leader = [self](const std::string& identity) {
    if (self->options_.log == nullptr || identity.empty()) return;
    self->options_.log->Write(EventLog::Level::kInfo, "new leader", {{"identity", identity}});
  };
  if (election.on_error == nullptr) {
    election.on_error = [self](const absl::Status& why) {
      if (self->options_.log == nullptr) return;
      self->options_.log->Write(EventLog::Level::kWarning, "election error",
                                {{"error", std::string(why.message())}});
    };
  }
  absl::StatusOr<std::unique_ptr<kube::LeaderElector>> elector = kube::LeaderElector::Create(
      self->options_.client, self->options_.clock, self->options_.random, std::move(election));
  if (!elector.ok()) return elector.status();
  self->elector_ = *std::move(elector);
  self->health_.SetLeaderElection(self->elector_.get());
  return manager;
}

Manager::Manager(Options options) : options_(std::move(options)) {}

ResourceCache* Manager::GetCache(const kube::GroupVersionResource& resource,
                                 const std::string& label_selector) {
  for (const std::unique_ptr<ResourceCache>& cache : caches_) {
    if (cache->resource() == resource && cache->label_selector() == label_selector) {
      return cache.get();
    }
  }
  caches_.push_back(std::make_unique<ResourceCache>(
      options_.client, options_.clock, options_.random, options_.log,
      ResourceCache::Options{resource, options_.namespaces, label_selector}));
  return caches_.back().get();
}

absl::Status Manager::Run(const std::stop_token& stop) {
  std::stop_source caches_stop;
  std::vector<std::thread> threads;
  for (const std::unique_ptr<ResourceCache>& cache : caches_) {
    threads.emplace_back(
        [token = caches_stop.get_token(), cache = cache.get()] { cache->Run(token); });
  }
  absl::Status status = FillCaches(stop);
  if (status.ok()) {
    Stand(stop);
    const absl::MutexLock lock(&mutex_);
    status = failure_;
  }
  caches_stop.request_stop();
  for (std::thread& thread : threads) thread.join();
  // To be stopped while the caches are filled is no failure.
  return stop.stop_requested() && absl::IsCancelled(status) ? absl::OkStatus() : status;
}

absl::Status Manager::FillCaches(const std::stop_token& stop) {
  kube::Context context;
  context.stop = stop;
  context.deadline = kube::Later(options_.clock->Now(), options_.cache_sync_timeout);
  for (const std::unique_ptr<ResourceCache>& cache : caches_) {
    if (absl::Status status = cache->AwaitSync(context); !status.ok()) return status;
  }
  const absl::MutexLock lock(&mutex_);
  filled_ = true;
  return absl::OkStatus();
}

void Manager::Stand(const std::stop_token& stop) {
  const std::stop_callback on_stop(stop, [this] {
    {
      const absl::MutexLock lock(&mutex_);
      stopping_ = true;
    }
    leading_stop_.request_stop();
  });
  if (elector_ == nullptr) return Lead(stop);

  std::stop_source election_stop;
  std::thread election([this, &election_stop] {
    // It stands again only to lose again: whoever lost has to end.
    const absl::Status why = elector_->Run(election_stop.get_token());
    const absl::MutexLock lock(&mutex_);
    ended_ = true;
    if (!why.ok() && failure_.ok()) failure_ = why;
  });
  {
    const absl::MutexLock lock(&mutex_);
    const auto over = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
      return ended_ || (!leading_ && (stopping_ || !failure_.ok()));
    };
    mutex_.Await(absl::Condition(&over));
    stopping_ = true;  // from here on the end of leadership is no loss
  }
  election_stop.request_stop();
  election.join();
}

void Manager::Lead(const std::stop_token& stop) {
  {
    const absl::MutexLock lock(&mutex_);
    leading_ = true;
  }
  {
    const std::stop_callback on_stop(stop, [this] { leading_stop_.request_stop(); });
    std::vector<std::thread> threads;
    for (Runnable* const runnable : runnables_) {
      threads.emplace_back([this, runnable] {
        absl::Status ended = runnable->Run(leading_stop_.get_token());
        if (ended.ok() && !leading_stop_.stop_requested()) {
          ended = absl::InternalError("ended, though this process leads and was not asked to stop");
        }
        if (!ended.ok()) Fail(kube::WithContext(ended, runnable->name()));
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
  if (options_.on_ended != nullptr) options_.on_ended();
  const absl::MutexLock lock(&mutex_);
  leading_ = false;
}

void Manager::Fail(absl::Status why) {
  {
    const absl::MutexLock lock(&mutex_);
    if (failure_.ok()) failure_ = std::move(why);
  }
  leading_stop_.request_stop();
}

bool Manager::IsLeader() const {
  if (elector_ != nullptr) return elector_->IsLeader();
  const absl::MutexLock lock(&mutex_);
  return leading_;
}

std::string Manager::NotHealthyFor() const {
  const absl::Status status = health_.Check();
  return status.ok() ? "" : std::string(status.message());
}

std::string Manager::NotReadyFor() const {
  {
    const absl::MutexLock lock(&mutex_);
    if (filled_) return "";
  }
  for (const std::unique_ptr<ResourceCache>& cache : caches_) {
    if (!cache->HasSynced()) {
      return absl::StrCat("the cache of ", cache->resource().GroupResource(), " is not filled");
    }
  }
  return "the caches are not filled";
}

}  // namespace fractos::ctrl
