#include "daemon/device/socket_launcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "daemon/device/device.h"
#include "lib/base/random.h"
#include "lib/runtime/child_process.h"
#include "lib/runtime/socket_address.h"
#include "tests/unit/daemon/device/scripted_adaptor.h"

namespace fractos {
namespace {

using ::fractos::testing::AdaptorEnd;
using ::testing::HasSubstr;

constexpr absl::Duration kPatience = absl::Seconds(20);

class Recorder final : public DeviceObserver {
 public:
  void OnExecuted(std::vector<Executed> executed) override {
    absl::MutexLock lock(&mutex_);
    for (Executed& one : executed) executed_.push_back(std::move(one));
  }
  void OnDescribed(const DeviceDescription& description) override {
    absl::MutexLock lock(&mutex_);
    described_.push_back(description.device);
  }
  void OnDown(const absl::Status& why) override {
    absl::MutexLock lock(&mutex_);
    down_.emplace_back(why.message());
  }
  bool AwaitDescribed(size_t n) {
    absl::MutexLock lock(&mutex_);
    auto there = [this, n]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return described_.size() >= n; };
    return mutex_.AwaitWithTimeout(absl::Condition(&there), kPatience);
  }
  std::string AwaitDown(size_t n) {
    absl::MutexLock lock(&mutex_);
    auto there = [this, n]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return down_.size() >= n; };
    return mutex_.AwaitWithTimeout(absl::Condition(&there), kPatience) ? down_[n - 1] : "";
  }
  // How the n-th execution ended: its bytes, or the reason why it failed.
  std::string Await(size_t n) {
    absl::MutexLock lock(&mutex_);
    auto there = [this, n]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return executed_.size() >= n; };
    if (!mutex_.AwaitWithTimeout(absl::Condition(&there), kPatience)) return "NeverAnswered";
    const Outcome& outcome = executed_[n - 1].outcome;
    if (const auto* failed = std::get_if<Outcome::Failed>(&outcome.what)) {
      return absl::StrCat(failed->failure.reason, failed->retryable ? " retryable" : "");
    }
    const auto* produced = std::get_if<Outcome::Produced>(&outcome.what);
    return produced == nullptr || !produced->value.IsInline() ? "no inline value"
                                                              : *produced->value.inline_bytes;
  }

 private:
  absl::Mutex mutex_;
  std::vector<Executed> executed_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> described_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> down_ ABSL_GUARDED_BY(mutex_);
};

class SocketLauncherTest : public ::testing::Test {
 protected:
  SocketLauncherTest() {
    std::string path = "/tmp/fractos-adaptorXXXXXX";  // short, for it holds a socket
    folder_ = mkdtemp(path.data());
    path_ = folder_ + "/adaptor.sock";
  }
  ~SocketLauncherTest() override {
    device_.reset();
    launcher_.reset();
    std::filesystem::remove_all(folder_);
  }

