#include "lib/kube/reflector.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "lib/kube/errors.h"
#include "tests/unit/lib/kube/fake_client.h"
#include "tests/unit/lib/kube/fake_time.h"

namespace fractos::kube {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const Collection kThings{{"fractos.dev", "v1alpha1", "things"}, "ns"};

Object Thing(absl::string_view name, int replicas = 1) {
  Object thing("fractos.dev/v1alpha1", "Thing", "ns", name);
  thing.mutable_spec()["replicas"] = replicas;
  return thing;
}

// Writes down what it is told.
class Diary final : public ReflectorStore {
 public:
  void Replace(std::vector<Object> objects, const std::string&) override {
    std::vector<std::string> names;
    for (const Object& object : objects) names.push_back(object.name());
    Write(absl::StrCat("replace ", absl::StrJoin(names, ",")));
  }
  void Add(Object object) override { Write("add " + object.name()); }
  void Update(Object object) override { Write("update " + object.name()); }
  void Delete(Object object) override { Write("delete " + object.name()); }
  void Bookmark(const std::string&) override { Write("bookmark"); }
  void Resync() override { Write("resync"); }

  // All lines, once there are that many.
  std::vector<std::string> Await(size_t n) {
    absl::MutexLock lock(&mutex_);
    const auto there = [&]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return lines_.size() >= n; };
    mutex_.AwaitWithTimeout(absl::Condition(&there), kPatience);
    return lines_;
  }

  void Write(std::string line) {
    absl::MutexLock lock(&mutex_);
    lines_.push_back(std::move(line));
  }

 private:
  absl::Mutex mutex_;
  std::vector<std::string> lines_ ABSL_GUARDED_BY(mutex_);
};

class ReflectorTest : public ::testing::Test {
 protected:
  void Start(bool watch_list, Duration resync = Duration(0)) {
    ReflectorOptions options;
    options.collection = kThings;
    options.label_selector = "app!=other";
    options.use_watch_list = watch_list;
    options.resync_period = resync;
    options.on_error = [this](const absl::Status& error) {
      errors_.Write(std::string(error.message()));
    };
    reflector_.emplace(&client_, &time_, &random_, &diary_, options);
    thread_ = std::thread([this] { reflector_->Run(stop_.get_token()); });
  }
  // Starts, and waits until the watch stands on top of what is there.
  void StartWatching(bool watch_list = false) {
    server_.Put(kThings, Thing("a"));
    Start(watch_list);
    ASSERT_THAT(diary_.Await(1), ElementsAre("replace a"));
    ASSERT_TRUE(server_.AwaitWatches(1));
    ASSERT_TRUE(time_.AwaitWaiters(1));
    time_.Advance(seconds(2));  // it is no very short watch any more
  }
  void TearDown() override {
    stop_.request_stop();
    if (thread_.joinable()) thread_.join();
  }
  // Lets the wait of a backoff pass.
  void PassBackoff(Duration least = milliseconds(800), Duration most = milliseconds(1600)) {
    const Duration wait = time_.AwaitWaiterWithin(least, most);
    ASSERT_GE(wait, least);
    time_.Advance(wait);
  }
  void Inject(absl::string_view verb, const absl::Status& error, int times = 1) {
    Fault fault;
    fault.verb = std::string(verb);
    fault.error = error;
    fault.times = times;
    client_.Inject(fault);
  }

  FakeTime time_;
  FakeApiServer server_{&time_};
  FakeClient client_{&server_};
  SeededRandom random_{1};
  Diary diary_;
  Diary errors_;
  std::optional<Reflector> reflector_;
  std::stop_source stop_;
  std::thread thread_;
};

TEST_F(ReflectorTest, ListsThenWatchesFromThere) {
  // promise: K-59
  server_.Put(kThings, Thing("a"));
  server_.Put(kThings, Thing("b"));
  Object other = Thing("other");
  other.SetLabel("app", "other");
  server_.Put(kThings, other);
  const std::string listed = server_.resource_version();
  Start(false);
  EXPECT_THAT(diary_.Await(1), ElementsAre("replace a,b"));
  ASSERT_TRUE(client_.AwaitCalls("watch", 1));
  const Call list = client_.calls("list").at(0);
  EXPECT_EQ(list.list.resource_version, "0");
  EXPECT_EQ(list.list.limit, 500);
  EXPECT_EQ(list.list.label_selector, "app!=other");
  const Call watch = client_.calls("watch").at(0);
  EXPECT_EQ(watch.watch.resource_version, listed);
  EXPECT_TRUE(watch.watch.allow_watch_bookmarks);
  EXPECT_EQ(watch.watch.label_selector, "app!=other");
  EXPECT_GE(watch.watch.timeout, minutes(5));
  EXPECT_LE(watch.watch.timeout, minutes(10));
  EXPECT_FALSE(watch.watch.send_initial_events);

  server_.Put(kThings, Thing("c"));
  server_.Put(kThings, Thing("a", 2));
  server_.Remove(kThings, "b");
  EXPECT_THAT(diary_.Await(4), ElementsAre("replace a,b", "add c", "update a", "delete b"));
  EXPECT_EQ(client_.count("list"), 1u);
}

