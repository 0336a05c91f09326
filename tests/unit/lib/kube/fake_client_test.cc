// The fake is held to what it imitates, for every test of what talks to an API server leans on it.
#include "tests/unit/lib/kube/fake_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "tests/unit/lib/kube/fake_time.h"

namespace fractos::kube {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;

const Collection kThings{{"fractos.dev", "v1alpha1", "things"}, "ns"};

Object Thing(absl::string_view name, int replicas = 1) {
  Object thing("fractos.dev/v1alpha1", "Thing", "ns", name);
  thing.mutable_spec()["replicas"] = replicas;
  return thing;
}

class FakeClientTest : public ::testing::Test {
 protected:
  Object Create(const Object& object) { return *client_.Create({}, kThings, object, {}); }
  std::unique_ptr<Watcher> Watch(const WatchOptions& options) {
    return *client_.Watch({}, kThings, options);
  }
  // "ADDED a", "BOOKMARK ", "ERROR ", "END" or "DEADLINE".
  std::string Next(Watcher* watcher) {
    const auto event = watcher->Next({{}, time_.Now()});
    if (!event.ok()) return absl::IsDeadlineExceeded(event.status()) ? "DEADLINE" : "BROKEN";
    if (!*event) return "END";
    return std::string(ToString((*event)->type)) + " " + (*event)->object.name();
  }

