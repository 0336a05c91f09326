// A manager over an API server in memory, for tests of reconcilers: what is put into the server is
// in the caches when Put returns, so that a reconcile sees it.
#ifndef FRACTOS_TESTS_UNIT_OPERATOR_WORLD_H_
#define FRACTOS_TESTS_UNIT_OPERATOR_WORLD_H_

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "gtest/gtest.h"
#include "lib/api/names.h"
#include "lib/kube/waitable_clock.h"
#include "operator/controller/manager.h"
#include "tests/unit/lib/kube/fake_client.h"
#include "tests/unit/lib/kube/fake_time.h"

namespace fractos {

// What a cache has told of, by key.
class CacheTracker final : public kube::ResourceEventHandler {
 public:
  void OnAdd(const kube::ObjectPtr& object, bool) override { Set(object->key(), object); }
  void OnUpdate(const kube::ObjectPtr&, const kube::ObjectPtr& after) override {
    Set(after->key(), after);
  }
  void OnDelete(const kube::ObjectPtr& last, bool) override { Set(last->key(), nullptr); }

  // Blocks until the object (null: none) is as `holds` wants it.
  bool Await(const kube::ObjectKey& key, const std::function<bool(const kube::ObjectPtr&)>& holds) {
    const absl::MutexLock lock(&mutex_);
    const auto there = [&]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
      const auto found = objects_.find(key);
      return holds(found == objects_.end() ? nullptr : found->second);
    };
    return mutex_.AwaitWithTimeout(absl::Condition(&there), kube::kPatience);
  }

 private:
  void Set(const kube::ObjectKey& key, kube::ObjectPtr object) {
    const absl::MutexLock lock(&mutex_);
    objects_[key] = std::move(object);
  }

  absl::Mutex mutex_;
  std::map<kube::ObjectKey, kube::ObjectPtr> objects_ ABSL_GUARDED_BY(mutex_);
};

// What the next `times` calls (less than 0: all) of `verb` on `resource` are answered.
inline kube::Fault Failing(const std::string& verb, const std::string& resource, absl::Status error,
                           int times = 1) {
  kube::Fault fault;
  fault.verb = verb;
  fault.resource = resource;
  fault.times = times;
  fault.error = std::move(error);
  return fault;
}

class World {
 public:
  World() : World(nullptr) {}
  // On another clock than the fake one.
  explicit World(kube::WaitableClock* clock)
      : server(clock == nullptr ? &time : clock), client(&server) {
    ctrl::Manager::Options options;
    options.client = &client;
    options.clock = clock == nullptr ? &time : clock;
    options.random = &random_;
    manager = ctrl::Manager::Create(std::move(options)).value();
  }
  ~World() { Stop(); }
  // Nobody is told anything after it: to be called before what watches the caches goes.
  void Stop() {
    stop_.request_stop();
    if (thread_.joinable()) thread_.join();
  }

  // The caches that are asked for by then run, and are filled when it returns.
  void Start(const std::vector<kube::GroupVersionResource>& tracked) {
    for (const kube::GroupVersionResource& resource : tracked) {
      // By the selector that the reconcilers have.
      const bool is_ours = resource == kTaskGraphs || resource == kDeviceClusters;
      manager->GetCache(resource, is_ours ? "" : kManagedSelector)
          ->AddHandler(&trackers_[resource]);
    }
    manager->Add(&started_);
    thread_ = std::thread([this] {
      const absl::Status ended = manager->Run(stop_.get_token());
      EXPECT_TRUE(ended.ok()) << ended;
    });
    started_.notification.WaitForNotification();
  }

  kube::Object Put(const kube::GroupVersionResource& resource, const kube::Object& object) {
    kube::Object stored = server.Put({resource, object.ns()}, object);
    EXPECT_TRUE(trackers_[resource].Await(object.key(), [&stored](const kube::ObjectPtr& cached) {
      return cached != nullptr && cached->resource_version() == stored.resource_version();
    }));
    return stored;
  }
  void Remove(const kube::GroupVersionResource& resource, const kube::ObjectKey& key) {
    EXPECT_TRUE(server.Remove({resource, key.ns}, key.name));
    EXPECT_TRUE(trackers_[resource].Await(
        key, [](const kube::ObjectPtr& cached) { return cached == nullptr; }));
  }
  // Until the cache has what the server has.
  void CatchUp(const kube::GroupVersionResource& resource, const kube::ObjectKey& key) {
    const std::optional<kube::Object> stored = server.Find({resource, key.ns}, key.name);
    EXPECT_TRUE(trackers_[resource].Await(key, [&stored](const kube::ObjectPtr& cached) {
      if (!stored.has_value()) return cached == nullptr;
      return cached != nullptr && cached->resource_version() == stored->resource_version();
    }));
  }

  kube::FakeTime time;
  kube::FakeApiServer server;
  kube::FakeClient client;
  std::unique_ptr<ctrl::Manager> manager;

 private:
  struct Started final : public ctrl::Runnable {
    const std::string& name() const override { return name_; }
    absl::Status Run(const std::stop_token& stop) override {
      notification.Notify();
      absl::Notification stopped;
      const std::stop_callback wake(stop, [&stopped] { stopped.Notify(); });
      stopped.WaitForNotification();
      return absl::OkStatus();
    }
    absl::Notification notification;
    const std::string name_ = "started";
  };

  SeededRandom random_{1};
  std::map<kube::GroupVersionResource, CacheTracker> trackers_;
  Started started_;
  std::stop_source stop_;
  std::thread thread_;
};

}  // namespace fractos

#endif  // FRACTOS_TESTS_UNIT_OPERATOR_WORLD_H_