TEST_F(ReflectorTest, BeginsWithAWatchThatLists) {
  // promise: K-59
  server_.Put(kThings, Thing("a"));
  server_.Put(kThings, Thing("b"));
  Start(true);
  EXPECT_THAT(diary_.Await(1), ElementsAre("replace a,b"));
  const Call watch = client_.calls("watch").at(0);
  EXPECT_EQ(watch.watch.send_initial_events, true);
  EXPECT_EQ(watch.watch.resource_version_match, "NotOlderThan");
  EXPECT_EQ(watch.watch.resource_version, "");
  ASSERT_TRUE(time_.AwaitWaiters(1));  // for the next event
  EXPECT_EQ(reflector_->LastSyncResourceVersion(), server_.resource_version());
  // And goes on with the same stream.
  server_.Put(kThings, Thing("c"));
  EXPECT_THAT(diary_.Await(2), ElementsAre("replace a,b", "add c"));
  EXPECT_EQ(client_.count("watch"), 1u);
  EXPECT_EQ(client_.count("list"), 0u);
}

TEST_F(ReflectorTest, ListsWhereTheServerCannotBeginSo) {
  // promise: K-59
  Inject("watch", InvalidError("sendInitialEvents is forbidden for watch"));
  server_.Put(kThings, Thing("a"));
  Start(true);
  EXPECT_THAT(diary_.Await(1), ElementsAre("replace a"));
  ASSERT_TRUE(client_.AwaitCalls("watch", 2));
  EXPECT_EQ(client_.count("list"), 1u);
  EXPECT_FALSE(client_.calls("watch").at(1).watch.send_initial_events);
}

TEST_F(ReflectorTest, AWatchListThatBreaksBeforeItsEndChangesNothing) {
  server_.Put(kThings, Thing("a"));
  WatchOptions options;
  Fault slow;
  slow.verb = "watch";
  slow.error = MakeError(TransportFailure::kConnectionLost, "reset");
  client_.Inject(slow);
  Start(true);
  EXPECT_THAT(diary_.Await(1), ElementsAre("replace a"));
  EXPECT_EQ(client_.count("list"), 1u);
}

TEST_F(ReflectorTest, AWatchThatEndsIsBegunAgainWhereItWas) {
  // promise: K-60
  StartWatching();
  server_.Put(kThings, Thing("b"));
  ASSERT_THAT(diary_.Await(2), ElementsAre("replace a", "add b"));
  const std::string seen = server_.resource_version();
  server_.EndWatches();
  ASSERT_TRUE(client_.AwaitCalls("watch", 2));
  EXPECT_EQ(client_.calls("watch").at(1).watch.resource_version, seen);
  server_.Put(kThings, Thing("c"));
  EXPECT_THAT(diary_.Await(3), ElementsAre("replace a", "add b", "add c"));
  EXPECT_EQ(client_.count("list"), 1u);
}

TEST_F(ReflectorTest, AConnectionThatBreaksIsNoReasonToList) {
  // promise: K-60
  StartWatching();
  server_.BreakWatches(MakeError(TransportFailure::kConnectionLost, "reset by peer"));
  ASSERT_TRUE(client_.AwaitCalls("watch", 2));
  server_.Put(kThings, Thing("b"));
  EXPECT_THAT(diary_.Await(2), ElementsAre("replace a", "add b"));
  EXPECT_EQ(client_.count("list"), 1u);
}

TEST_F(ReflectorTest, NothingIsMissedBetweenTwoWatches) {
  // promise: K-60
  StartWatching();
  Fault meanwhile;
  meanwhile.verb = "watch";
  meanwhile.before = [this] {
    server_.Put(kThings, Thing("b"));
    server_.Remove(kThings, "a");
  };
  client_.Inject(meanwhile);
  server_.EndWatches();
  EXPECT_THAT(diary_.Await(3), ElementsAre("replace a", "add b", "delete a"));
}

TEST_F(ReflectorTest, BookmarksMoveTheVersionOn) {
  // promise: K-60
  StartWatching();
  server_.Skip(50);
  server_.SendBookmarks();
  ASSERT_THAT(diary_.Await(2), ElementsAre("replace a", "bookmark"));
  server_.EndWatches();
  ASSERT_TRUE(client_.AwaitCalls("watch", 2));
  EXPECT_EQ(client_.calls("watch").at(1).watch.resource_version, server_.resource_version());
}

