#include "daemon/election/file_election.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "daemon/election/epoch_file.h"
#include "lib/base/random.h"
#include "lib/base/unique_fd.h"
#include "tests/unit/lib/runtime/no_descriptors.h"

namespace fractos {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(20);

class Recorder final : public ElectionObserver {
 public:
  void OnElected(uint64_t epoch) override {
    absl::MutexLock lock(&mutex_);
    elected_.push_back(epoch);
  }
  void OnLeader(const LeaderInfo& leader) override {
    absl::MutexLock lock(&mutex_);
    leaders_.push_back(leader);
  }
  void OnElectionError(const absl::Status& why) override {
    absl::MutexLock lock(&mutex_);
    errors_.push_back(why);
  }

  // The n-th epoch won, counting from 1; 0 when it does not come.
  uint64_t AwaitElected(size_t n) {
    absl::MutexLock lock(&mutex_);
    auto there = [this, n]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return elected_.size() >= n; };
    return mutex_.AwaitWithTimeout(absl::Condition(&there), kPatience) ? elected_[n - 1] : 0;
  }
  LeaderInfo AwaitLeader(uint64_t epoch) {
    absl::MutexLock lock(&mutex_);
    auto there = [this, epoch]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
      return !leaders_.empty() && leaders_.back().epoch >= epoch;
    };
    return mutex_.AwaitWithTimeout(absl::Condition(&there), kPatience) ? leaders_.back()
                                                                       : LeaderInfo();
  }
  bool AwaitErrorAbout(absl::string_view words) {
    absl::MutexLock lock(&mutex_);
    auto there = [this, words]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
      return std::any_of(errors_.begin(), errors_.end(), [words](const absl::Status& error) {
        return error.message().find(words) != absl::string_view::npos;
      });
    };
    return mutex_.AwaitWithTimeout(absl::Condition(&there), kPatience);
  }
  absl::Status AwaitError() {
    absl::MutexLock lock(&mutex_);
    auto there = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return !errors_.empty(); };
    return mutex_.AwaitWithTimeout(absl::Condition(&there), kPatience) ? errors_.front()
                                                                       : absl::OkStatus();
  }
  size_t times_elected() const {
    absl::MutexLock lock(&mutex_);
    return elected_.size();
  }

 private:
  mutable absl::Mutex mutex_;
  std::vector<uint64_t> elected_ ABSL_GUARDED_BY(mutex_);
  std::vector<LeaderInfo> leaders_ ABSL_GUARDED_BY(mutex_);
  std::vector<absl::Status> errors_ ABSL_GUARDED_BY(mutex_);
};

class FileElectionTest : public ::testing::Test {
 protected:
  FileElectionTest() {
    std::string path = ::testing::TempDir() + "/electionXXXXXX";
    directory_ = mkdtemp(path.data());
    folder_ = ElectionFolder(directory_, "default/math");
  }
  ~FileElectionTest() override { std::filesystem::remove_all(directory_); }

  std::unique_ptr<FileElection> Stand(uint32_t replica, Recorder* recorder) {
    Incarnation self{{"default/math", replica}, random_.NewId<BootId>()};
    auto election = FileElection::Create({folder_, self}, recorder).value();
    election->Start();
    return election;
  }
  void WriteEpochFile(const std::string& text) {
    std::filesystem::create_directories(folder_);
    std::ofstream(folder_ + "/epoch") << text;
  }

  SystemRandom random_;
  std::string directory_;
  std::string folder_;
};

// A replica in a process of its own, which says on a pipe each epoch that it wins. It is this
// program once more: what is forked from a process with threads may not even allocate.
class ReplicaProcess {
 public:
  ReplicaProcess(const std::string& folder, uint32_t replica) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return;
    said_ = UniqueFd(ends[0]);
    UniqueFd say(ends[1]);
    const std::string number = absl::StrCat(replica);
    pid_ = fork();
    if (pid_ != 0) return;
    dup2(say.get(), 1);
    execl("/proc/self/exe", "replica", "--replica", folder.c_str(), number.c_str(), nullptr);
    _exit(127);
  }
  ~ReplicaProcess() { Kill(); }

  // The next epoch it wins; 0 when it does not.
  uint64_t AwaitEpoch() {
    pollfd fd{said_.get(), POLLIN, 0};
    uint64_t epoch = 0;
    if (poll(&fd, 1, 20'000) != 1) return 0;
    return read(said_.get(), &epoch, sizeof(epoch)) == sizeof(epoch) ? epoch : 0;
  }
  bool HasWon() {
    pollfd fd{said_.get(), POLLIN, 0};
    return poll(&fd, 1, 0) == 1;
  }
  void Kill() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }

 private:
  pid_t pid_ = 0;
  UniqueFd said_;
};