  void Listen() {
    absl::StatusOr<std::unique_ptr<SocketLauncher>> launcher = SocketLauncher::Listen(path_);
    ASSERT_TRUE(launcher.ok()) << launcher.status();
    launcher_ = *std::move(launcher);
  }
  void Start() {
    Listen();
    device_ =
        std::make_unique<Device>(Device::Options{}, launcher_.get(), &store_, &clock_, &recorder_);
    device_->Start();
  }
  UniqueFd Connect() const {
    UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_un address = SocketAddress(path_).value();
    EXPECT_EQ(connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
    return fd;
  }
  void Execute(const std::string& operation, const std::string& arguments,
               Duration timeout = std::chrono::seconds(30)) {
    auto step = std::make_shared<Step>();
    step->path = "step";
    step->cluster = "default/echo";
    step->operation = operation;
    step->arguments = arguments;
    fractos::Execute execution;
    execution.attempt.step = "step";
    execution.step = step;
    execution.timeout = timeout;
    device_->Execute(++tickets_, std::move(execution));
    device_->Settle();
  }
  // Whether the other end has hung up, without a byte.
  static bool HungUp(int fd) {
    pollfd polled{fd, POLLIN, 0};
    char byte;
    return poll(&polled, 1, 20'000) == 1 && read(fd, &byte, 1) == 0;
  }

  std::string folder_, path_;
  SystemRandom random_;
  SystemClock clock_;
  MemoryStore store_{{{"default/echo", 0}, random_.NewId<BootId>()}, 16 << 20, &random_};
  Recorder recorder_;
  std::unique_ptr<SocketLauncher> launcher_;
  Ticket tickets_ = 0;
  std::unique_ptr<Device> device_;
};

// promise: A-20
TEST_F(SocketLauncherTest, WhoeverConnectsIsTheAdaptor) {
  Start();
  UniqueFd socket = Connect();
  AdaptorEnd end(socket.get());
  ASSERT_TRUE(end.Describe());
  ASSERT_TRUE(recorder_.AwaitDescribed(1));
  std::thread adaptor([&end] {
    if (std::optional<v1::Execute> execute = end.ReceiveExecute()) {
      end.AnswerInline(execute->id(), "done");
    }
  });
  Execute("work", "{}");
  EXPECT_EQ(recorder_.Await(1), "done");
  adaptor.join();
}

// promise: A-21
TEST_F(SocketLauncherTest, ASecondAdaptorIsHungUpOnAndTheFirstGoesOn) {
  Start();
  UniqueFd socket = Connect();
  AdaptorEnd end(socket.get());
  ASSERT_TRUE(end.Describe());
  ASSERT_TRUE(recorder_.AwaitDescribed(1));
  UniqueFd second = Connect();
  EXPECT_TRUE(HungUp(second.get()));
  std::thread adaptor([&end] { end.EchoForever(); });
  Execute("work", "{}");
  EXPECT_EQ(recorder_.Await(1), "");
  device_.reset();
  adaptor.join();
}

// promise: A-22
TEST_F(SocketLauncherTest, AfterACrashTheNextOneServes) {
  Start();
  UniqueFd socket = Connect();
  ASSERT_TRUE(AdaptorEnd(socket.get()).Describe());
  ASSERT_TRUE(recorder_.AwaitDescribed(1));
  std::thread crash([&socket] {
    AdaptorEnd(socket.get()).ReceiveExecute();
    socket.Reset();
  });
  Execute("work", "{}");
  crash.join();
  EXPECT_EQ(recorder_.Await(1), "AdaptorCrashed retryable");
  EXPECT_THAT(recorder_.AwaitDown(1), HasSubstr("hung up"));

  UniqueFd again = Connect();
  AdaptorEnd next(again.get());
  ASSERT_TRUE(next.Describe());
  ASSERT_TRUE(recorder_.AwaitDescribed(2));
  std::thread adaptor([&next] { next.EchoForever(); });
  Execute("work", "{}");
  EXPECT_EQ(recorder_.Await(2), "");
  device_.reset();
  adaptor.join();
}

TEST_F(SocketLauncherTest, OneThatTalksNonsenseIsHungUpOn) {
  Start();
  UniqueFd socket = Connect();
  AdaptorEnd end(socket.get());
  ASSERT_TRUE(end.Receive().has_value());
  end.SendRaw(std::string("\xff\xff\xff\x7f", 4));
  EXPECT_TRUE(HungUp(socket.get()));
  EXPECT_FALSE(recorder_.AwaitDown(1).empty());
}

TEST_F(SocketLauncherTest, ExecutionsKeepTheirDeadlinesWhileNobodyIsThere) {
  Start();
  Execute("work", "{}", std::chrono::milliseconds(1));
  EXPECT_EQ(recorder_.Await(1), "Timeout retryable");
}

TEST_F(SocketLauncherTest, GivesNobodyUntilSomebodyConnects) {
  Listen();
  EXPECT_TRUE(absl::IsUnavailable(launcher_->Launch([](const std::string&) {}).status()));
  UniqueFd socket = Connect();
  pollfd incoming{launcher_->Incoming(), POLLIN, 0};
  ASSERT_EQ(poll(&incoming, 1, 20'000), 1);
  absl::Notification ended;
  EXPECT_TRUE(launcher_->Launch([&ended](const std::string&) { ended.Notify(); }).ok());
  EXPECT_EQ(poll(&incoming, 1, 0), 0);
  socket.Reset();
  EXPECT_TRUE(ended.WaitForNotificationWithTimeout(kPatience));
}

TEST_F(SocketLauncherTest, TheSocketIsForUserAndGroupAndReplacesWhatWasLeft) {
  std::ofstream(path_) << "left over";
  Listen();
  struct stat status;
  ASSERT_EQ(stat(path_.c_str(), &status), 0);
  EXPECT_TRUE(S_ISSOCK(status.st_mode));
  EXPECT_EQ(status.st_mode & 0777, 0660u);
  launcher_.reset();
  EXPECT_FALSE(std::filesystem::exists(path_));
  EXPECT_TRUE(absl::IsInvalidArgument(SocketLauncher::Listen(std::string(200, 'x')).status()));
  EXPECT_TRUE(absl::IsUnavailable(SocketLauncher::Listen(folder_ + "/no/such").status()));
}

// The kits' end: adaptors as programs of their own, which nobody here has started.
struct Kit {
  std::string name;
  std::vector<std::string> command;
};
std::ostream& operator<<(std::ostream& out, const Kit& kit) { return out << kit.name; }

class ConnectingKitTest : public SocketLauncherTest, public ::testing::WithParamInterface<Kit> {
 protected:
  void StartAdaptor(bool by_environment) {
    ChildSpec spec;
    spec.command = GetParam().command;
    if (by_environment) {
      spec.env.emplace_back("FRACTOS_ADAPTOR_SOCKET", path_);
    } else {
      spec.command.insert(spec.command.end(), {"--connect", path_});
    }
    absl::StatusOr<pid_t> started = children_.Start(spec, [this](const ChildExit& exit) {
      exit_ = exit.ToString();
      ended_.Notify();
    });
    ASSERT_TRUE(started.ok()) << started.status();
    pid_ = *started;
  }

  std::string exit_;
  absl::Notification ended_;
  pid_t pid_ = 0;
  ChildProcesses children_;
};

// promise: A-23
TEST_P(ConnectingKitTest, WaitsForItsDaemonServesItAndEndsWithIt) {
  StartAdaptor(/*by_environment=*/false);
  Start();
  ASSERT_TRUE(recorder_.AwaitDescribed(1));
  kill(pid_, SIGTERM);  // comes to all containers at once, and the daemon still needs it
  Execute("copy", R"({"text": "hello"})");
  EXPECT_EQ(recorder_.Await(1), "hello");
  device_.reset();
  ASSERT_TRUE(ended_.WaitForNotificationWithTimeout(kPatience));
  EXPECT_EQ(exit_, "exit code 0");
}

// promise: A-23
TEST_P(ConnectingKitTest, TheEnvironmentSaysTheSame) {
  StartAdaptor(/*by_environment=*/true);
  Start();
  ASSERT_TRUE(recorder_.AwaitDescribed(1));
}

// promise: A-23
TEST_P(ConnectingKitTest, OneThatWaitsEndsOnSigterm) {
  StartAdaptor(/*by_environment=*/false);
  // Early enough it would die of the signal, for it has no handler yet.
  while (!ended_.HasBeenNotified()) {
    kill(pid_, SIGTERM);
    std::this_thread::yield();
  }
  ended_.WaitForNotification();  // what ThreadSanitizer sees, as it does not see the flag above
  EXPECT_THAT(exit_, ::testing::AnyOf("exit code 0", HasSubstr("signal 15")));
}

INSTANTIATE_TEST_SUITE_P(Kits, ConnectingKitTest,
                         ::testing::Values(Kit{"Cpp", {FRACTOS_BIN_DIR "/fractos-adaptor", "echo"}},
                                           Kit{"Python",
                                               {"python3", FRACTOS_SOURCE_DIR
                                                "/tests/unit/adaptors/python_echo.py"}}),
                         ::testing::PrintToStringParamName());

}  // namespace
}  // namespace fractos