TEST_F(ReflectorTest, AForgottenVersionLeadsToAList) {
  // promise: K-61
  StartWatching();
  const std::string seen = server_.resource_version();
  server_.StallWatches();
  server_.Put(kThings, Thing("b"));
  server_.Remove(kThings, "a");
  server_.Compact();
  server_.BreakWatches(MakeError(TransportFailure::kConnectionLost, "reset by peer"));
  PassBackoff();
  // At least as new as what was seen; without pages, or the server's cache would not serve it.
  EXPECT_THAT(diary_.Await(2), ElementsAre("replace a", "replace b"));
  EXPECT_EQ(client_.calls("list").at(1).list.resource_version, seen);
  EXPECT_EQ(client_.calls("list").at(1).list.limit, 0);
  EXPECT_EQ(errors_.Await(0).size(), 0u);  // it happens to everybody
}

TEST_F(ReflectorTest, AListFromAForgottenVersionIsTriedFromTheNewest) {
  // promise: K-61
  StartWatching();
  WatchEvent gone{WatchEventType::kError, Object(), ExpiredError("too old")};
  Inject("list", ExpiredError("too old resource version"));
  server_.SendToWatches(gone);
  PassBackoff();
  ASSERT_TRUE(client_.AwaitCalls("list", 3));
  EXPECT_EQ(client_.calls("list").at(2).list.resource_version, "");
  EXPECT_THAT(diary_.Await(2), ElementsAre("replace a", "replace a"));
}

TEST_F(ReflectorTest, AVersionThatTheServerDoesNotKnowYetIsGivenUp) {
  // promise: K-61
  Inject("list", TooLargeResourceVersionError(seconds(1)));
  server_.Put(kThings, Thing("a"));
  Start(false);
  EXPECT_THAT(diary_.Await(1), ElementsAre("replace a"));
  EXPECT_EQ(client_.calls("list").at(1).list.resource_version, "");
}

TEST_F(ReflectorTest, AWatchListFromAForgottenVersionIsTriedFromTheNewest) {
  // promise: K-61
  StartWatching(true);
  WatchEvent gone{WatchEventType::kError, Object(), ExpiredError("too old")};
  Inject("watch", ExpiredError("too old resource version"));
  server_.SendToWatches(gone);
  PassBackoff();
  EXPECT_THAT(diary_.Await(2), ElementsAre("replace a", "replace a"));
  EXPECT_NE(client_.calls("watch").at(1).watch.resource_version, "");
  EXPECT_EQ(client_.calls("watch").at(2).watch.resource_version, "");
  EXPECT_EQ(client_.count("list"), 0u);
}

TEST_F(ReflectorTest, AServerThatIsAwayOrBusyIsWatchedAgainWithoutAList) {
  // promise: K-60
  StartWatching();
  Inject("watch", MakeError(TransportFailure::kConnectionRefused, "refused"));
  Inject("watch", TooManyRequestsError(seconds(1)));
  server_.EndWatches();
  PassBackoff();
  PassBackoff();
  ASSERT_TRUE(client_.AwaitCalls("watch", 4));
  ASSERT_TRUE(server_.AwaitWatches(1));
  WatchEvent busy{WatchEventType::kError, Object(), TooManyRequestsError(seconds(1))};
  server_.SendToWatches(busy);
  PassBackoff(milliseconds(1600), milliseconds(3200));
  server_.Put(kThings, Thing("b"));
  EXPECT_THAT(diary_.Await(2), ElementsAre("replace a", "add b"));
  EXPECT_EQ(client_.count("list"), 1u);
}

TEST_F(ReflectorTest, AServerThatWasAwayForLongIsFoundSoonAfterItIsBack) {
  // promise: K-92
  StartWatching();
  Inject("watch", MakeError(TransportFailure::kConnectionRefused, "refused"), 6);
  server_.StallWatches();
  server_.Put(kThings, Thing("b"));
  server_.Compact();
  server_.BreakWatches(MakeError(TransportFailure::kConnectionLost, "reset by peer"));
  for (const int least : {800, 1600, 3200, 5000, 5000, 5000}) {
    PassBackoff(milliseconds(least), milliseconds(2 * least));
  }
  // It has forgotten what this reflector knew; that is no reason to wait as long as for a server.
  PassBackoff();
  EXPECT_THAT(diary_.Await(2), ElementsAre("replace a", "replace a,b"));
  // And once it has been there, it is looked for anew.
  ASSERT_TRUE(server_.AwaitWatches(1));
  ASSERT_TRUE(time_.AwaitWaiters(1));
  time_.Advance(seconds(2));
  Inject("watch", MakeError(TransportFailure::kConnectionRefused, "refused"));
  server_.EndWatches();
  PassBackoff();
}

