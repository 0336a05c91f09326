#include "operator/controller/controller.h"

#include <thread>
#include <utility>
#include <vector>

namespace fractos::ctrl {
namespace {

kube::WorkQueue::Options QueueOptions(Controller::Options* options) {
  kube::WorkQueue::Options queue;
  queue.clock = options->clock;
  queue.rate_limiter = std::move(options->rate_limiter);
  if (options->metrics != nullptr) queue.metrics = options->metrics->ForQueue(options->name);
  return queue;
}

}  // namespace

Controller::Controller(Options options, Reconciler* reconciler)
    : options_(std::move(options)),
      reconciler_(reconciler),
      metrics_(options_.metrics == nullptr ? nullptr
                                           : options_.metrics->ForController(options_.name)),
      queue_(QueueOptions(&options_)) {
  if (options_.metrics != nullptr) {
    options_.metrics->AddQueue(options_.name, &queue_);
    metrics_->SetWorkers(options_.workers);
  }
}

absl::Status Controller::Run(const std::stop_token& stop) {
  std::vector<std::thread> workers;
  workers.reserve(static_cast<size_t>(options_.workers));
  for (int i = 0; i < options_.workers; ++i) {
    workers.emplace_back([this, &stop] { Work(stop); });
  }
  {
    const std::stop_callback end(stop, [this] { queue_.ShutDown(); });
    for (std::thread& worker : workers) worker.join();
  }
  return absl::OkStatus();
}

void Controller::Work(const std::stop_token& stop) {
  while (const std::optional<std::string> key = queue_.Get()) {
    // The queue hands out what waits, too; whoever leads next looks at everything anyway.
    if (!stop.stop_requested()) ReconcileKey(*key, stop);
    queue_.Done(*key);
  }
}

void Controller::ReconcileKey(const std::string& key, const std::stop_token& stop) {
  const absl::StatusOr<kube::ObjectKey> parsed = kube::ObjectKey::Parse(key);
  if (!parsed.ok()) {
    queue_.Forget(key);
    return;
  }
  const Time start = options_.clock->Now();
  if (metrics_ != nullptr) metrics_->OnStart();
  const absl::StatusOr<Result> result = reconciler_->Reconcile({*parsed}, stop);
  ReconcileOutcome outcome = ReconcileOutcome::kSuccess;
  if (!result.ok()) {
    const bool terminal = IsTerminalError(result.status());
    outcome = terminal ? ReconcileOutcome::kTerminalError : ReconcileOutcome::kError;
    if (terminal) {
      queue_.Forget(key);
    } else {
      queue_.AddRateLimited(key);
    }
    // What fails because it was told to stop is no error.
    if (options_.log != nullptr && !stop.stop_requested()) {
      options_.log->Write(EventLog::Level::kError, "reconcile failed",
                          {{"controller", options_.name},
                           {"namespace", parsed->ns},
                           {"name", parsed->name},
                           {"error", std::string(result.status().message())}});
    }
  } else {
    queue_.Forget(key);
    if (result->requeue_after > Duration::zero()) {
      outcome = ReconcileOutcome::kRequeueAfter;
      queue_.AddAfter(key, result->requeue_after);
    }
  }
  if (metrics_ != nullptr) metrics_->OnEnd(outcome, options_.clock->Now() - start);
}

}  // namespace fractos::ctrl