TEST_F(FileElectionTest, TheFirstEpochIsOneAndDurableBeforeItIsAnnounced) {
  // promise: E-02
  class Checker final : public ElectionObserver {
   public:
    explicit Checker(std::string folder) : folder_(std::move(folder)) {}
    void OnElected(uint64_t epoch) override {
      absl::StatusOr<uint64_t> recorded = ReadEpoch(folder_ + "/epoch");
      absl::MutexLock lock(&mutex_);
      agrees_ = recorded.ok() && *recorded == epoch && epoch == 1;
      done_ = true;
    }
    void OnLeader(const LeaderInfo&) override {}
    void OnElectionError(const absl::Status&) override {}
    bool Await() {
      absl::MutexLock lock(&mutex_);
      mutex_.AwaitWithTimeout(absl::Condition(&done_), kPatience);
      return agrees_;
    }

   private:
    const std::string folder_;
    absl::Mutex mutex_;
    bool done_ ABSL_GUARDED_BY(mutex_) = false;
    bool agrees_ ABSL_GUARDED_BY(mutex_) = false;
  };
  Checker checker(folder_);
  auto election = FileElection::Create({folder_, {{"default/math", 0}, BootId()}}, &checker);
  ASSERT_TRUE(election.ok()) << election.status();
  (*election)->Start();
  EXPECT_TRUE(checker.Await());
}

// promise: E-01, E-03
TEST_F(FileElectionTest, WhenALeaderIsKilledTheNextOneLeadsUnderAHigherEpoch) {
  std::vector<std::unique_ptr<ReplicaProcess>> replicas;
  replicas.push_back(std::make_unique<ReplicaProcess>(folder_, 0));
  ASSERT_EQ(replicas.back()->AwaitEpoch(), 1u);
  replicas.push_back(std::make_unique<ReplicaProcess>(folder_, 1));
  for (uint64_t epoch = 2; epoch <= 10; ++epoch) {
    ReplicaProcess& leader = *replicas[replicas.size() - 2];
    ReplicaProcess& next = *replicas.back();
    EXPECT_FALSE(next.HasWon()) << "one leads at a time";
    leader.Kill();
    EXPECT_EQ(next.AwaitEpoch(), epoch);
    replicas.push_back(std::make_unique<ReplicaProcess>(folder_, static_cast<uint32_t>(epoch)));
  }
}

TEST_F(FileElectionTest, AmongManyOneLeadsAndEachLeaversPlaceIsTakenOnce) {
  Recorder recorder;  // of them all
  std::vector<std::unique_ptr<FileElection>> elections;
  for (uint32_t i = 0; i < 4; ++i) elections.push_back(Stand(i, &recorder));
  std::set<uint32_t> led;
  for (size_t round = 1; round <= 4; ++round) {
    EXPECT_EQ(recorder.AwaitElected(round), round);
    EXPECT_EQ(recorder.times_elected(), round);
    std::optional<LeaderInfo> leader = ReadLeader(folder_ + "/leader");
    ASSERT_TRUE(leader.has_value());
    EXPECT_EQ(leader->epoch, round);
    led.insert(leader->replica);
    elections[leader->replica] = nullptr;
  }
  EXPECT_EQ(led.size(), 4u);
}

TEST_F(FileElectionTest, FollowersLearnWhoLeads) {
  Recorder first;
  Recorder second;
  auto leader = Stand(2, &first);
  ASSERT_EQ(first.AwaitElected(1), 1u);
  auto follower = Stand(0, &second);
  LeaderInfo seen = second.AwaitLeader(1);
  EXPECT_EQ(seen.replica, 2u);
  EXPECT_EQ(seen.epoch, 1u);
  leader->Resign();
  EXPECT_EQ(second.AwaitElected(1), 2u);
  EXPECT_EQ(first.AwaitLeader(2).replica, 0u) << "who resigned still learns who leads";
}

TEST_F(FileElectionTest, AFollowerThatCannotWatchLooksNowAndThen) {
  Recorder first;
  Recorder second;
  auto leader = Stand(2, &first);
  ASSERT_EQ(first.AwaitElected(1), 1u);
  auto follower =
      FileElection::Create({folder_, {{"default/math", 0}, random_.NewId<BootId>()}}, &second)
          .value();
  {
    NoDescriptors none;
    follower->Start();
    EXPECT_TRUE(second.AwaitErrorAbout("cannot watch"));
  }
  EXPECT_EQ(second.AwaitLeader(1).replica, 2u);
}

TEST_F(FileElectionTest, SteppingDownStandsAgainAboveTheEpochSeen) {
  Recorder recorder;
  auto election = Stand(0, &recorder);
  ASSERT_EQ(recorder.AwaitElected(1), 1u);
  election->StepDown(41);
  EXPECT_EQ(recorder.AwaitElected(2), 42u);
  EXPECT_EQ(ReadEpoch(folder_ + "/epoch").value(), 42u);
  election->StepDown(7);                // old news
  election->StepDown(uint64_t{0} - 1);  // no epoch at all
  election->StepDown(50);
  EXPECT_EQ(recorder.AwaitElected(3), 51u);
}