TEST_F(ReflectorTest, AWatchThatWorkedLetsTheWaitsBeginAnew) {
  // promise: K-92
  const WatchEvent gone{WatchEventType::kError, Object(), ExpiredError("too old")};
  StartWatching();
  int least = 800;
  for (const seconds length : {seconds(9), seconds(9), seconds(9), seconds(10), seconds(9)}) {
    ASSERT_TRUE(server_.AwaitWatches(1));
    ASSERT_TRUE(time_.AwaitWaiters(1));
    time_.Advance(length);
    server_.SendToWatches(gone);
    if (length >= seconds(10)) least = 800;
    PassBackoff(milliseconds(least), milliseconds(2 * least));
    least *= 2;
  }
}

TEST_F(ReflectorTest, AVeryShortWatchIsFollowedByAWait) {
  // promise: K-61
  server_.Put(kThings, Thing("a"));
  Start(false);
  ASSERT_TRUE(server_.AwaitWatches(1));
  server_.EndWatches();
  PassBackoff();
  EXPECT_THAT(diary_.Await(2), ElementsAre("replace a", "replace a"));
  EXPECT_THAT(errors_.Await(1).at(0), HasSubstr("within a second"));
}

TEST_F(ReflectorTest, WhatIsNoWatchEventLeadsToAList) {
  StartWatching();
  server_.BreakWatches(absl::DataLossError("not JSON"));
  PassBackoff();
  EXPECT_THAT(diary_.Await(2), ElementsAre("replace a", "replace a"));
  EXPECT_THAT(errors_.Await(1).at(0), HasSubstr("not JSON"));
}

TEST_F(ReflectorTest, WaitsLongerEachTimeUpToABound) {
  // promise: K-61
  Inject("list", ForbiddenError(kThings.resource, "list", ""), 9);
  server_.Put(kThings, Thing("a"));
  Start(false);
  for (const int least : {800, 1600, 3200, 6400, 12800, 25600, 30000, 30000, 30000}) {
    PassBackoff(milliseconds(least), milliseconds(2 * least));
  }
  EXPECT_THAT(diary_.Await(1), ElementsAre("replace a"));
  EXPECT_THAT(errors_.Await(9).at(8), HasSubstr("things.fractos.dev in namespace ns"));
}

TEST_F(ReflectorTest, AWatchThatOutlivesItsTimeoutIsStalled) {
  // promise: K-63
  StartWatching();
  server_.StallWatches();
  const Duration timeout = client_.calls("watch").at(0).watch.timeout;
  ASSERT_TRUE(time_.AwaitWaiter(timeout + seconds(30) - seconds(2)));
  time_.Advance(timeout + seconds(30) - seconds(2));
  ASSERT_TRUE(client_.AwaitCalls("watch", 2));
  server_.Put(kThings, Thing("b"));
  EXPECT_THAT(diary_.Await(2), ElementsAre("replace a", "add b"));
  EXPECT_EQ(client_.count("list"), 1u);
}

TEST_F(ReflectorTest, AWatchWhoseBookmarksStopIsStalled) {
  // promise: K-63
  StartWatching();
  server_.SendBookmarks();
  ASSERT_THAT(diary_.Await(2), ElementsAre("replace a", "bookmark"));
  server_.StallWatches();
  ASSERT_TRUE(time_.AwaitWaiter(minutes(3)));
  time_.Advance(minutes(3));
  ASSERT_TRUE(client_.AwaitCalls("watch", 2));
  EXPECT_EQ(client_.count("list"), 1u);
}

TEST_F(ReflectorTest, ResyncsWithoutAskingTheServer) {
  // promise: K-65
  server_.Put(kThings, Thing("a"));
  Start(false, seconds(60));
  ASSERT_THAT(diary_.Await(1), ElementsAre("replace a"));
  for (size_t i = 0; i < 2; ++i) {
    ASSERT_TRUE(time_.AwaitWaiter(seconds(60)));
    time_.Advance(seconds(60));
    EXPECT_EQ(diary_.Await(2 + i).back(), "resync");
  }
  EXPECT_EQ(client_.count("list"), 1u);
  EXPECT_EQ(client_.count("watch"), 1u);
}

TEST_F(ReflectorTest, StopsWhateverItIsBusyWith) {
  for (const char* verb : {"list", "watch"}) {
    Fault fault;
    fault.verb = verb;
    fault.delay = Duration::max();
    FakeClient client(&server_);
    client.Inject(fault);
    ReflectorOptions options;
    options.collection = kThings;
    options.use_watch_list = false;
    Reflector reflector(&client, &time_, &random_, &diary_, options);
    std::stop_source stop;
    std::thread thread([&] { reflector.Run(stop.get_token()); });
    ASSERT_TRUE(client.AwaitCalls(verb, 1));
    stop.request_stop();
    thread.join();
  }
}

}  // namespace
}  // namespace fractos::kube
