#include "tests/kube/followed.h"

#include <chrono>
#include <cstdio>
#include <map>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "lib/kube/errors.h"

namespace fractos::kube_probe {
namespace {

constexpr Duration kRequestTimeout = std::chrono::seconds(10);

std::string Version(const kube::ObjectPtr& object) {
  return object == nullptr ? "nothing"
                           : absl::StrCat(object->uid(), "@", object->resource_version());
}

// The first difference; empty when there is none.
std::string Difference(const std::map<std::string, kube::ObjectPtr>& listed,
                       const std::map<std::string, kube::ObjectPtr>& held) {
  for (const auto& [key, object] : listed) {
    const auto found = held.find(key);
    const kube::ObjectPtr other = found == held.end() ? nullptr : found->second;
    if (other == nullptr || !(*other == *object)) {
      return absl::StrCat(key, " is ", Version(object), " there and ", Version(other), " here");
    }
  }
  for (const auto& [key, object] : held) {
    if (!listed.contains(key)) return absl::StrCat(key, " is here alone, as ", Version(object));
  }
  return "";
}

}  // namespace

Followed::Followed(kube::Client* client, kube::WaitableClock* clock, Counts* counts, uint64_t seed,
                   kube::Collection collection)
    : client_(client),
      clock_(clock),
      counts_(counts),
      collection_(std::move(collection)),
      random_(seed),
      lister_watcher_(client, counts),
      queue_({.clock = clock, .rate_limiter = nullptr}),
      mirror_([this](const std::string& key) { queue_.Add(key); }),
      informer_(&lister_watcher_, clock, &random_, InformerOptions()) {
  informer_.AddHandler(&mirror_);
  following_ = std::thread([this] { informer_.Run(stop_.get_token()); });
  working_ = std::thread([this] { Work(); });
}

Followed::~Followed() {
  stop_.request_stop();
  following_.join();
  queue_.ShutDown();
  working_.join();
}

kube::Informer::Options Followed::InformerOptions() const {
  kube::Informer::Options options;
  options.reflector.collection = collection_;
  options.reflector.on_error = [this](const absl::Status& error) {
    counts_->Add("reflector error");
    std::fprintf(stderr, "%s\n", std::string(error.message()).c_str());
  };
  options.transform = kube::StripManagedFields;
  return options;
}

void Followed::Work() {
  while (const std::optional<std::string> key = queue_.Get()) {
    const absl::Status done = stop_.stop_requested() ? absl::OkStatus() : Reconcile(*key);
    // What is gone, the informer says soon.
    if (done.ok() || kube::IsNotFound(done)) {
      queue_.Forget(*key);
    } else {
      counts_->Add(kube::IsConflict(done) ? "reconcile conflict" : "reconcile error");
      queue_.AddRateLimited(*key);
    }
    queue_.Done(*key);
  }
}

absl::Status Followed::Reconcile(const std::string& key) {
  const kube::ObjectPtr object = informer_.store().Get(key);
  if (object == nullptr) return absl::OkStatus();
  const std::string& wanted = object->annotation(kWanted);
  if (object->annotation(kSeen) == wanted) return absl::OkStatus();
  kube::Object changed = *object;
  changed.SetAnnotation(kSeen, wanted);
  const kube::Context context{stop_.get_token(), kube::Later(clock_->Now(), kRequestTimeout)};
  return client_->Update(context, collection_, changed, {.field_manager = "kube-probe"}).status();
}

absl::StatusOr<size_t> Followed::Compare(const kube::Context& context) const {
  size_t count = 0;
  const std::vector<std::string> contradictions = mirror_.contradictions(&count);
  if (count > 0) {
    return absl::FailedPreconditionError(absl::StrCat(
        "handlers were told ", count, " contradictions: ", absl::StrJoin(contradictions, "; ")));
  }
  absl::StatusOr<kube::Pager::Result> result =
      kube::Pager(client_).List(context, collection_, /*options=*/{});
  if (!result.ok()) return result.status();
  std::map<std::string, kube::ObjectPtr> listed;
  for (kube::Object& object : result->list.items) {
    kube::StripManagedFields(&object);
    if (object.annotation(kSeen) != object.annotation(kWanted)) {
      return absl::AbortedError(absl::StrCat(object.key().ToString(), " is not done"));
    }
    std::string key = object.key().ToString();
    listed[std::move(key)] = std::make_shared<const kube::Object>(std::move(object));
  }
  std::map<std::string, kube::ObjectPtr> stored;
  for (const kube::ObjectPtr& object : informer_.store().List()) {
    stored[object->key().ToString()] = object;
  }
  std::string difference = Difference(listed, stored);
  if (!difference.empty()) return absl::AbortedError(absl::StrCat("store: ", difference));
  difference = Difference(listed, mirror_.objects());
  if (!difference.empty()) return absl::AbortedError(absl::StrCat("handlers: ", difference));
  return listed.size();
}

}  // namespace fractos::kube_probe
