#include "tests/kube/load.h"

#include <chrono>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/kube/errors.h"
#include "tests/kube/followed.h"

namespace fractos::kube_probe {
namespace {

constexpr Duration kRequestTimeout = std::chrono::seconds(10);
constexpr size_t kPayloadBytes = 4000;

// Of a thousand touches.
constexpr uint64_t kDeletes = 150, kReplacements = 100;

kube::Object Make(const kube::Collection& collection, const std::string& name,
                  const std::string& wanted) {
  const bool graph = collection.resource.resource == "taskgraphs";
  kube::Object object(collection.resource.ApiVersion(), graph ? "TaskGraph" : "ConfigMap",
                      collection.ns, name);
  object.SetAnnotation(kWanted, wanted);
  if (graph) {
    object.mutable_spec()["steps"] = {{{"name", "say"},
                                       {"device", "echo"},
                                       {"operation", "copy"},
                                       {"arguments", {{"text", wanted}}}}};
  } else {
    object.json()["data"]["payload"] = std::string(kPayloadBytes, 'x');
  }
  return object;
}

}  // namespace

Load::Load(kube::Client* client, kube::WaitableClock* clock, Counts* counts, Options options)
    : client_(client), clock_(clock), counts_(counts), options_(std::move(options)) {
  for (const kube::Collection& collection : options_.collections) {
    for (int i = 0; i < options_.objects; ++i) {
      Note(Create(collection, absl::StrCat("probe-", i), "made"));
    }
  }
  for (int i = 0; i < kThreads; ++i) {
    threads_.emplace_back([this, i] { Run(i); });
  }
}

Load::~Load() {
  stop_.request_stop();
  Resume();
  for (std::thread& thread : threads_) thread.join();
}

void Load::Pause() {
  absl::MutexLock lock(&mutex_);
  paused_ = true;
  const auto idle = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return under_way_ == 0; };
  mutex_.Await(absl::Condition(&idle));
}

void Load::Resume() {
  absl::MutexLock lock(&mutex_);
  paused_ = false;
}

void Load::Run(int number) {
  SeededRandom random(options_.seed + static_cast<uint64_t>(number));
  const auto pause = std::chrono::duration_cast<Duration>(
      std::chrono::duration<double>(kThreads / options_.per_second));
  while (SleepFor(*clock_, pause, stop_.get_token())) {
    {
      absl::MutexLock lock(&mutex_);
      const auto may = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return !paused_; };
      mutex_.Await(absl::Condition(&may));
      ++under_way_;
    }
    Note(Touch(random));
    absl::MutexLock lock(&mutex_);
    --under_way_;
  }
}

absl::Status Load::Touch(Random& random) const {
  const kube::Collection& collection =
      options_.collections[random.Below(options_.collections.size())];
  const std::string name =
      absl::StrCat("probe-", random.Below(static_cast<uint64_t>(options_.objects)));
  const std::string wanted = absl::StrCat(random.Next());
  const uint64_t die = random.Below(1000);
  const kube::Context context{stop_.get_token(), kube::Later(clock_->Now(), kRequestTimeout)};
  if (die < kDeletes + kReplacements) {
    absl::Status deleted = client_->Delete(context, collection, name, {});
    if (kube::IsNotFound(deleted)) deleted = absl::OkStatus();
    if (!deleted.ok() || die < kDeletes) return deleted;
  } else {
    const absl::Status patched = client_
                                     ->Patch(context, collection, name,
                                             {{"metadata", {{"annotations", {{kWanted, wanted}}}}}},
                                             {.field_manager = "somebody"})
                                     .status();
    if (!kube::IsNotFound(patched)) return patched;
  }
  return Create(collection, name, wanted);
}

absl::Status Load::Create(const kube::Collection& collection, const std::string& name,
                          const std::string& wanted) const {
  const kube::Context context{stop_.get_token(), kube::Later(clock_->Now(), kRequestTimeout)};
  const absl::Status created =
      client_->Create(context, collection, Make(collection, name, wanted), {"somebody"}).status();
  return kube::IsAlreadyExists(created) ? absl::OkStatus() : created;
}

void Load::Note(const absl::Status& status) {
  counts_->Add(status.ok() ? "write ok" : "write failed");
}

}  // namespace fractos::kube_probe
