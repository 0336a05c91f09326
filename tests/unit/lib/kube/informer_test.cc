#include "lib/kube/informer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "lib/kube/errors.h"
#include "tests/unit/lib/kube/fake_client.h"
#include "tests/unit/lib/kube/fake_time.h"

namespace fractos::kube {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const Collection kThings{{"fractos.dev", "v1alpha1", "things"}, "ns"};

Object Thing(absl::string_view name, int replicas = 1) {
  Object thing("fractos.dev/v1alpha1", "Thing", "ns", name);
  thing.mutable_spec()["replicas"] = replicas;
  return thing;
}

int64_t Replicas(const ObjectPtr& object) { return IntegerMember(object->spec(), "replicas"); }

// Writes down what it is told.
class Listener final : public ResourceEventHandler {
 public:
  void OnAdd(const ObjectPtr& object, bool is_in_initial_list) override {
    Write(absl::StrCat(is_in_initial_list ? "initial " : "add ", object->name()));
  }
  void OnUpdate(const ObjectPtr& before, const ObjectPtr& after) override {
    Write(before == after ? absl::StrCat("resync ", after->name())
                          : absl::StrCat("update ", after->name(), " ", Replicas(before), "->",
                                         Replicas(after)));
  }
  void OnDelete(const ObjectPtr& last, bool final_state_unknown) override {
    Write(absl::StrCat(final_state_unknown ? "gone " : "delete ", last->name()));
  }

  std::vector<std::string> Await(size_t n) {
    absl::MutexLock lock(&mutex_);
    const auto there = [&]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return lines_.size() >= n; };
    mutex_.AwaitWithTimeout(absl::Condition(&there), kPatience);
    return lines_;
  }
  std::set<std::thread::id> threads() {
    absl::MutexLock lock(&mutex_);
    return threads_;
  }

  // Called within each call, before it is written down.
  std::function<void()> during;

 private:
  void Write(std::string line) {
    if (during) during();
    absl::MutexLock lock(&mutex_);
    lines_.push_back(std::move(line));
    threads_.insert(std::this_thread::get_id());
  }

  absl::Mutex mutex_;
  std::vector<std::string> lines_ ABSL_GUARDED_BY(mutex_);
  std::set<std::thread::id> threads_ ABSL_GUARDED_BY(mutex_);
};

class InformerTest : public ::testing::Test {
 protected:
  InformerTest() { options_.reflector.collection = kThings; }
  void Make() { informer_.emplace(&client_, &time_, &random_, options_); }
  void Start() {
    if (!informer_) Make();
    thread_ = std::thread([this] { informer_->Run(stop_.get_token()); });
  }
  void TearDown() override {
    stop_.request_stop();
    if (thread_.joinable()) thread_.join();
  }
  absl::Status AwaitSync() {
    return informer_->AwaitSync({{}, time_.Now() + std::chrono::hours(1)});
  }
  // The watch breaks, `meanwhile` happens, and its history is gone: the informer has to list.
  void MissWhile(const std::function<void()>& meanwhile) {
    ASSERT_TRUE(server_.AwaitWatches(1));
    server_.StallWatches();
    meanwhile();
    server_.Compact();
    time_.Advance(seconds(2));
    server_.BreakWatches(MakeError(TransportFailure::kConnectionLost, "reset by peer"));
    const Duration wait = time_.AwaitWaiterWithin(milliseconds(800), milliseconds(1600));
    ASSERT_GT(wait, Duration(0));
    time_.Advance(wait);
  }

  FakeTime time_;
  FakeApiServer server_{&time_};
  FakeClient client_{&server_};
  SeededRandom random_{1};
  Informer::Options options_;
  Listener listener_;
  std::optional<Informer> informer_;
  std::stop_source stop_;
  std::thread thread_;
};

TEST_F(InformerTest, TellsHandlersEveryChangeInOrderOnOneThread) {
  // promise: K-64
  server_.Put(kThings, Thing("a"));
  Make();
  Listener second;
  const auto id = informer_->AddHandler(&listener_);
  informer_->AddHandler(&second);
  EXPECT_FALSE(informer_->HasSynced());
  EXPECT_FALSE(informer_->HandlerHasSynced(id));
  Start();
  ASSERT_TRUE(AwaitSync().ok());
  server_.Put(kThings, Thing("b"));
  server_.Put(kThings, Thing("b", 2));
  server_.Remove(kThings, "a");
  const auto expected = ElementsAre("initial a", "add b", "update b 1->2", "delete a");
  EXPECT_THAT(listener_.Await(4), expected);
  EXPECT_THAT(second.Await(4), expected);
  EXPECT_EQ(listener_.threads().size(), 1u);
  EXPECT_EQ(listener_.threads(), second.threads());
  EXPECT_TRUE(informer_->HandlerHasSynced(id));
  EXPECT_THAT(informer_->store().Keys(), ElementsAre("ns/b"));
}

