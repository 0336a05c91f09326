#include "operator/reconcilers/task_graph_reconciler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lib/api/conditions.h"
#include "lib/api/names.h"
#include "lib/kube/errors.h"
#include "tests/unit/lib/protocol/builders.h"
#include "tests/unit/operator/reconcilers/fake_run_driver.h"
#include "tests/unit/operator/world.h"

namespace fractos {
namespace {

using kube::Json;
using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class NoLinks final : public ClusterLinks {
 public:
  void Learn(const ClusterView&) override {}
  void Unlearn(const std::string&) override {}
};

constexpr char kEcho[] = R"({"device":"echo","operations":[{"name":"say","deterministic":true}]})";

// One operator process.
struct Operator {
  explicit Operator(World* world) {
    TaskGraphRecordStore::Options store_options;
    store_options.client = &world->client;
    store_options.clock = &world->time;
    store_options.random = &random;
    store.emplace(store_options);
    driver.emplace(&*store);
    TaskGraphReconciler::Options options;
    options.client = &world->client;
    options.clock = &world->time;
    options.directory = &directory;
    options.driver = &*driver;
    options.store = &*store;
    reconciler.emplace(options, world->manager.get());
    directory.Subscribe([this](const std::string& c) { reconciler->OnDeviceChanged(c); });
  }
  void LearnEcho() {
    directory.Publish({"ns/echo", {"echo-0.echo.ns.svc:7447"}, 0, 0});
    directory.OnPeer({{{"ns/echo", 0}, BootId()}, 1, kEcho, ""});
  }

  SeededRandom random{1};
  NoLinks links;
  DeviceDirectory directory{&links};
  std::optional<TaskGraphRecordStore> store;
  std::optional<FakeRunDriver> driver;
  std::optional<TaskGraphReconciler> reconciler;
};

class TaskGraphReconcilerTest : public ::testing::Test {
 protected:
  TaskGraphReconcilerTest() {
    first_.reconciler->Watch(&queue_);
    next_.reconciler->Watch(&other_queue_);
    world_.Start({kTaskGraphs, kDeviceClusters});
    current_ = &first_;
  }
  ~TaskGraphReconcilerTest() override { world_.Stop(); }

  void PutEcho() {
    world_.Put(kDeviceClusters,
               kube::Object("fractos.dev/v1alpha1", "DeviceCluster", "ns", "echo"));
  }
  kube::Object PutGraph(Json more = Json::object(), const std::string& name = "run") {
    kube::Object graph("fractos.dev/v1alpha1", "TaskGraph", "ns", name);
    graph.mutable_spec()["steps"] =
        Json::array({{{"name", "one"}, {"device", "echo"}, {"operation", "say"}}});
    graph.mutable_spec().update(more);
    return world_.Put(kTaskGraphs, graph);
  }
  absl::StatusOr<ctrl::Result> Reconcile(const std::string& name = "run") {
    absl::StatusOr<ctrl::Result> result = current_->reconciler->Reconcile({{"ns", name}}, {});
    world_.CatchUp(kTaskGraphs, {"ns", name});
    return result;
  }
  Duration ReconcileOk(const std::string& name = "run") {
    const absl::StatusOr<ctrl::Result> result = Reconcile(name);
    EXPECT_TRUE(result.ok()) << result.status();
    return result.ok() ? result->requeue_after : Duration(-1);
  }
  // A run that is under way.
  RunId StartRun(Json more = Json::object()) {
    PutEcho();
    current_->LearnEcho();
    const kube::Object graph = PutGraph(std::move(more));
    ReconcileOk();
    return RunIdOf(graph.uid());
  }
  int64_t NowUs() const {
    return std::chrono::duration_cast<std::chrono::microseconds>(
               world_.time.WallNow().time_since_epoch())
        .count();
  }
  std::optional<kube::Object> Stored(const std::string& name = "run") {
    return world_.server.Find({kTaskGraphs, "ns"}, name);
  }
  std::string Condition(const std::string& type) {
    const kube::Object graph = *Stored();
    const Json& found = FindCondition(graph.status(), type);
    return kube::StringMember(found, "status") + " " + kube::StringMember(found, "reason");
  }
  std::string Message(const std::string& type) {
    const kube::Object graph = *Stored();
    return kube::StringMember(FindCondition(graph.status(), type), "message");
  }

