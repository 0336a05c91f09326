// Runs of a real driver whose records are TaskGraphs, over real Links, with daemons that a test
// plays.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "lib/api/conditions.h"
#include "lib/api/names.h"
#include "lib/link/link_table.h"
#include "operator/controller/controller.h"
#include "operator/reconcilers/task_graph_reconciler.h"
#include "tests/unit/lib/plan/shipped.h"
#include "tests/unit/lib/protocol/builders.h"
#include "tests/unit/operator/world.h"

namespace fractos {
namespace {

using kube::Json;

// A daemon that leads its cluster and does what it is handed at once, and as much of what follows
// as may be done without the driver.
class Daemon final : public LinkObserver {
 public:
  Daemon(const std::string& cluster, const std::string& endpoint, const std::string& description)
      : self_(Replica(cluster)), links_(&loop_, {self_, 1, description, ""}, this, {}) {
    const absl::Status status = links_.Listen(endpoint);
    EXPECT_TRUE(status.ok()) << status;
    thread_ = std::thread([this] { loop_.Run(); });
  }
  ~Daemon() override {
    loop_.Stop();
    thread_.join();
  }

  void OnPeer(const PeerInfo&) override {}
  void OnPeerLost(const Address&) override {}
  void OnMessages(const Incarnation& from, std::vector<Message> messages) override {
    for (const Message& message : messages) {
      if (const auto* const hand_over = std::get_if<HandOver>(&message)) Do(from, *hand_over);
      if (const auto* const query = std::get_if<Query>(&message)) {
        links_.Send(from.address, Holding{query->run, query->redrive, {}, {}, {}, {}});
      }
      if (std::holds_alternative<End>(message) && !ended.HasBeenNotified()) ended.Notify();
    }
  }

  absl::Notification ended;
  absl::Notification handed_over;
  std::atomic<bool> silent{false};  // accepts, and does nothing

 private:
  void Do(const Incarnation& from, const HandOver& hand_over) {
    if (!handed_over.HasBeenNotified()) handed_over.Notify();
    links_.Send(from.address, Accepted{hand_over.key(), hand_over.redrive});
    if (silent) return;
    Report report;
    report.run = hand_over.continuation->run;
    report.redrive = hand_over.redrive;
    std::map<StepPath, ResultPtr> done;
    if (hand_over.result != nullptr) done[hand_over.edge] = hand_over.result;
    for (const StepPtr& step : hand_over.continuation->steps) {
      if (step->waits_for_record && step != hand_over.continuation->steps.front()) break;
      std::vector<ResultPtr> inputs;
      for (const StepPath& path : step->Predecessors()) inputs.push_back(done.at(path));
      done[step->path] =
          NewResult(report.run, *step, inputs, InlineValue("value of " + step->path, self_));
      report.results.push_back(done[step->path]);
    }
    links_.Send(from.address, report);
  }

  const Incarnation self_;
  EventLoop loop_;
  LinkTable links_;
  std::thread thread_;
};

class DriverLinks final : public ClusterLinks {
 public:
  void Learn(const ClusterView& view) override { driver->Learn({view}); }
  void Unlearn(const std::string& cluster) override { driver->Unlearn(cluster); }
  Driver* driver = nullptr;
};

// One operator process, from its driver to its reconciler.
class Operator {
 public:
  Operator(World* world, kube::SystemWaitableClock* clock) : world_(world) {
    TaskGraphRecordStore::Options store_options;
    store_options.client = &world->client;
    store_options.clock = clock;
    store_options.random = &random_;
    store_options.stop = stop_.get_token();
    store_.emplace(store_options);
    Driver::Options options;
    options.name = "fractos-operator";
    options.record_writers = 2;
    options.on_peer = [this](const PeerInfo& peer) { directory_.OnPeer(peer); };
    options.on_peer_lost = [this](const Address& peer) { directory_.OnPeerLost(peer); };
    driver_ = Driver::Create(&loop_, options, &*store_, clock, &random_).value();
    links_.driver = driver_.get();
    linked_.emplace(driver_.get());
    TaskGraphReconciler::Options reconciler;
    reconciler.client = &world->client;
    reconciler.clock = clock;
    reconciler.directory = &directory_;
    reconciler.driver = &*linked_;
    reconciler.store = &*store_;
    reconciler_.emplace(reconciler, world->manager.get());
    directory_.Subscribe([this](const std::string& c) {
      reconciler_->OnDeviceChanged(c);
      for (const char* cluster : {"default/storage", "default/cnn"}) {
        const std::optional<DeviceState> state = directory_.Find(cluster);
        if (!state.has_value() || !state->description.has_value()) return;
      }
      if (!described_.exchange(true)) described.Notify();
    });
    ctrl::Controller::Options controller;
    controller.name = "taskgraph";
    controller.clock = clock;
    controller_.emplace(std::move(controller), &*reconciler_);
    reconciler_->Watch(&controller_->queue());
  }
  ~Operator() {
    world_->Stop();
    Stop();
  }

  void Start(const std::vector<ClusterView>& clusters) {
    loop_thread_ = std::thread([this] { loop_.Run(); });
    for (const ClusterView& view : clusters) directory_.Publish(view);
    controller_thread_ =
        std::thread([this] { EXPECT_TRUE(controller_->Run(stop_.get_token()).ok()); });
  }
  absl::Notification described;  // every device has said what it is

