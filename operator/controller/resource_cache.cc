#include "operator/controller/resource_cache.h"

#include <thread>
#include <utility>

namespace fractos::ctrl {

ResourceCache::ResourceCache(kube::ListerWatcher* client, kube::WaitableClock* clock, Random* seeds,
                             const EventLog* log, Options options)
    : options_(std::move(options)) {
  std::vector<std::string> namespaces = options_.namespaces;
  if (namespaces.empty()) namespaces.push_back("");
  for (const std::string& ns : namespaces) {
    const kube::Collection collection{options_.resource, ns};
    kube::Informer::Options informer;
    informer.reflector.collection = collection;
    informer.reflector.label_selector = options_.label_selector;
    informer.transform = kube::StripManagedFields;
    informer.reflector.on_error = [log, name = collection.ToString()](const absl::Status& why) {
      if (log == nullptr) return;
      log->Write(EventLog::Level::kWarning, "cannot list or watch",
                 {{"resource", name}, {"error", std::string(why.message())}});
    };
    Part part;
    part.random = std::make_unique<SeededRandom>(seeds->Next());
    part.informer =
        std::make_unique<kube::Informer>(client, clock, part.random.get(), std::move(informer));
    parts_.push_back(std::move(part));
  }
}

void ResourceCache::AddIndex(absl::string_view name, const kube::IndexFunc& function) {
  for (const Part& part : parts_) part.informer->store().AddIndex(name, function);
}

void ResourceCache::AddHandler(kube::ResourceEventHandler* handler) {
  for (const Part& part : parts_) part.informer->AddHandler(handler);
}

kube::ObjectPtr ResourceCache::Get(const kube::ObjectKey& key) const {
  for (const Part& part : parts_) {
    kube::ObjectPtr object = part.informer->store().Get(key.ToString());
    if (object != nullptr) return object;
  }
  return nullptr;
}

std::vector<kube::ObjectPtr> ResourceCache::List() const {
  std::vector<kube::ObjectPtr> all;
  for (const Part& part : parts_) {
    for (kube::ObjectPtr& object : part.informer->store().List()) all.push_back(std::move(object));
  }
  return all;
}

std::vector<kube::ObjectPtr> ResourceCache::ByIndex(absl::string_view index,
                                                    absl::string_view value) const {
  std::vector<kube::ObjectPtr> all;
  for (const Part& part : parts_) {
    for (kube::ObjectPtr& object : part.informer->store().ByIndex(index, value)) {
      all.push_back(std::move(object));
    }
  }
  return all;
}

bool ResourceCache::HasSynced() const {
  for (const Part& part : parts_) {
    if (!part.informer->HasSynced()) return false;
  }
  return true;
}

absl::Status ResourceCache::AwaitSync(const kube::Context& context) const {
  for (const Part& part : parts_) {
    if (absl::Status status = part.informer->AwaitSync(context); !status.ok()) return status;
  }
  return absl::OkStatus();
}

void ResourceCache::Run(const std::stop_token& stop) {
  std::vector<std::thread> threads;
  for (const Part& part : parts_) {
    threads.emplace_back([&stop, informer = part.informer.get()] { informer->Run(stop); });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace fractos::ctrl