TEST_F(InformerTest, AHandlerThatComesLateIsToldWhatIsThere) {
  // promise: K-64
  server_.Put(kThings, Thing("a"));
  Start();
  ASSERT_TRUE(AwaitSync().ok());
  server_.Put(kThings, Thing("b"));
  Listener first;
  informer_->AddHandler(&first);
  ASSERT_EQ(first.Await(2).size(), 2u);  // b has arrived
  const auto id = informer_->AddHandler(&listener_);
  EXPECT_THAT(listener_.Await(2), ElementsAre("initial a", "initial b"));
  server_.Put(kThings, Thing("c"));
  EXPECT_THAT(listener_.Await(3), ElementsAre("initial a", "initial b", "add c"));
  EXPECT_TRUE(informer_->HandlerHasSynced(id));
}

TEST_F(InformerTest, AnUnseenDeletionIsATombstone) {
  // promise: K-66
  server_.Put(kThings, Thing("a"));
  server_.Put(kThings, Thing("b"));
  Make();
  informer_->AddHandler(&listener_);
  Start();
  ASSERT_EQ(listener_.Await(2).size(), 2u);
  MissWhile([this] { server_.Remove(kThings, "a"); });
  EXPECT_THAT(listener_.Await(3), ElementsAre("initial a", "initial b", "gone a"));
  EXPECT_THAT(informer_->store().Keys(), ElementsAre("ns/b"));
}

TEST_F(InformerTest, AnObjectMadeAgainIsAnother) {
  // promise: K-66
  server_.Put(kThings, Thing("a"));
  Make();
  informer_->AddHandler(&listener_);
  Start();
  ASSERT_EQ(listener_.Await(1).size(), 1u);
  MissWhile([this] {
    server_.Remove(kThings, "a");
    server_.Put(kThings, Thing("a", 7));
  });
  EXPECT_THAT(listener_.Await(3), ElementsAre("initial a", "gone a", "add a"));
}

TEST_F(InformerTest, AListOfWhatIsKnownIsNoNews) {
  // promise: K-66
  server_.Put(kThings, Thing("a"));
  server_.Put(kThings, Thing("b"));
  Make();
  informer_->AddHandler(&listener_);
  Start();
  ASSERT_EQ(listener_.Await(2).size(), 2u);
  MissWhile([this] { server_.Put(kThings, Thing("b", 2)); });
  EXPECT_THAT(listener_.Await(3), ElementsAre("initial a", "initial b", "update b 1->2"));
}

TEST_F(InformerTest, ResyncTellsAllAgainWithoutAList) {
  // promise: K-65
  server_.Put(kThings, Thing("a"));
  server_.Put(kThings, Thing("b"));
  options_.reflector.resync_period = seconds(60);
  Make();
  informer_->AddHandler(&listener_);
  Start();
  ASSERT_EQ(listener_.Await(2).size(), 2u);
  ASSERT_TRUE(time_.AwaitWaiter(seconds(60)));
  time_.Advance(seconds(60));
  EXPECT_THAT(listener_.Await(4), ElementsAre("initial a", "initial b", "resync a", "resync b"));
  EXPECT_EQ(client_.count("list") + client_.count("watch"), 1u);
}

TEST_F(InformerTest, ARemovedHandlerIsNotCalledAnyMore) {
  Make();
  std::atomic<int> calls{0};
  Listener leaves;
  Informer::HandlerId id = 0;
  leaves.during = [&] {
    ++calls;
    informer_->RemoveHandler(id);
  };
  id = informer_->AddHandler(&leaves);
  informer_->AddHandler(&listener_);
  Start();
  server_.Put(kThings, Thing("a"));
  server_.Put(kThings, Thing("b"));
  ASSERT_EQ(listener_.Await(2).size(), 2u);
  EXPECT_EQ(calls, 1);
}

