// The driver over real Links, for what its cores do not see.
#include "lib/driver/driver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "lib/driver/memory_record_store.h"
#include "lib/link/link_table.h"
#include "tests/unit/lib/driver/silent_memory.h"
#include "tests/unit/lib/protocol/builders.h"

namespace fractos {
namespace {

// A daemon that only listens, and says what the test tells it to.
class Peer : public LinkObserver {
 public:
  Peer(EventLoop* loop, const std::string& endpoint, uint32_t replica = 0, uint64_t epoch = 0,
       const std::string& memory = "")
      : links_(loop, {Replica("default/a", replica), epoch, "", memory}, this, {}) {
    const absl::Status status = links_.Listen(endpoint);
    EXPECT_TRUE(status.ok()) << status;
  }
  void OnPeer(const PeerInfo& peer) override {
    absl::MutexLock lock(&mutex_);
    driver_ = peer.self.address;
  }
  void OnPeerLost(const Address&) override {}
  void OnMessages(const Incarnation&, std::vector<Message> messages) override {
    absl::MutexLock lock(&mutex_);
    for (Message& message : messages) messages_.push_back(std::move(message));
  }

  // Waits for the driver's Link, and tells it.
  void Tell(Message message) {
    absl::MutexLock lock(&mutex_);
    const auto linked = [this]()
                            ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return !driver_.IsNone(); };
    ASSERT_TRUE(mutex_.AwaitWithTimeout(absl::Condition(&linked), absl::Seconds(10)));
    links_.Send(driver_, std::move(message));
  }
  std::vector<Message> WaitForMessages(size_t count) {
    absl::MutexLock lock(&mutex_);
    const auto there = [this, count]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return messages_.size() >= count;
    };
    mutex_.AwaitWithTimeout(absl::Condition(&there), absl::Seconds(10));
    return messages_;
  }
  // Whether it is told that `run` is over, whatever it is told before.
  bool WaitForEnd(const RunId& run) {
    return WaitFor<End>([&run](const End& end) { return end.run == run; });
  }
  bool WaitForQuery(const RunId& run) {
    return WaitFor<Query>([&run](const Query& it) { return it.run == run; });
  }
  bool WaitForHandOver(const StepPath& step) {
    return WaitFor<HandOver>([&step](const HandOver& it) { return it.step().path == step; });
  }

 private:
  template <typename M, typename F>
  bool WaitFor(F matches) {
    absl::MutexLock lock(&mutex_);
    const auto there = [this, &matches]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return absl::c_any_of(messages_, [&matches](const Message& message) {
        const M* const one = std::get_if<M>(&message);
        return one != nullptr && matches(*one);
      });
    };
    return mutex_.AwaitWithTimeout(absl::Condition(&there), absl::Seconds(10));
  }

  LinkTable links_;
  absl::Mutex mutex_;
  Address driver_ ABSL_GUARDED_BY(mutex_);
  std::vector<Message> messages_ ABSL_GUARDED_BY(mutex_);
};

// A driver and one daemon to drive, which must be linked before anything is expected of it.
class DriverTest : public ::testing::Test {
 protected:
  DriverTest() {
    EXPECT_NE(::mkdtemp(folder_.data()), nullptr);
    endpoint_ = "unix:" + folder_ + "/peer";
    peer_.emplace(&loop_, endpoint_, 0, 0, memory_.endpoint());
    options_.name = "test";
    options_.record_writers = 2;
    options_.on_peer_lost = [this](const Address&) {
      if (!lost_.HasBeenNotified()) lost_.Notify();
    };
  }
  ~DriverTest() override {
    loop_.Stop();
    if (thread_.joinable()) thread_.join();
    std::filesystem::remove_all(folder_);
  }
  // With what stands in options_.
  void Start() {
    driver_ = Driver::Create(&loop_, options_, &store_, &clock_, &random_).value();
    thread_ = std::thread([this] { loop_.Run(); });
    driver_->Learn({{"default/a", {endpoint_}, 0, 0}});
  }

  static Plan OneStep() {
    Plan plan;
    plan.steps = {NewStep("one")};
    plan.clusters = {"default/a"};
    plan.deadline = std::chrono::seconds(60);
    return plan;
  }

