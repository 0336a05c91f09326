#include "tests/kube/counts.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/kube/errors.h"

namespace fractos::kube_probe {
namespace {

class CountingWatcher final : public kube::Watcher {
 public:
  CountingWatcher(std::unique_ptr<kube::Watcher> watcher, Counts* counts)
      : watcher_(std::move(watcher)), counts_(counts) {}

  absl::StatusOr<std::optional<kube::WatchEvent>> Next(const kube::Context& context) override {
    auto event = watcher_->Next(context);
    if (event.ok() && event->has_value() && kube::IsExpired((*event)->status)) counts_->Add("410");
    return event;
  }
  void Stop() override { watcher_->Stop(); }

 private:
  const std::unique_ptr<kube::Watcher> watcher_;
  Counts* const counts_;
};

}  // namespace

void Counts::Add(absl::string_view what) {
  absl::MutexLock lock(&mutex_);
  ++counts_[std::string(what)];
}

kube::Json Counts::ToJson() const {
  absl::MutexLock lock(&mutex_);
  return counts_;
}

void Counts::OnRequest(absl::string_view code, absl::string_view, absl::string_view) {
  Add(absl::StrCat("http ", code));
}

absl::StatusOr<kube::ObjectList> CountingListerWatcher::List(const kube::Context& context,
                                                             const kube::Collection& collection,
                                                             const kube::ListOptions& options) {
  auto list = client_->List(context, collection, options);
  if (list.ok()) counts_->Add("list");
  if (kube::IsExpired(list.status())) counts_->Add("410");
  return list;
}

absl::StatusOr<std::unique_ptr<kube::Watcher>> CountingListerWatcher::Watch(
    const kube::Context& context, const kube::Collection& collection,
    const kube::WatchOptions& options) {
  auto watcher = client_->Watch(context, collection, options);
  if (kube::IsExpired(watcher.status())) counts_->Add("410");
  if (!watcher.ok()) return watcher;
  counts_->Add(options.send_initial_events.value_or(false) ? "watch list" : "watch");
  return std::make_unique<CountingWatcher>(*std::move(watcher), counts_);
}

}  // namespace fractos::kube_probe
