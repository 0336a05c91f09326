#include "lib/kube/event_recorder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <thread>

#include "absl/strings/str_cat.h"
#include "lib/kube/errors.h"
#include "tests/unit/lib/kube/fake_client.h"
#include "tests/unit/lib/kube/fake_time.h"

namespace fractos::kube {
namespace {

using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

const Collection kCollection{kEvents, "ns"};

class EventRecorderTest : public ::testing::Test {
 protected:
  EventRecorderTest() { recorder_.emplace(&client_, &time_, &random_, options_); }

  void Event(absl::string_view message, absl::string_view name = "graph") {
    Object graph("fractos.dev/v1alpha1", "TaskGraph", "ns", name);
    graph.mutable_metadata()["uid"] = "u";
    recorder_->Event(graph, EventType::kWarning, "StepFailed", message);
  }
  // Waits until so many were dealt with, one way or the other.
  EventRecorder::Stats AwaitStats(uint64_t n) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (std::chrono::steady_clock::now() < deadline) {
      const EventRecorder::Stats stats = recorder_->stats();
      if (stats.written + stats.filtered + stats.failed >= n) return stats;
      std::this_thread::yield();
    }
    return recorder_->stats();
  }
  Object Only() {
    const std::vector<Object> events = server_.All(kCollection);
    EXPECT_EQ(events.size(), 1u);
    return events.empty() ? Object() : events[0];
  }