  // As a process that dies: nobody is told anything.
  void Stop() {
    if (!loop_thread_.joinable()) return;
    stop_.request_stop();
    controller_thread_.join();
    loop_.Stop();
    loop_thread_.join();
  }

 private:
  World* const world_;
  SystemRandom random_;
  EventLoop loop_;
  std::stop_source stop_;
  DriverLinks links_;
  DeviceDirectory directory_{&links_};
  std::optional<TaskGraphRecordStore> store_;
  std::unique_ptr<Driver> driver_;
  std::optional<LinkedDriver> linked_;
  std::optional<TaskGraphReconciler> reconciler_;
  std::optional<ctrl::Controller> controller_;
  std::thread loop_thread_, controller_thread_;
  std::atomic<bool> described_{false};
};

std::string Operations(const std::string& adaptor) {
  return ReadFileOrDie(absl::StrCat(FRACTOS_SOURCE_DIR, "/adaptors/", adaptor, "/operations.json"));
}

class TaskGraphRunTest : public ::testing::Test {
 protected:
  TaskGraphRunTest() : folder_("/tmp/fractos-run-XXXXXX") {
    EXPECT_NE(::mkdtemp(folder_.data()), nullptr);
    storage_.emplace("default/storage", Endpoint("storage"), Operations("storage"));
    cnn_.emplace("default/cnn", Endpoint("cnn"), Operations("cnn"));
  }
  ~TaskGraphRunTest() override {
    storage_.reset();
    cnn_.reset();
    std::filesystem::remove_all(folder_);
  }
  std::string Endpoint(const std::string& name) {
    return absl::StrCat("unix:", folder_, "/", name);
  }
  std::vector<ClusterView> Clusters() {
    return {{"default/storage", {Endpoint("storage")}, 0, 0},
            {"default/cnn", {Endpoint("cnn")}, 0, 0}};
  }
  void PutClusters() {
    for (const char* name : {"storage", "cnn"}) {
      world_.Put(kDeviceClusters,
                 kube::Object("fractos.dev/v1alpha1", "DeviceCluster", "default", name));
    }
  }
  void PutClassify() {
    kube::Object graph("fractos.dev/v1alpha1", "TaskGraph", "default", "classify");
    graph.mutable_spec() = Json::parse(R"({"steps": [
      {"name": "read", "device": "storage", "operation": "get", "arguments": {"key": "cat.png"}},
      {"name": "classify", "device": "cnn", "operation": "classify", "inputs": {"image": "read"}},
      {"name": "write", "device": "storage", "operation": "put", "arguments": {"key": "cat.class"},
       "inputs": {"data": "classify"}}]})");
    world_.server.Put({kTaskGraphs, "default"}, graph);
  }
  std::optional<kube::Object> AwaitFinished() {
    return world_.server.Await(
        {kTaskGraphs, "default"}, "classify",
        [](const kube::Object& object) { return IsTrue(object.status(), "Finished"); });
  }

  std::string folder_;
  kube::SystemWaitableClock clock_;
  World world_{&clock_};
  std::optional<Daemon> storage_, cnn_;
};

// promise: O-39
TEST_F(TaskGraphRunTest, ClassifyingTakesThreeWrites) {
  Operator one(&world_, &clock_);
  world_.Start({kTaskGraphs, kDeviceClusters});
  PutClusters();
  one.Start(Clusters());
  // Else the run would wait for a device, and that would be said in the status, too.
  ASSERT_TRUE(one.described.WaitForNotificationWithTimeout(absl::Seconds(10)));
  PutClassify();
  const std::optional<kube::Object> finished = AwaitFinished();
  ASSERT_TRUE(finished.has_value());
  EXPECT_TRUE(IsTrue(finished->status(), "Succeeded")) << finished->status().dump(1);
  EXPECT_EQ(finished->status()["ready"], "3/3");
  EXPECT_EQ(finished->status()["outputs"][0]["text"], "value of write");
  EXPECT_TRUE(storage_->ended.WaitForNotificationWithTimeout(absl::Seconds(10)));
  // The beginning, the one barrier in front of the write, the end; an event makes it four.
  EXPECT_EQ(world_.client.count("update-status"), 3u);
}

// promise: O-34
TEST_F(TaskGraphRunTest, AnotherOperatorFinishesWhatOneBegan) {
  storage_->silent = true;
  std::optional<Operator> first(std::in_place, &world_, &clock_);
  Operator second(&world_, &clock_);
  world_.Start({kTaskGraphs, kDeviceClusters});
  PutClusters();
  first->Start(Clusters());
  PutClassify();
  ASSERT_TRUE(storage_->handed_over.WaitForNotificationWithTimeout(absl::Seconds(10)));
  first->Stop();
  // The daemon that had the work dies as well: only the record is left.
  storage_.reset();
  storage_.emplace("default/storage", Endpoint("storage"), Operations("storage"));
  second.Start(Clusters());
  const std::optional<kube::Object> finished = AwaitFinished();
  ASSERT_TRUE(finished.has_value());
  EXPECT_TRUE(IsTrue(finished->status(), "Succeeded")) << finished->status().dump(1);
  EXPECT_GE(finished->status()["redriveEpoch"], 2) << "raised before anything was sent again";
}

}  // namespace
}  // namespace fractos