  FakeTime time_;
  FakeApiServer server_{&time_};
  FakeClient client_{&server_};
};

TEST_F(FakeClientTest, WritesMoveTheVersionAndStaleOnesConflict) {
  const Object made = Create(Thing("a"));
  EXPECT_FALSE(made.uid().empty());
  EXPECT_EQ(made.generation(), 1);
  EXPECT_TRUE(kube::IsAlreadyExists(client_.Create({}, kThings, Thing("a"), {}).status()));

  Object newer = made;
  newer.mutable_spec()["replicas"] = 2;
  newer.mutable_status()["ready"] = 2;  // not by this way
  const Object updated = *client_.Update({}, kThings, newer, {});
  EXPECT_NE(updated.resource_version(), made.resource_version());
  EXPECT_EQ(updated.generation(), 2);
  EXPECT_TRUE(updated.status().is_null());
  EXPECT_TRUE(kube::IsConflict(client_.Update({}, kThings, newer, {}).status()));
  EXPECT_TRUE(kube::IsConflict(client_.UpdateStatus({}, kThings, newer, {}).status()));

  Object with_status = updated;
  with_status.mutable_status()["ready"] = 2;
  with_status.mutable_spec()["replicas"] = 77;  // not by this way
  const Object after = *client_.UpdateStatus({}, kThings, with_status, {});
  EXPECT_EQ(IntegerMember(after.status(), "ready"), 2);
  EXPECT_EQ(IntegerMember(after.spec(), "replicas"), 2);
  EXPECT_EQ(after.generation(), 2);

  // Writing what is there already writes nothing.
  EXPECT_EQ(client_.Update({}, kThings, after, {})->resource_version(), after.resource_version());
  EXPECT_TRUE(kube::IsNotFound(client_.Get({}, kThings, "b").status()));
}

TEST_F(FakeClientTest, FinalizersKeepAnObjectUntilTheLastIsGone) {
  Object thing = Thing("a");
  thing.mutable_metadata()["finalizers"] = Json::array({"fractos.dev/hold"});
  Create(thing);
  ASSERT_TRUE(client_.Delete({}, kThings, "a", {}).ok());
  Object dying = *client_.Get({}, kThings, "a");
  EXPECT_TRUE(dying.deleting());
  dying.mutable_metadata().erase("finalizers");
  ASSERT_TRUE(client_.Update({}, kThings, dying, {}).ok());
  EXPECT_TRUE(kube::IsNotFound(client_.Get({}, kThings, "a").status()));
}

TEST_F(FakeClientTest, DeletePreconditionsHold) {
  const Object made = Create(Thing("a"));
  DeleteOptions options;
  options.uid = "another";
  EXPECT_TRUE(kube::IsConflict(client_.Delete({}, kThings, "a", options)));
  options.uid = made.uid();
  EXPECT_TRUE(client_.Delete({}, kThings, "a", options).ok());
}

TEST_F(FakeClientTest, WatchGoesOnFromAVersion) {
  const Object a = Create(Thing("a"));
  Create(Thing("b"));
  server_.Put(kThings, Thing("a", 5));
  server_.Remove(kThings, "b");
  WatchOptions options;
  options.resource_version = a.resource_version();
  const auto watcher = Watch(options);
  EXPECT_EQ(Next(watcher.get()), "ADDED b");
  EXPECT_EQ(Next(watcher.get()), "MODIFIED a");
  EXPECT_EQ(Next(watcher.get()), "DELETED b");
  EXPECT_EQ(Next(watcher.get()), "DEADLINE");
  server_.SendBookmarks();
  Create(Thing("c"));
  EXPECT_EQ(Next(watcher.get()), "BOOKMARK ");
  EXPECT_EQ(Next(watcher.get()), "ADDED c");
  server_.EndWatches();
  EXPECT_EQ(Next(watcher.get()), "END");
}

TEST_F(FakeClientTest, WatchWithoutAVersionBeginsWithWhatIsThere) {
  Create(Thing("a"));
  const auto watcher = Watch({});
  Create(Thing("b"));
  EXPECT_EQ(Next(watcher.get()), "ADDED a");
  EXPECT_EQ(Next(watcher.get()), "ADDED b");

  WatchOptions initial;
  initial.send_initial_events = true;
  const auto watch_list = Watch(initial);
  EXPECT_EQ(Next(watch_list.get()), "ADDED a");
  EXPECT_EQ(Next(watch_list.get()), "ADDED b");
  EXPECT_EQ(Next(watch_list.get()), "BOOKMARK ");
}

TEST_F(FakeClientTest, SelectorsDecideWhatIsAddedAndDeleted) {
  WatchOptions options;
  options.resource_version = server_.resource_version();
  options.label_selector = "app=x,!off";
  const auto watcher = Watch(options);
  Object thing = Thing("a");
  server_.Put(kThings, thing);
  thing.SetLabel("app", "x");
  server_.Put(kThings, thing);
  thing.SetLabel("off", "");
  server_.Put(kThings, thing);
  EXPECT_EQ(Next(watcher.get()), "ADDED a");
  EXPECT_EQ(Next(watcher.get()), "DELETED a");
  EXPECT_EQ(Next(watcher.get()), "DEADLINE");
  EXPECT_TRUE(MatchesSelectors(thing, "", "metadata.name=a,metadata.namespace!=x"));
  EXPECT_FALSE(MatchesSelectors(thing, "", "metadata.name=b"));
}

TEST_F(FakeClientTest, WhatIsCompactedIsGone) {
  const Object a = Create(Thing("a"));
  WatchOptions options;
  options.resource_version = a.resource_version();
  const auto current = Watch(options);
  Create(Thing("b"));
  server_.Compact();
  const auto behind = Watch(options);
  const auto event = behind->Next({});
  ASSERT_TRUE(event.ok() && *event);
  EXPECT_EQ((*event)->type, WatchEventType::kError);
  EXPECT_TRUE(kube::IsExpired((*event)->status));
  EXPECT_EQ(Next(current.get()), "ERROR ");  // too slow a reader
  ListOptions list;
  list.resource_version = "999999";
  EXPECT_TRUE(kube::IsTooLargeResourceVersion(client_.List({}, kThings, list).status()));
}

TEST_F(FakeClientTest, ListsInPages) {
  for (const char* name : {"a", "b", "c"}) Create(Thing(name));
  ListOptions options;
  options.limit = 2;
  ObjectList page = *client_.List({}, kThings, options);
  EXPECT_EQ(page.items.size(), 2u);
  options.continue_token = page.continue_token;
  page = *client_.List({}, kThings, options);
  ASSERT_EQ(page.items.size(), 1u);
  EXPECT_EQ(page.items[0].name(), "c");
  EXPECT_EQ(page.continue_token, "");
  server_.Compact();
  EXPECT_TRUE(kube::IsExpired(client_.List({}, kThings, options).status()));
}

TEST_F(FakeClientTest, FaultsHappenAsOftenAsInjected) {
  Fault fault;
  fault.verb = "create";
  fault.error = ForbiddenError(kThings.resource, "create", "a");
  fault.carried_out = true;
  client_.Inject(fault);
  EXPECT_TRUE(kube::IsForbidden(client_.Create({}, kThings, Thing("a"), {}).status()));
  EXPECT_TRUE(server_.Find(kThings, "a"));
  EXPECT_TRUE(client_.Create({}, kThings, Thing("b"), {}).ok());
  client_.SetPartitioned(true);
  EXPECT_TRUE(kube::IsConnectionRefused(client_.Get({}, kThings, "a").status()));
  client_.SetPartitioned(false);
  EXPECT_TRUE(client_.Get({}, kThings, "a").ok());
  EXPECT_EQ(client_.count("create"), 2u);
}

TEST_F(FakeClientTest, AHangingCallEndsAtItsDeadlineOrWhenStopped) {
  Fault fault;
  fault.times = 2;
  fault.delay = Duration::max();
  client_.Inject(fault);
  std::thread slow([&] {
    const Context context{{}, time_.Now() + seconds(5)};
    EXPECT_TRUE(absl::IsDeadlineExceeded(client_.Get(context, kThings, "a").status()));
  });
  ASSERT_TRUE(time_.AwaitWaiter(seconds(5)));
  time_.Advance(seconds(5));
  slow.join();
  std::stop_source stop;
  std::thread stopped([&] {
    EXPECT_TRUE(absl::IsCancelled(client_.Get({stop.get_token()}, kThings, "a").status()));
  });
  ASSERT_TRUE(time_.AwaitWaiter(Time::max()));
  stop.request_stop();
  stopped.join();
}

TEST_F(FakeClientTest, ApplyOwnsFieldsByManager) {
  Object mine = Thing("a", 1);
  mine.SetLabel("app", "x");
  ASSERT_TRUE(client_.Apply({}, kThings, mine, {"operator", true}).ok());
  Object theirs("fractos.dev/v1alpha1", "Thing", "ns", "a");
  theirs.mutable_spec()["replicas"] = 3;
  EXPECT_TRUE(kube::IsConflict(client_.Apply({}, kThings, theirs, {"kubectl", false}).status()));
  EXPECT_EQ(
      IntegerMember(client_.Apply({}, kThings, theirs, {"kubectl", true})->spec(), "replicas"), 3);
  // What a manager no longer applies, and nobody else does, goes.
  const Object after = *client_.Apply(
      {}, kThings, Object("fractos.dev/v1alpha1", "Thing", "ns", "a"), {"operator", true});
  EXPECT_EQ(after.label("app"), "");
  EXPECT_EQ(IntegerMember(after.spec(), "replicas"), 3);
  Object status("fractos.dev/v1alpha1", "Thing", "ns", "a");
  status.mutable_status()["ready"] = 1;
  EXPECT_EQ(IntegerMember(client_.ApplyStatus({}, kThings, status, {"operator", true})->status(),
                          "ready"),
            1);
}

}  // namespace
}  // namespace fractos::kube