  // A Centralized run whose only step has given 12 bytes, which never come.
  RunId StartPulling(const std::string& name) {
    Plan plan = OneStep();
    plan.mode = Mode::kCentralized;
    RunRecord record;
    record.run = NamedId<RunId>(name);
    EXPECT_TRUE(driver_->Start(plan, record, 0, nullptr).ok());
    const Value value = LargeValue("twelve bytes", Replica("default/a"));
    peer_->Tell(Report{record.run, 1, {NewResult(record.run, *plan.steps[0], {}, value)}, {}, {}});
    // Answered after it.
    const RunId unknown = NamedId<RunId>(name + ", which is unknown");
    peer_->Tell(FetchRedrive{unknown});
    EXPECT_TRUE(peer_->WaitForEnd(unknown));
    return record.run;
  }
  // A Centralized run whose first step has given "bytes"; the second is said to have given the
  // driver's own copy of them, as one of `size` bytes.
  RunId StartHandingBack(uint64_t size) {
    Plan plan = OneStep();
    plan.mode = Mode::kCentralized;
    plan.steps.push_back(NewStep("two", {"one"}));
    RunRecord record;
    record.run = NamedId<RunId>("own");
    peer_->Tell(Accepted{{record.run, "one", ResultId()}, 1});  // once the Link is there
    EXPECT_TRUE(driver_->Start(plan, record, 0, nullptr).ok());
    EXPECT_TRUE(peer_->WaitForHandOver("one"));
    const ResultPtr one =
        NewResult(record.run, *plan.steps[0], {}, InlineValue("bytes", Replica("default/a")));
    peer_->Tell(Report{record.run, 1, {one}, {}, {}});
    EXPECT_TRUE(peer_->WaitForHandOver("two"));
    Value own;
    for (const Message& message : peer_->WaitForMessages(0)) {
      const auto* const over = std::get_if<HandOver>(&message);
      if (over != nullptr && over->step().path == "two") own = over->result->value;
    }
    EXPECT_TRUE(own.owner.address.IsDriver());
    own.inline_bytes = nullptr;
    own.size = size;
    peer_->Tell(Report{record.run, 1, {NewResult(record.run, *plan.steps[1], {one}, own)}, {}, {}});
    return record.run;
  }
  bool HasRoom(const RunId& run) const {
    return driver_->Snapshot(run)->record.failure.reason != "MemoryExhausted";
  }

  SilentMemory memory_;
  std::string folder_ = "/tmp/fractos-driver-XXXXXX";
  std::string endpoint_;
  EventLoop loop_;
  SystemClock clock_;
  SystemRandom random_;
  MemoryRecordStore store_;
  absl::Notification lost_;
  std::optional<Peer> peer_;
  Driver::Options options_;
  std::unique_ptr<Driver> driver_;
  std::thread thread_;
};

// A daemon that reports an unknown run is told to forget it.
// promise: R-19
TEST_F(DriverTest, ADaemonThatSpeaksOfAnUnknownRunIsToldToForgetIt) {
  const RunId reported = NamedId<RunId>("reported"), asked = NamedId<RunId>("asked");
  Start();
  peer_->Tell(Accepted{{reported, "step", ResultId()}, 1});  // waits for nothing
  peer_->Tell(Report{reported, 1, {}, {}, {"step"}});
  peer_->Tell(FetchRedrive{asked});
  const std::vector<Message> answers = peer_->WaitForMessages(2);
  ASSERT_EQ(answers.size(), 2u);
  ASSERT_TRUE(std::holds_alternative<End>(answers[0])) << DebugString(answers[0]);
  EXPECT_EQ(std::get<End>(answers[0]).run, reported);
  ASSERT_TRUE(std::holds_alternative<End>(answers[1])) << DebugString(answers[1]);
  EXPECT_EQ(std::get<End>(answers[1]).run, asked);
}

// promise: R-19
TEST_F(DriverTest, ADaemonThatSpeaksOfARunStillToBeTakenOverIsNotTold) {
  const RunId ours = NamedId<RunId>("to be taken over"), over = NamedId<RunId>("over");
  options_.is_over = [&over](const RunId& run) { return run == over; };
  Start();
  peer_->Tell(Report{ours, 1, {}, {}, {"step"}});
  peer_->Tell(Report{over, 1, {}, {}, {"step"}});
  EXPECT_TRUE(peer_->WaitForEnd(over));
  EXPECT_THAT(peer_->WaitForMessages(1), ::testing::SizeIs(1)) << "of the first nothing is said";
}

// promise: O-36
TEST_F(DriverTest, TheDaemonsOfAnAbandonedRunAreToldToForgetIt) {
  Start();
  RunRecord record;
  record.run = NamedId<RunId>("deleted");
  peer_->Tell(Accepted{{record.run, "one", ResultId()}, 1});  // once the Link is there
  ASSERT_TRUE(driver_->Start(OneStep(), record, 0, nullptr).ok());
  driver_->Abandon(record.run);
  EXPECT_TRUE(peer_->WaitForEnd(record.run));
  EXPECT_TRUE(absl::IsNotFound(driver_->Snapshot(record.run).status()));
}

// promise: H-44
TEST_F(DriverTest, ARunUnderWayIsHandedToALeaderThatItsClusterGotMeanwhile) {
  Start();
  RunRecord record;
  record.run = NamedId<RunId>("under way");
  ASSERT_TRUE(driver_->Start(OneStep(), record, 0, nullptr).ok());
  ASSERT_TRUE(peer_->WaitForHandOver("one"));
  const std::string endpoint = "unix:" + folder_ + "/second";
  EventLoop loop;  // each can serve one endpoint
  Peer second(&loop, endpoint, 1, /*epoch=*/2);
  std::thread thread([&loop] { loop.Run(); });
  driver_->Learn({{"default/a", {endpoint_, endpoint}, 0, 0}});
  EXPECT_TRUE(second.WaitForHandOver("one"));
  loop.Stop();
  thread.join();
}