  World world_;
  kube::WorkQueue queue_{{&world_.time, nullptr, nullptr}};
  kube::WorkQueue other_queue_{{&world_.time, nullptr, nullptr}};
  Operator first_{&world_};
  Operator next_{&world_};
  Operator* current_ = nullptr;
};

// promise: O-33
TEST_F(TaskGraphReconcilerTest, AGraphThatCanBeRunIsDrivenAndSaysSo) {
  const RunId run = StartRun();
  ASSERT_THAT(first_.driver->started, SizeIs(1));
  EXPECT_EQ(first_.driver->runs.at(run).plan.steps.size(), 1u);
  EXPECT_EQ(Condition("Accepted"), "True Accepted");
  EXPECT_EQ(Condition("Succeeded"), "Unknown Running");
  EXPECT_EQ(world_.client.count("update-status"), 1u) << "accepted and started in one write";
  ReconcileOk();
  EXPECT_THAT(first_.driver->started, SizeIs(1));

  first_.driver->End(run, RunPhase::kSucceeded);
  world_.CatchUp(kTaskGraphs, {"ns", "run"});
  ReconcileOk();
  EXPECT_EQ(Condition("Succeeded"), "True Succeeded");
  EXPECT_EQ(Condition("Finished"), "True Succeeded");
  EXPECT_THAT(first_.driver->runs, IsEmpty()) << "nothing is kept of a run that is over";
  ReconcileOk();
  ReconcileOk();
  EXPECT_THAT(first_.driver->started, SizeIs(1)) << "and it is not run again";
  EXPECT_EQ(world_.client.count("update-status"), 2u);
}

// promise: S-02
TEST_F(TaskGraphReconcilerTest, ARunIsInTheTraceThatItsObjectNames) {
  PutEcho();
  first_.LearnEcho();
  kube::Object graph = PutGraph();
  graph.SetAnnotation("fractos.dev/traceparent", "of who asked");
  world_.Put(kTaskGraphs, graph);
  ReconcileOk();
  EXPECT_EQ(first_.driver->runs.at(RunIdOf(graph.uid())).plan.traceparent, "of who asked");
}

// promise: O-33
TEST_F(TaskGraphReconcilerTest, ARunThatEndedIsNotRunAgainWhileTheCacheIsBehind) {
  const RunId run = StartRun();
  first_.driver->End(run, RunPhase::kSucceeded);
  // The cache may or may not have heard of the end: both times it is over.
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(first_.reconciler->Reconcile({{"ns", "run"}}, {}).ok());
  }
  EXPECT_THAT(first_.driver->started, SizeIs(1));
}

// promise: O-30
TEST_F(TaskGraphReconcilerTest, AGraphThatCannotBeRunNamesTheField) {
  PutEcho();
  first_.LearnEcho();
  PutGraph({{"steps", Json::array({{{"name", "one"}, {"device", "echo"}, {"operation", "sai"}}})}});
  ReconcileOk();
  EXPECT_EQ(Condition("Accepted"), "False InvalidGraph");
  EXPECT_THAT(Message("Accepted"), HasSubstr("spec.steps[0].operation: "));
  EXPECT_THAT(Message("Accepted"), HasSubstr("did you mean \"say\"?"));
  EXPECT_EQ(Condition("Succeeded"), "False InvalidGraph");
  EXPECT_EQ(Condition("Finished"), "True Failed");
  EXPECT_EQ(Stored()->status()["phase"], "Failed");
  EXPECT_THAT(first_.driver->started, IsEmpty()) << "nothing runs";
}

// promise: O-31
TEST_F(TaskGraphReconcilerTest, ADeviceThatIsNotThereIsWaitedFor) {
  PutGraph({{"deadline", "10s"}});
  EXPECT_GT(ReconcileOk(), seconds(9));
  EXPECT_EQ(Condition("Accepted"), "Unknown WaitingForDevice");
  EXPECT_THAT(Message("Accepted"), HasSubstr("spec.steps[0].device: there is no device \"echo\""));
  EXPECT_EQ(Condition("Finished"), "False Pending");
  ReconcileOk();
  EXPECT_EQ(world_.client.count("update-status"), 1u) << "said once";

  PutEcho();
  ReconcileOk();
  EXPECT_THAT(Message("Accepted"), HasSubstr("has not described itself yet"));
  while (queue_.Len() > 0) queue_.Done(*queue_.Get());
  first_.LearnEcho();
  EXPECT_GE(queue_.Len(), 1u) << "whoever waits is told";
  ReconcileOk();
  EXPECT_EQ(Condition("Accepted"), "True Accepted");
  EXPECT_THAT(first_.driver->started, SizeIs(1));
}

// promise: O-31
TEST_F(TaskGraphReconcilerTest, ADeviceIsWaitedForUntilTheDeadline) {
  PutGraph({{"deadline", "10s"}});
  const Duration wait = ReconcileOk();
  world_.time.Advance(wait);
  ReconcileOk();
  EXPECT_EQ(Condition("Accepted"), "False UnknownDevice");
  EXPECT_EQ(Condition("Finished"), "True Failed");
  EXPECT_THAT(Message("Accepted"), HasSubstr("spec.steps[0].device"));
}

TEST_F(TaskGraphReconcilerTest, WhatAnOperatorHasNotLookedAtYetIsNotComplainedOf) {
  kube::Object cluster("fractos.dev/v1alpha1", "DeviceCluster", "ns", "echo");
  cluster.mutable_status()["operations"] = Json::array({{{"name", "say"}}});
  world_.Put(kDeviceClusters, cluster);
  PutGraph();
  ReconcileOk();
  EXPECT_EQ(world_.client.count("update-status"), 0u);
  first_.directory.Publish({"ns/echo", {"e"}, 0, 0});
  ReconcileOk();
  EXPECT_EQ(Condition("Accepted"), "True Accepted")
      << "what the device said to an earlier operator will do";
}

// promise: O-34
TEST_F(TaskGraphReconcilerTest, AnOperatorThatTakesOverGoesOnFromTheRecord) {
  const RunId run = StartRun();
  first_.driver->runs.at(run).record.redrive = 3;
  first_.driver->Write(run);
  world_.CatchUp(kTaskGraphs, {"ns", "run"});
  current_ = &next_;
  next_.LearnEcho();
  ReconcileOk();
  ASSERT_THAT(next_.driver->started, SizeIs(1));
  EXPECT_EQ(next_.driver->started[0], run);
  EXPECT_EQ(next_.driver->runs.at(run).record.redrive, 3u);
  EXPECT_EQ(next_.driver->runs.at(run).record.phase, RunPhase::kRunning);
  next_.driver->End(run, RunPhase::kSucceeded);

  // The one that was replaced finds out by its next write, and writes nothing.
  first_.driver->End(run, RunPhase::kFailed, {"DeadlineExceeded", "late"});
  EXPECT_TRUE(absl::IsAborted(first_.driver->runs.at(run).lost));
  EXPECT_EQ(Stored()->status()["phase"], "Succeeded");
  current_ = &first_;
  EXPECT_FALSE(Reconcile().ok());
  EXPECT_THAT(first_.driver->runs, IsEmpty());
  ReconcileOk();
  EXPECT_THAT(first_.driver->started, SizeIs(1));
}

// promise: O-34
TEST_F(TaskGraphReconcilerTest, ARunLetGoOfInDoubtIsTakenUpAgain) {
  const RunId run = StartRun();
  first_.driver->runs.at(run).lost = absl::CancelledError("this operator leads no more");
  EXPECT_EQ(ReconcileOk(), seconds(1)) << "nothing else may happen to the object";
  ReconcileOk();
  EXPECT_THAT(first_.driver->started, SizeIs(2));
}

// promise: O-34
TEST_F(TaskGraphReconcilerTest, ARunIsTakenOverThoughItsDeviceWouldTakeNoNewOne) {
  const RunId run = StartRun();
  first_.driver->runs.at(run).record.start_us = NowUs();
  first_.driver->Write(run);
  world_.CatchUp(kTaskGraphs, {"ns", "run"});
  kube::Object cluster = *world_.server.Find({kDeviceClusters, "ns"}, "echo");
  cluster.mutable_status()["conditions"] =
      Json::array({{{"type", "Accepted"}, {"status", "False"}, {"message", "spec.volume: wrong"}}});
  world_.Put(kDeviceClusters, cluster);
  current_ = &next_;
  ReconcileOk();
  EXPECT_THAT(next_.driver->started, IsEmpty()) << "nobody knows where it is";
  next_.LearnEcho();
  EXPECT_GE(other_queue_.Len(), 1u) << "whoever waits is told";
  ReconcileOk();
  ASSERT_THAT(next_.driver->started, SizeIs(1));
  EXPECT_EQ(next_.driver->started[0], run);

  PutGraph(Json::object(), "new");
  ReconcileOk("new");
  EXPECT_THAT(next_.driver->started, SizeIs(1));
}

// promise: O-51
TEST_F(TaskGraphReconcilerTest, ARunWhoseRecordIsRefusedIsTakenUpAgainLater) {
  const RunId run = StartRun();
  size_t started = 1;
  for (const absl::Status& refused :
       {kube::InvalidError("status: too long"), kube::ForbiddenError(kTaskGraphs, "update", "run"),
        kube::InternalError("webhook")}) {
    first_.driver->runs.at(run).lost = refused;
    EXPECT_EQ(ReconcileOk(), seconds(30));
    EXPECT_THAT(first_.driver->runs, IsEmpty());
    EXPECT_EQ(ReconcileOk(), Duration::zero());
    EXPECT_THAT(first_.driver->started, SizeIs(++started));
  }
}

// promise: O-34
TEST_F(TaskGraphReconcilerTest, TakingOverReadsTheRecordAnewAndNotFromTheCache) {
  StartRun();
  current_ = &next_;
  next_.LearnEcho();
  const size_t before = world_.client.count("get");
  ReconcileOk();
  EXPECT_EQ(world_.client.count("get"), before + 1);
}

TEST_F(TaskGraphReconcilerTest, ADamagedRecordEndsTheRun) {
  const RunId run = StartRun();
  static_cast<void>(run);
  kube::Object graph = *Stored();
  graph.mutable_status()["phase"] = "Dreaming";
  world_.Put(kTaskGraphs, graph);
  current_ = &next_;
  next_.LearnEcho();
  ReconcileOk();
  EXPECT_EQ(Condition("Succeeded"), "False RecordDamaged");
  EXPECT_EQ(Condition("Finished"), "True Failed");
}

// promise: O-35
TEST_F(TaskGraphReconcilerTest, CancelEndsARunWhetherItIsDrivenOrNot) {
  const RunId run = StartRun();
  kube::Object graph = *Stored();
  graph.mutable_spec()["cancel"] = true;
  world_.Put(kTaskGraphs, graph);
  ReconcileOk();
  EXPECT_TRUE(first_.driver->cancelled.contains(run));

  kube::Object waiting("fractos.dev/v1alpha1", "TaskGraph", "ns", "waiting");
  waiting.mutable_spec() = graph.spec();
  world_.Put(kTaskGraphs, waiting);
  ReconcileOk("waiting");
  const Json status = Stored("waiting")->status();
  EXPECT_EQ(status["phase"], "Cancelled");
  EXPECT_TRUE(IsTrue(status, "Finished"));
  EXPECT_THAT(first_.driver->started, SizeIs(1));
}

// Its device went, and then the operator that drove it: the next one cannot take it up.
// promise: O-35
TEST_F(TaskGraphReconcilerTest, CancelEndsARunThatNobodyCanDrive) {
  const RunId run = StartRun();
  first_.driver->Write(run);
  world_.Remove(kDeviceClusters, {"ns", "echo"});
  kube::Object graph = *Stored();
  graph.mutable_spec()["cancel"] = true;
  world_.Put(kTaskGraphs, graph);
  current_ = &next_;
  ReconcileOk();
  EXPECT_EQ(Condition("Finished"), "True Cancelled");
  EXPECT_EQ(Stored()->status()["phase"], "Cancelled");
  EXPECT_EQ(Stored()->status()["failure"]["reason"], "Cancelled");
  EXPECT_THAT(next_.driver->started, IsEmpty());
  EXPECT_TRUE(next_.reconciler->IsOver(run)) << "which its daemons are told when they speak of it";
}

// promise: O-36
TEST_F(TaskGraphReconcilerTest, TheDaemonsOfADeletedRunAreToldToForgetIt) {
  const RunId run = StartRun();
  EXPECT_THAT(Stored()->finalizers(), IsEmpty());
  world_.Remove(kTaskGraphs, {"ns", "run"});
  ReconcileOk();
  EXPECT_TRUE(first_.driver->abandoned.contains(run));
}

// promise: O-49
TEST_F(TaskGraphReconcilerTest, ARunThatIsStillToBeTakenOverIsNotOver) {
  const RunId run = StartRun();
  current_ = &next_;
  EXPECT_FALSE(next_.reconciler->IsOver(run)) << "its daemons may speak of it before it is begun";
  next_.LearnEcho();
  ReconcileOk();
  next_.driver->End(run, RunPhase::kSucceeded);
  world_.CatchUp(kTaskGraphs, {"ns", "run"});
  EXPECT_TRUE(next_.reconciler->IsOver(run));
}

// promise: O-36
TEST_F(TaskGraphReconcilerTest, ARunWithoutAnObjectIsOverOnceTheCacheMustKnow) {
  const RunId run = NamedId<RunId>("deleted while no operator was there");
  EXPECT_FALSE(first_.reconciler->IsOver(run));
  world_.time.Advance(seconds(59));
  EXPECT_FALSE(first_.reconciler->IsOver(run));
  world_.time.Advance(seconds(1));
  EXPECT_TRUE(first_.reconciler->IsOver(run));
}

// promise: O-36
TEST_F(TaskGraphReconcilerTest, AnotherObjectOfTheSameNameIsAnotherRun) {
  const RunId run = StartRun();
  world_.Remove(kTaskGraphs, {"ns", "run"});
  const kube::Object again = PutGraph();
  ReconcileOk();
  EXPECT_TRUE(first_.driver->abandoned.contains(run));
  ASSERT_THAT(first_.driver->started, SizeIs(2));
  EXPECT_EQ(first_.driver->started[1], RunIdOf(again.uid()));
}

// promise: O-36
TEST_F(TaskGraphReconcilerTest, ARunWhoseObjectWentDuringAWriteIsAbandonedToo) {
  const RunId run = StartRun();
  world_.server.Remove({kTaskGraphs, "ns"}, "run");
  first_.driver->End(run, RunPhase::kSucceeded);
  ReconcileOk();
  EXPECT_TRUE(first_.driver->abandoned.contains(run));
}

// promise: O-37
TEST_F(TaskGraphReconcilerTest, IsDeletedWhenItsTimeIsUp) {
  const RunId run = StartRun({{"ttlSecondsAfterFinished", 30}});
  first_.driver->runs.at(run).record.end_us = NowUs();
  first_.driver->End(run, RunPhase::kSucceeded);
  world_.CatchUp(kTaskGraphs, {"ns", "run"});
  ReconcileOk();
  ReconcileOk();
  EXPECT_EQ(ReconcileOk(), seconds(30));
  world_.time.Advance(seconds(30));
  ReconcileOk();
  EXPECT_FALSE(Stored().has_value());
}

// promise: O-41
TEST_F(TaskGraphReconcilerTest, AChangeAfterTheEndIsSeen) {
  const RunId run = StartRun();
  first_.driver->End(run, RunPhase::kSucceeded);
  world_.CatchUp(kTaskGraphs, {"ns", "run"});
  ReconcileOk();
  kube::Object changed = *Stored();
  changed.mutable_spec()["ttlSecondsAfterFinished"] = 60;
  world_.Put(kTaskGraphs, changed);
  ReconcileOk();
  ReconcileOk();
  const kube::Object graph = *Stored();
  ASSERT_EQ(graph.generation(), 2);
  EXPECT_EQ(graph.status()["observedGeneration"], 2);
  EXPECT_EQ(FindCondition(graph.status(), "Finished")["observedGeneration"], 2);
  EXPECT_EQ(Condition("Succeeded"), "True Succeeded");
}

TEST_F(TaskGraphReconcilerTest, WithoutATimeItStays) {
  const RunId run = StartRun();
  first_.driver->End(run, RunPhase::kFailed, {"Broken", "it broke"});
  world_.CatchUp(kTaskGraphs, {"ns", "run"});
  ReconcileOk();
  ReconcileOk();
  world_.time.Advance(std::chrono::hours(1000));
  EXPECT_EQ(ReconcileOk(), Duration::zero());
  EXPECT_TRUE(Stored().has_value());
}

// promise: O-38
TEST_F(TaskGraphReconcilerTest, AConflictOnTheWayToAnEndIsTriedAgain) {
  PutEcho();
  first_.LearnEcho();
  PutGraph({{"steps", Json::array({{{"name", "one"}, {"device", "echo"}, {"operation", "sai"}}})}});
  world_.client.Inject(
      Failing("update-status", "taskgraphs", kube::ConflictError(kTaskGraphs, "run")));
  EXPECT_FALSE(Reconcile().ok());
  ReconcileOk();
  EXPECT_EQ(Condition("Accepted"), "False InvalidGraph");
}

}  // namespace
}  // namespace fractos
