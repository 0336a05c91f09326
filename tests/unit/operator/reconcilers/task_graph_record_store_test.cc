#include "operator/reconcilers/task_graph_record_store.h"

#include <gtest/gtest.h>

#include <thread>

#include "lib/api/names.h"
#include "lib/kube/errors.h"
#include "tests/unit/lib/kube/fake_client.h"
#include "tests/unit/lib/kube/fake_time.h"
#include "tests/unit/operator/world.h"

namespace fractos {
namespace {

using std::chrono::seconds;

const kube::Collection kRuns{kTaskGraphs, "ns"};

class TaskGraphRecordStoreTest : public ::testing::Test {
 protected:
  TaskGraphRecordStoreTest() {
    kube::Object object("fractos.dev/v1alpha1", "TaskGraph", "ns", "run");
    object.mutable_spec()["steps"] = kube::Json::array();
    object_ = server_.Put(kRuns, object);
    record_.run = RunIdOf(object_.uid());
    record_.phase = RunPhase::kRunning;
    record_.redrive = 1;
    options_.client = &client_;
    options_.clock = &time_;
    options_.random = &random_;
    options_.stop = stop_.get_token();
    options_.leads = [this] { return leads_; };
    store_ = std::make_unique<TaskGraphRecordStore>(options_);
    version_ = store_->Track(record_.run, object_, {"ns", 1, 3, 0});
  }
  absl::Status Write() {
    const absl::StatusOr<uint64_t> written = store_->Write(record_, version_);
    if (written.ok()) version_ = *written;
    return written.status();
  }
  // Another run of the namespace, tracked.
  RunRecord Another() {
    kube::Object object("fractos.dev/v1alpha1", "TaskGraph", "ns", "other");
    object.mutable_spec()["steps"] = kube::Json::array();
    object = server_.Put(kRuns, object);
    RunRecord record = record_;
    record.run = RunIdOf(object.uid());
    store_->Track(record.run, object, {"ns", 1, 3, 0});
    return record;
  }
  // Until all of the namespace is known to be refused.
  void RefuseForLong(const absl::Status& refused) {
    client_.Inject(Failing("update-status", "", refused, 2));
    std::thread writer([&] { EXPECT_EQ(Write(), refused); });
    ASSERT_GE(time_.AwaitWaiterWithin(std::chrono::milliseconds(1), seconds(1)).count(), 0);
    time_.Advance(seconds(10));
    writer.join();
    version_ = store_->Track(record_.run, object_, {"ns", 1, 3, 0});
  }
  kube::Object Stored() { return *server_.Find(kRuns, "run"); }
  bool Settled() { return store_->IsSettled(record_.run); }