  FakeTime time_;
  FakeApiServer server_{&time_};
  FakeClient client_{&server_};
  SeededRandom random_{1};
  EventRecorder::Options options_{"fractos-operator", "pod-0"};
  std::optional<EventRecorder> recorder_;
};

TEST_F(EventRecorderTest, WritesWhatDescribeShows) {
  // promise: K-86
  Event("step a failed");
  EXPECT_EQ(AwaitStats(1).written, 1u);
  const Object event = Only();
  EXPECT_EQ(event.api_version(), "v1");
  EXPECT_EQ(event.kind(), "Event");
  EXPECT_THAT(event.name(), MatchesRegex("graph\\.[0-9a-f]+"));
  const Json& about = Member(event.json(), "involvedObject");
  EXPECT_EQ(StringMember(about, "apiVersion"), "fractos.dev/v1alpha1");
  EXPECT_EQ(StringMember(about, "kind"), "TaskGraph");
  EXPECT_EQ(StringMember(about, "namespace"), "ns");
  EXPECT_EQ(StringMember(about, "name"), "graph");
  EXPECT_EQ(StringMember(about, "uid"), "u");
  EXPECT_EQ(StringMember(event.json(), "type"), "Warning");
  EXPECT_EQ(StringMember(event.json(), "reason"), "StepFailed");
  EXPECT_EQ(StringMember(event.json(), "message"), "step a failed");
  EXPECT_EQ(StringMember(Member(event.json(), "source"), "component"), "fractos-operator");
  EXPECT_EQ(StringMember(event.json(), "reportingInstance"), "pod-0");
  EXPECT_EQ(StringMember(event.json(), "firstTimestamp"), "2023-11-14T23:13:20Z");
  EXPECT_EQ(IntegerMember(event.json(), "count"), 1);
}

TEST_F(EventRecorderTest, CountsTheSameAgain) {
  // promise: K-87
  Event("m");
  AwaitStats(1);
  time_.Advance(seconds(5));
  Event("m");
  EXPECT_EQ(AwaitStats(2).written, 2u);
  EXPECT_EQ(IntegerMember(Only().json(), "count"), 2);
  EXPECT_EQ(StringMember(Only().json(), "firstTimestamp"), "2023-11-14T23:13:20Z");
  EXPECT_EQ(StringMember(Only().json(), "lastTimestamp"), "2023-11-14T23:13:25Z");
  EXPECT_EQ(client_.count("create"), 1u);
  EXPECT_EQ(client_.count("patch"), 1u);
}

TEST_F(EventRecorderTest, AnEventThatHasExpiredIsMadeAgain) {
  // promise: K-87
  Event("m");
  AwaitStats(1);
  server_.Remove(kCollection, Only().name());
  Event("m");
  EXPECT_EQ(AwaitStats(2).written, 2u);
  EXPECT_EQ(IntegerMember(Only().json(), "count"), 2);
}

TEST_F(EventRecorderTest, EventsOfOneInstantHaveNamesOfTheirOwn) {
  Event("one");
  Event("two");
  EXPECT_EQ(AwaitStats(2).written, 2u);
  EXPECT_EQ(server_.All(kCollection).size(), 2u);
}

TEST_F(EventRecorderTest, TriesTwelveTimesWhenTheServerIsAway) {
  // promise: K-90
  Fault away;
  away.error = MakeError(TransportFailure::kConnectionRefused, "refused");
  away.times = -1;
  client_.Inject(away);
  Event("m");
  for (int i = 1; i < 12; ++i) {
    const Duration wait = i == 1 ? time_.AwaitWaiterWithin(Duration(1), seconds(10))
                                 : time_.AwaitWaiterWithin(seconds(10), seconds(10));
    ASSERT_GT(wait, Duration(0)) << i;
    time_.Advance(wait);
  }
  EXPECT_EQ(AwaitStats(1).failed, 1u);
  EXPECT_EQ(client_.count("create"), 12u);
  EXPECT_THAT(std::string(recorder_->last_error().message()), HasSubstr("refused"));
}

TEST_F(EventRecorderTest, WhatTheServerRefusesIsNotTriedAgain) {
  // promise: K-90
  Fault refused;
  refused.error = ForbiddenError(kEvents, "create", "");
  client_.Inject(refused);
  Event("m");
  EXPECT_EQ(AwaitStats(1).failed, 1u);
  Event("m");
  EXPECT_EQ(AwaitStats(2).written, 1u);
}

TEST_F(EventRecorderTest, DropsWhatDoesNotFitTheQueue) {
  // promise: K-91
  Fault hang;
  hang.delay = Duration::max();
  client_.Inject(hang);
  Event("m");
  ASSERT_TRUE(client_.AwaitCalls("create", 1));
  for (int i = 0; i < 1010; ++i) Event("m", absl::StrCat("g", i % 50));
  EXPECT_EQ(recorder_->stats().overflowed, 10u);
  ASSERT_TRUE(time_.AwaitWaiter(seconds(10)));
  time_.Advance(seconds(10));  // the request
  const Duration wait = time_.AwaitWaiterWithin(Duration(1), seconds(10));
  time_.Advance(wait);
  EXPECT_EQ(AwaitStats(1001).failed, 0u);
}

TEST_F(EventRecorderTest, WritesWhatIsQueuedWhenItEnds) {
  Event("m");
  Event("n");
  recorder_.reset();
  EXPECT_EQ(server_.All(kCollection).size(), 2u);
}

TEST_F(EventRecorderTest, EndsSoonThoughTheServerIsAway) {
  Fault away;
  away.error = MakeError(TransportFailure::kConnectionRefused, "refused");
  away.times = -1;
  client_.Inject(away);
  Event("m");
  Event("n");
  recorder_.reset();  // each once more, without a wait
  EXPECT_LE(client_.count("create"), 3u);
}

TEST_F(EventRecorderTest, EndsSoonThoughTheServerHangs) {
  Fault refused;
  refused.error = MakeError(TransportFailure::kConnectionRefused, "refused");
  client_.Inject(refused);
  Fault hang;
  hang.delay = Duration::max();
  hang.times = -1;
  client_.Inject(hang);
  Event("m");
  Event("n");
  ASSERT_GT(time_.AwaitWaiterWithin(Duration(1), seconds(10)), Duration(0));
  std::thread end([&] { recorder_.reset(); });
  // It waits no longer to try the first again, and has 5 s for the second.
  ASSERT_TRUE(client_.AwaitCalls("create", 2));
  ASSERT_TRUE(time_.AwaitWaiter(seconds(5)));
  time_.Advance(seconds(5));
  end.join();
  EXPECT_EQ(client_.count("create"), 2u);
}

TEST_F(EventRecorderTest, FitsWhatTheServerTakes) {
  // promise: K-86
  const Object node("v1", "Node", "", "node-1");
  recorder_->Event(node, EventType::kNormal, "Ready", "m");
  AwaitStats(1);
  EXPECT_EQ(server_.All({kEvents, "default"}).size(), 1u);
  Event(absl::StrCat(std::string(1020, 'x'), "äää"), "system:odd");
  AwaitStats(2);
  const Object event = Only();
  EXPECT_THAT(event.name(), MatchesRegex("[0-9a-f]+"));
  const std::string message = StringMember(event.json(), "message");
  EXPECT_LE(message.size(), 1024u);
  EXPECT_EQ(message.substr(message.size() - 4), "x...");
}

}  // namespace
}  // namespace fractos::kube