TEST_F(FileElectionTest, StoppingDoesNotWaitForTheLock) {
  Recorder first;
  Recorder second;
  auto leader = Stand(0, &first);
  ASSERT_EQ(first.AwaitElected(1), 1u);
  auto blocked = Stand(1, &second);
  EXPECT_EQ(second.AwaitLeader(1).epoch, 1u);
  blocked = nullptr;  // hangs here if flock cannot be interrupted
  EXPECT_EQ(second.times_elected(), 0u);
}

// promise: E-04
TEST_F(FileElectionTest, AChildThatOutlivesTheLeaderDoesNotHoldTheLock) {
  Recorder first;
  auto leader = Stand(0, &first);
  ASSERT_EQ(first.AwaitElected(1), 1u);
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  pid_t child = fork();
  if (child == 0) {
    close(ends[1]);
    dup2(ends[0], 0);
    execlp("cat", "cat", static_cast<char*>(nullptr));  // until the pipe closes
    _exit(127);
  }
  close(ends[0]);
  // Its close-on-exec descriptors are gone once it runs its program.
  std::error_code error;
  const auto own = std::filesystem::read_symlink("/proc/self/exe");
  const std::string link = absl::StrCat("/proc/", child, "/exe");
  while (std::filesystem::read_symlink(link, error) == own) sched_yield();
  leader = nullptr;
  UniqueFd lock(open((folder_ + "/lock").c_str(), O_RDWR | O_CLOEXEC));
  EXPECT_EQ(flock(lock.get(), LOCK_EX | LOCK_NB), 0);
  close(ends[1]);
  waitpid(child, nullptr, 0);
}

// promise: E-07
TEST_F(FileElectionTest, ADamagedEpochFileIsAnErrorThatNamesItUntilItIsMended) {
  const std::string kTooLong = "7" + std::string(5000, '\n');
  for (const std::string& damage :
       {std::string(), std::string("\n"), std::string("seven"), std::string("-1"),
        std::string("1.5"), std::string("12 34"), std::string("0x10"),
        std::string("18446744073709551615"), std::string("99999999999999999999999"), kTooLong}) {
    WriteEpochFile(damage);
    absl::StatusOr<uint64_t> epoch = ReadEpoch(folder_ + "/epoch");
    EXPECT_TRUE(absl::IsDataLoss(epoch.status())) << "\"" << damage << "\": " << epoch.status();
    EXPECT_NE(epoch.status().message().find(folder_ + "/epoch"), absl::string_view::npos);
  }
  Recorder recorder;
  auto election = Stand(0, &recorder);
  EXPECT_TRUE(absl::IsDataLoss(recorder.AwaitError()));
  EXPECT_EQ(recorder.times_elected(), 0u);
  WriteEpochFile("17\n");
  EXPECT_EQ(recorder.AwaitElected(1), 18u);
}

TEST_F(FileElectionTest, AFolderThatCannotBeMadeIsNamed) {
  std::ofstream(directory_ + "/clusters") << "in the way";
  Recorder recorder;
  auto election = FileElection::Create({folder_, {}}, &recorder);
  ASSERT_FALSE(election.ok());
  EXPECT_NE(election.status().message().find(folder_), absl::string_view::npos);
}

TEST_F(FileElectionTest, ALeaderFileThatMakesNoSenseSaysNothing) {
  std::filesystem::create_directories(folder_);
  std::string path = folder_ + "/leader";
  EXPECT_FALSE(ReadLeader(path).has_value());
  for (const char* text : {"", "[]", "{\"replica\": -1}", "{\"replica\":0,\"epoch\":1}",
                           "{\"replica\":0,\"epoch\":1,\"bootId\":\"xyz\"}"}) {
    std::ofstream(path) << text;
    EXPECT_FALSE(ReadLeader(path).has_value()) << text;
  }
  LeaderInfo leader{3, random_.NewId<BootId>(), 9};
  ASSERT_TRUE(WriteLeader(path, leader).ok());
  EXPECT_EQ(ReadLeader(path), leader);
}

class Teller final : public ElectionObserver {
 public:
  void OnElected(uint64_t epoch) override {
    if (write(1, &epoch, sizeof(epoch)) != sizeof(epoch)) _exit(1);
  }
  void OnLeader(const LeaderInfo&) override {}
  void OnElectionError(const absl::Status&) override { _exit(1); }
};

}  // namespace

// What a ReplicaProcess does.
int Replica(const std::string& folder, uint32_t replica) {
  SystemRandom random;
  Teller teller;
  Incarnation self{{"default/math", replica}, random.NewId<BootId>()};
  auto election = FileElection::Create({folder, self}, &teller);
  if (!election.ok()) return 1;
  (*election)->Start();
  while (true) pause();
}

}  // namespace fractos

int main(int argc, char** argv) {
  if (argc == 4 && std::string(argv[1]) == "--replica") {
    return fractos::Replica(argv[2], static_cast<uint32_t>(std::stoul(argv[3])));
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