TEST_F(InformerTest, RemoveWaitsForTheCallUnderWay) {
  Make();
  absl::Notification entered, go_on;
  std::atomic<bool> returned{false};
  Listener slow;
  slow.during = [&] {
    entered.Notify();
    go_on.WaitForNotification();
    returned = true;
  };
  const auto id = informer_->AddHandler(&slow);
  Start();
  server_.Put(kThings, Thing("a"));
  entered.WaitForNotification();
  std::thread remover([&] {
    informer_->RemoveHandler(id);
    EXPECT_TRUE(returned);
  });
  go_on.Notify();
  remover.join();
}

TEST_F(InformerTest, SaysWhatCannotBeFollowedAndWhy) {
  // promise: K-67
  Fault forbidden;
  forbidden.error = ForbiddenError(kThings.resource, "list", "");
  forbidden.times = -1;
  client_.Inject(forbidden);
  absl::Mutex mutex;
  int errors = 0;
  options_.reflector.on_error = [&](const absl::Status&) {
    absl::MutexLock lock(&mutex);
    ++errors;
  };
  Start();
  {
    absl::MutexLock lock(&mutex);
    const auto failed = [&] { return errors > 0; };
    ASSERT_TRUE(mutex.AwaitWithTimeout(absl::Condition(&failed), kPatience));
  }
  std::thread clock([this] {
    EXPECT_TRUE(time_.AwaitWaiter(seconds(120)));
    time_.Advance(seconds(120));
  });
  const absl::Status status = informer_->AwaitSync({{}, time_.Now() + seconds(120)});
  clock.join();
  EXPECT_TRUE(absl::IsDeadlineExceeded(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("things.fractos.dev in namespace ns"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("forbidden"));
  std::stop_source stop;
  stop.request_stop();
  EXPECT_TRUE(absl::IsCancelled(informer_->AwaitSync({stop.get_token()})));
  stop_.request_stop();
  thread_.join();
}

TEST_F(InformerTest, ASlowHandlerDoesNotKeepTheStoreFromBeingNew) {
  // promise: K-68
  Make();
  absl::Notification go_on;
  listener_.during = [&] { go_on.WaitForNotification(); };
  informer_->AddHandler(&listener_);
  Start();
  for (const char* name : {"a", "b", "c"}) server_.Put(kThings, Thing(name));
  while (informer_->store().size() < 3) std::this_thread::yield();
  go_on.Notify();
  EXPECT_EQ(listener_.Await(3).size(), 3u);
}

TEST_F(InformerTest, WhatHandlersHaveNotTakenIsBounded) {
  // promise: K-68
  options_.max_queued = 2;
  Make();
  absl::Notification entered, go_on;
  listener_.during = [&] {
    if (!entered.HasBeenNotified()) entered.Notify();
    go_on.WaitForNotification();
  };
  informer_->AddHandler(&listener_);
  Start();
  ASSERT_TRUE(AwaitSync().ok());
  server_.Put(kThings, Thing("t0"));
  entered.WaitForNotification();
  for (int i = 1; i < 10; ++i) server_.Put(kThings, Thing(absl::StrCat("t", i)));
  while (informer_->store().size() < 3) std::this_thread::yield();
  // One is with the handler and two are queued: the next is not taken from the watch.
  EXPECT_EQ(informer_->store().size(), 3u);
  go_on.Notify();
  EXPECT_EQ(listener_.Await(10).size(), 10u);
}

TEST_F(InformerTest, StopsThoughTheQueueIsFull) {
  options_.max_queued = 1;
  Make();
  absl::Notification entered, go_on;
  listener_.during = [&] {
    entered.Notify();
    go_on.WaitForNotification();
  };
  informer_->AddHandler(&listener_);
  Start();
  for (int i = 0; i < 5; ++i) server_.Put(kThings, Thing(absl::StrCat("t", i)));
  entered.WaitForNotification();
  stop_.request_stop();
  go_on.Notify();
  thread_.join();
  EXPECT_EQ(listener_.Await(1).size(), 1u);  // what was queued is told to nobody
}

TEST_F(InformerTest, TransformsWhatItStores) {
  options_.transform = StripManagedFields;
  Object thing = Thing("a");
  thing.mutable_metadata()["managedFields"] = Json::array({1, 2, 3});
  server_.Put(kThings, thing);
  Start();
  ASSERT_TRUE(AwaitSync().ok());
  const ObjectPtr stored = informer_->store().Get("ns/a");
  ASSERT_NE(stored, nullptr);
  EXPECT_TRUE(Member(stored->metadata(), "managedFields").is_null());
  EXPECT_EQ(Replicas(stored), 1);
}

}  // namespace
}  // namespace fractos::kube