  kube::FakeTime time_;
  kube::FakeApiServer server_{&time_};
  kube::FakeClient client_{&server_};
  SeededRandom random_{1};
  std::stop_source stop_;
  bool leads_ = true;
  TaskGraphRecordStore::Options options_;
  std::unique_ptr<TaskGraphRecordStore> store_;
  kube::Object object_;
  RunRecord record_;
  uint64_t version_ = 0;
};

// promise: O-44
TEST_F(TaskGraphRecordStoreTest, ARecordIsOnePutOfTheStatus) {
  ASSERT_TRUE(Write().ok());
  EXPECT_EQ(Stored().status()["phase"], "Running");
  EXPECT_FALSE(Settled());
  record_.phase = RunPhase::kSucceeded;
  ASSERT_TRUE(Write().ok());
  EXPECT_TRUE(Settled());
  EXPECT_EQ(client_.calls().size(), 2u) << "two writes, and nothing is read";
  const absl::StatusOr<RecordStore::Versioned> loaded = store_->Load(record_.run);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(loaded->record.phase, RunPhase::kSucceeded);
  EXPECT_EQ(loaded->version, version_);
}

TEST_F(TaskGraphRecordStoreTest, AnOldVersionIsRefused) {
  ASSERT_TRUE(Write().ok());
  EXPECT_TRUE(absl::IsAborted(store_->Write(record_, 1).status()));
}

// promise: O-45
TEST_F(TaskGraphRecordStoreTest, WhoeverChangesTheRestOfTheObjectDoesNotStopTheRun) {
  kube::Object cancelled = Stored();
  cancelled.mutable_spec()["cancel"] = true;
  server_.Put(kRuns, cancelled);
  ASSERT_TRUE(Write().ok());
  EXPECT_EQ(Stored().status()["phase"], "Running");
  EXPECT_EQ(Stored().spec()["cancel"], true);
  EXPECT_EQ(Stored().status()["observedGeneration"], Stored().generation());
}

// promise: O-46
TEST_F(TaskGraphRecordStoreTest, WhoeverWritesTheRecordDrivesTheRun) {
  ASSERT_TRUE(Write().ok());
  kube::Object taken = Stored();
  taken.mutable_status()["redriveEpoch"] = 2;
  server_.Put(kRuns, taken);
  record_.phase = RunPhase::kSucceeded;
  EXPECT_TRUE(absl::IsAborted(Write()));
  EXPECT_TRUE(Settled());
  EXPECT_EQ(Stored().status()["phase"], "Running") << "nothing was overwritten";
}

// promise: O-45
TEST_F(TaskGraphRecordStoreTest, WhatWasSaidBeforeTheRunBeganIsNobodysRecord) {
  kube::Object waiting = Stored();
  waiting.mutable_status()["phase"] = "Pending";
  server_.Put(kRuns, waiting);
  EXPECT_TRUE(Write().ok());
}

// promise: O-47
TEST_F(TaskGraphRecordStoreTest, AWriteThatCameThroughUnheardIsNotTakenForAnothers) {
  // In which the bound of a message is within a character, and in which a byte is no text at all.
  record_.phase = RunPhase::kFailing;
  record_.failed_step = "classify";
  record_.failure = {"NotAPicture", "\xff"};
  while (record_.failure.message.size() < 5000) record_.failure.message += "\u20ac";
  kube::Fault unheard = Failing("update-status", "",
                                kube::MakeError(kube::TransportFailure::kConnectionLost, "reset"));
  unheard.carried_out = true;
  client_.Inject(unheard);
  std::thread writer([this] { EXPECT_TRUE(Write().ok()); });
  ASSERT_GE(time_.AwaitWaiterWithin(std::chrono::milliseconds(1), seconds(1)).count(), 0);
  time_.Advance(seconds(1));
  writer.join();
  EXPECT_EQ(Stored().status()["phase"], "Failing");
}

// promise: O-47
TEST_F(TaskGraphRecordStoreTest, GoesOnTryingWhileTheServerIsAway) {
  int told = 0;
  options_.on_error = [&told](const kube::Object&, const absl::Status&) { ++told; };
  store_ = std::make_unique<TaskGraphRecordStore>(options_);
  version_ = store_->Track(record_.run, object_, {"ns", 1, 3, 0});
  client_.Inject(Failing("update-status", "", kube::TooManyRequestsError(seconds(7))));
  client_.Inject(Failing("update-status", "", kube::ForbiddenError(kTaskGraphs, "update", "run")));
  std::thread writer([this] { EXPECT_TRUE(Write().ok()); });
  ASSERT_TRUE(time_.AwaitWaiter(seconds(7))) << "as long as the server asks for";
  time_.Advance(seconds(7));
  ASSERT_GE(time_.AwaitWaiterWithin(std::chrono::milliseconds(1), seconds(1)).count(), 0);
  time_.Advance(seconds(1));
  writer.join();
  EXPECT_EQ(told, 2);
  EXPECT_EQ(client_.count("update-status"), 3u);
}

// promise: O-47
TEST_F(TaskGraphRecordStoreTest, GoesOnTryingHoweverLongTheServerIsAway) {
  client_.Inject(
      Failing("update-status", "",
              kube::MakeError(kube::TransportFailure::kConnectionRefused, "nobody listens"), 2));
  std::thread writer([this] { EXPECT_TRUE(Write().ok()); });
  for (int i = 0; i < 2; ++i) {
    ASSERT_GE(time_.AwaitWaiterWithin(std::chrono::milliseconds(1), seconds(1)).count(), 0);
    time_.Advance(std::chrono::hours(1));
  }
  writer.join();
}

// promise: O-51
TEST_F(TaskGraphRecordStoreTest, ARunWhoseNamespaceIsRefusedForLongHoldsNobodyUp) {
  const absl::Status hung = absl::DeadlineExceededError("no answer in time");
  for (const absl::Status& refused :
       {kube::ForbiddenError(kTaskGraphs, "update", "run"), kube::InternalError("webhook"), hung}) {
    client_.Inject(Failing("update-status", "", refused, -1));
    std::thread writer([&] { EXPECT_EQ(Write(), refused); });
    ASSERT_GE(time_.AwaitWaiterWithin(std::chrono::milliseconds(1), seconds(1)).count(), 0);
    EXPECT_FALSE(Settled()) << "it may pass";
    time_.Advance(seconds(10));
    writer.join();
    EXPECT_TRUE(Settled());

    // Taken up again, it is tried once.
    time_.Advance(seconds(30));
    version_ = store_->Track(record_.run, object_, {"ns", 1, 3, 0});
    const size_t tries = client_.count("update-status");
    EXPECT_EQ(Write(), refused);
    EXPECT_EQ(client_.count("update-status"), tries + 1);

    client_.ClearFaults();
    time_.Advance(seconds(10));
    version_ = store_->Track(record_.run, object_, {"ns", 1, 3, 0});
    ASSERT_TRUE(Write().ok());
    object_ = Stored();
  }
}

// promise: O-51
TEST_F(TaskGraphRecordStoreTest, WhatWasRefusedLongAgoIsForgotten) {
  client_.Inject(Failing("update-status", "", kube::InternalError("leader changed"), 3));
  std::thread writer([this] { EXPECT_FALSE(Write().ok()); });
  ASSERT_GE(time_.AwaitWaiterWithin(std::chrono::milliseconds(1), seconds(1)).count(), 0);
  time_.Advance(seconds(10));
  writer.join();
  time_.Advance(seconds(61));
  version_ = store_->Track(record_.run, object_, {"ns", 1, 3, 0});
  writer = std::thread([this] { EXPECT_TRUE(Write().ok()); });
  ASSERT_GE(time_.AwaitWaiterWithin(std::chrono::milliseconds(1), seconds(1)).count(), 0);
  time_.Advance(seconds(1));
  writer.join();
}

// promise: O-51
TEST_F(TaskGraphRecordStoreTest, ARunThatAloneIsRefusedHoldsNobodyUp) {
  const absl::Status refused = kube::ForbiddenError(kTaskGraphs, "update", "run");
  kube::Fault alone = Failing("update-status", "", refused, -1);
  alone.name = "run";
  client_.Inject(alone);
  std::thread writer([&] { EXPECT_EQ(Write(), refused); });
  ASSERT_GE(time_.AwaitWaiterWithin(std::chrono::milliseconds(1), seconds(1)).count(), 0);
  EXPECT_TRUE(store_->Write(Another(), 1).ok());
  time_.Advance(seconds(10));
  writer.join();
  EXPECT_TRUE(Settled());
}

// promise: O-51
TEST_F(TaskGraphRecordStoreTest, OfARefusedNamespaceOneWriteAtATimeAsks) {
  const absl::Status refused = kube::InternalError("webhook");
  RefuseForLong(refused);
  const RunRecord other = Another();
  const size_t tries = client_.count("update-status");
  EXPECT_EQ(store_->Write(other, 1).status(), refused);
  EXPECT_EQ(client_.count("update-status"), tries) << "it was refused just now";

  time_.Advance(seconds(10));
  kube::Fault hangs;
  hangs.verb = "update-status";
  hangs.delay = Duration::max();
  client_.Inject(hangs);
  std::thread writer([this] { EXPECT_TRUE(absl::IsDeadlineExceeded(Write())); });
  ASSERT_TRUE(client_.AwaitCalls("update-status", tries + 1));
  EXPECT_EQ(store_->Write(other, 1).status(), refused) << "while the other one asks";
  EXPECT_TRUE(store_->IsSettled(other.run));
  time_.Advance(seconds(10));
  writer.join();
  EXPECT_TRUE(absl::IsDeadlineExceeded(store_->Write(other, 1).status())) << "the newest answer";
  EXPECT_EQ(client_.count("update-status"), tries + 1);

  time_.Advance(seconds(10));
  EXPECT_TRUE(store_->Write(other, 1).ok());
  version_ = store_->Track(record_.run, object_, {"ns", 1, 3, 0});
  EXPECT_TRUE(Write().ok()) << "all may ask again";
}

// promise: O-51
TEST_F(TaskGraphRecordStoreTest, AnErrorThatPassedDoesNotCountForALaterOne) {
  const absl::Status passing = kube::InternalError("leader changed");
  client_.Inject(Failing("update-status", "", passing));
  std::thread writer([this] { EXPECT_TRUE(absl::IsNotFound(Write())); });
  ASSERT_GE(time_.AwaitWaiterWithin(std::chrono::milliseconds(1), seconds(1)).count(), 0);
  server_.Remove(kRuns, "run");
  time_.Advance(seconds(1));
  writer.join();

  time_.Advance(seconds(30));
  const RunRecord other = Another();
  client_.Inject(Failing("update-status", "", passing));
  writer = std::thread([&] { EXPECT_TRUE(store_->Write(other, 1).ok()); });
  ASSERT_GE(time_.AwaitWaiterWithin(std::chrono::milliseconds(1), seconds(1)).count(), 0);
  time_.Advance(seconds(1));
  writer.join();
}

TEST_F(TaskGraphRecordStoreTest, ARecordThatTheServerWillNotHaveIsLost) {
  client_.Inject(Failing("update-status", "", kube::InvalidError("too long")));
  EXPECT_TRUE(absl::IsInvalidArgument(Write()));
  EXPECT_TRUE(Settled());
}

// promise: O-48
TEST_F(TaskGraphRecordStoreTest, ADeletedTaskGraphIsNotMadeAgain) {
  server_.Remove(kRuns, "run");
  EXPECT_TRUE(absl::IsNotFound(Write()));
  EXPECT_TRUE(Settled());
  EXPECT_FALSE(server_.Find(kRuns, "run").has_value());
}

// promise: O-07
TEST_F(TaskGraphRecordStoreTest, NothingIsWrittenByWhoDoesNotLead) {
  leads_ = false;
  EXPECT_TRUE(absl::IsCancelled(Write()));
  EXPECT_EQ(client_.count("update-status"), 0u);
}

TEST_F(TaskGraphRecordStoreTest, StopsWaitingWhenStopped) {
  client_.Inject(Failing("update-status", "", kube::InternalError("away"), -1));
  std::thread writer([this] { EXPECT_TRUE(absl::IsCancelled(Write())); });
  ASSERT_GE(time_.AwaitWaiterWithin(std::chrono::milliseconds(1), seconds(1)).count(), 0);
  stop_.request_stop();
  writer.join();
}

}  // namespace
}  // namespace fractos