// Who sees a run sees it started: an event in between would be a step of nothing.
// promise: R-22
TEST_F(DriverTest, NobodySeesARunThatHasNotStarted) {
  Start();
  std::vector<RunId> runs;
  for (int i = 0; i < 2000; ++i) runs.push_back(NamedId<RunId>("run " + std::to_string(i)));
  int early = 0;
  std::thread watcher([this, &runs, &early] {
    for (const RunId& run : runs) {
      absl::StatusOr<RunSnapshot> seen = driver_->Snapshot(run);
      while (!seen.ok()) seen = driver_->Snapshot(run);
      if (seen->record.redrive == 0) ++early;
    }
  });
  for (const RunId& run : runs) {
    RunRecord record;
    record.run = run;
    EXPECT_TRUE(driver_->Start(OneStep(), record, 0, nullptr).ok());
  }
  watcher.join();
  EXPECT_EQ(early, 0);
}

// Without a look at the quota it would be fetched, from where this daemon serves nothing.
// promise: O-50
TEST_F(DriverTest, AValueThatItHasNoRoomForIsNotFetched) {
  options_.memory_quota_bytes = 10;
  Start();
  Plan plan = OneStep();
  plan.mode = Mode::kCentralized;
  RunRecord record;
  record.run = NamedId<RunId>("large");
  peer_->Tell(Accepted{{record.run, "one", ResultId()}, 1});  // once the Link is there
  ASSERT_TRUE(driver_->Start(plan, record, 0, nullptr).ok());
  ASSERT_EQ(peer_->WaitForMessages(1).size(), 1u);
  peer_->Tell(Report{
      record.run,
      1,
      {NewResult(record.run, *plan.steps[0], {}, LargeValue("twelve bytes", Replica("default/a")))},
      {},
      {}});
  ASSERT_TRUE(peer_->WaitForEnd(record.run));
  EXPECT_EQ(driver_->Snapshot(record.run)->record.failure.reason, "MemoryExhausted");
}

// A report leaves out bytes where they are many, also those of a value that the driver itself gave.
// promise: R-14
TEST_F(DriverTest, AnOutputOfItsOwnIsReadFromItsOwnMemory) {
  Start();
  const RunId run = StartHandingBack(5);
  ASSERT_TRUE(peer_->WaitForEnd(run));
  const absl::StatusOr<RunSnapshot> ended = driver_->Snapshot(run);
  EXPECT_EQ(ended->record.phase, RunPhase::kSucceeded);
  EXPECT_EQ(*ended->record.steps.at("two")->value.inline_bytes, "bytes");
}

// Else what is small by its report alone would get into the record, however large it is.
// promise: R-23
TEST_F(DriverTest, AnOutputOfItsOwnThatIsNotAsLongAsReportedIsLost) {
  options_.hold_window = std::chrono::milliseconds(1);
  Start();
  const RunId run = StartHandingBack(4);
  ASSERT_TRUE(peer_->WaitForQuery(run)) << "who has it";
  const absl::StatusOr<RunSnapshot> going_on = driver_->Snapshot(run);
  EXPECT_EQ(going_on->record.phase, RunPhase::kRunning);
  EXPECT_EQ(going_on->record.steps.at("two")->value.inline_bytes, nullptr);
}

// Which leaves room for those of others.
// promise: M-24
TEST_F(DriverTest, WhatARunPullsWhenItIsLetGoOfNeedNotCome) {
  options_.memory_quota_bytes = 20;
  Start();
  peer_->Tell(FetchRedrive{NamedId<RunId>("unknown")});  // once the Link is there
  ASSERT_TRUE(peer_->WaitForEnd(NamedId<RunId>("unknown")));
  RunId pulling = StartPulling("first");
  int runs = 0;
  using LetGo = void (Driver::*)(const RunId&);
  for (const LetGo let_go : {&Driver::Forget, &Driver::Abandon, &Driver::Cancel}) {
    EXPECT_FALSE(HasRoom(StartPulling(absl::StrCat("beside ", ++runs))));
    (*driver_.*let_go)(pulling);
    // Before the pull is given up anyway. It ends soon, on a thread that nobody can wait for.
    const Time given_up = clock_.Now() + std::chrono::seconds(5);
    do {
      ASSERT_LT(clock_.Now(), given_up);
      pulling = StartPulling(absl::StrCat("after ", ++runs));
    } while (!HasRoom(pulling));
  }
}

TEST_F(DriverTest, LetsGoOfReplicasThatThereAreNoLonger) {
  Start();
  peer_->Tell(FetchRedrive{NamedId<RunId>("unknown")});
  ASSERT_EQ(peer_->WaitForMessages(1).size(), 1u);
  EXPECT_EQ(driver_->peers().size(), 1u);
  driver_->Learn({{"default/a", {}, 0, 0}});
  EXPECT_TRUE(lost_.WaitForNotificationWithTimeout(absl::Seconds(10)));
  EXPECT_TRUE(driver_->peers().empty());
  driver_->Unlearn("default/a");
  EXPECT_TRUE(driver_->clusters().empty());
}

}  // namespace
}  // namespace fractos
