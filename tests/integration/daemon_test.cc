// fractos-daemon as its peers see it: started as a program, driven over a Link.
#include <arpa/inet.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <map>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "lib/base/random.h"
#include "lib/base/unique_fd.h"
#include "lib/link/link_table.h"
#include "lib/protocol/message.h"
#include "tests/integration/test_driver.h"

namespace fractos {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

constexpr absl::Duration kPatience = absl::Seconds(20);
constexpr char kCluster[] = "default/echo";

// A program under test. Killed when the test ends.
class Program {
 public:
  Program(const std::vector<std::string>& arguments, const std::string& log,
          const std::map<std::string, std::string>& environment = {}) {
    std::vector<char*> argv;
    for (const std::string& argument : arguments) {
      argv.push_back(const_cast<char*>(argument.c_str()));
    }
    argv.push_back(nullptr);
    pid_ = fork();
    if (pid_ != 0) return;
    int fd = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
    dup2(fd, STDERR_FILENO);
    for (const auto& [name, value] : environment) setenv(name.c_str(), value.c_str(), 1);
    execv(argv[0], argv.data());
    _exit(127);
  }
  ~Program() {
    if (pid_ == 0) return;
    kill(pid_, SIGKILL);
    Wait();
  }
  void Signal(int signal) { kill(pid_, signal); }
  // Its exit code, or minus the signal that killed it.
  int Wait() {
    int status = 0;
    waitpid(std::exchange(pid_, 0), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = 0;
};

class DaemonTest : public ::testing::Test {
 protected:
  DaemonTest() {
    std::string path = "/tmp/fractos-daemonXXXXXX";  // short, for it holds sockets
    directory_ = mkdtemp(path.data());
  }
  ~DaemonTest() override {
    if (HasFailure()) std::cerr << Log();
    fs::remove_all(directory_);
  }

  std::string Endpoint(uint32_t replica) const {
    return absl::StrCat("unix:", directory_, "/", replica, ".sock");
  }
  std::vector<std::string> Arguments(uint32_t replica) const {
    return {FRACTOS_BIN_DIR "/fractos-daemon",
            "--name",
            "echo",
            "--replica",
            absl::StrCat(replica),
            "--directory",
            directory_,
            "--endpoint",
            Endpoint(replica)};
  }
  std::unique_ptr<Program> Start(uint32_t replica, std::vector<std::string> more = {},
                                 const std::map<std::string, std::string>& environment = {},
                                 std::vector<std::string> adaptor = {
                                     FRACTOS_BIN_DIR "/fractos-adaptor", "echo"}) {
    std::vector<std::string> arguments = Arguments(replica);
    arguments.insert(arguments.end(), more.begin(), more.end());
    arguments.push_back("--");
    arguments.insert(arguments.end(), adaptor.begin(), adaptor.end());
    return std::make_unique<Program>(arguments, LogFile(), environment);
  }
  ClusterView View(uint32_t replicas) const {
    ClusterView view;
    view.cluster = kCluster;
    for (uint32_t i = 0; i < replicas; ++i) view.endpoints.push_back(Endpoint(i));
    return view;
  }
  void Connect(uint32_t replicas) {
    driver_.links().Learn(View(replicas));
    for (uint32_t i = 0; i < replicas; ++i) driver_.links().Connect({kCluster, i});
  }
  // Hands over a run of one step.
  RunId HandOverStep(const Address& to, const std::string& operation, const std::string& arguments,
                     uint32_t replicas = 1, Duration timeout = std::chrono::seconds(10)) {
    auto step = std::make_shared<Step>();
    step->path = "only";
    step->cluster = kCluster;
    step->operation = operation;
    step->arguments = arguments;
    step->timeout = timeout;
    step->deterministic_so_far = true;
    auto continuation = std::make_shared<Continuation>();
    continuation->run = random_.NewId<RunId>();
    continuation->driver = driver_.self().address;
    continuation->steps = {step};
    continuation->clusters = {View(replicas)};
    HandOver message;
    message.remaining = std::chrono::seconds(30);
    message.sender = driver_.self();
    message.continuation = continuation;
    driver_.links().Send(to, message);
    return continuation->run;
  }
  std::string LogFile() const { return directory_ + "/log"; }
  std::string Log() const {
    std::ifstream file(LogFile());
    return {std::istreambuf_iterator<char>(file), {}};
  }

  SystemRandom random_;
  std::string directory_;
  TestDriver driver_{kPatience};
};

TEST_F(DaemonTest, ExecutesWhatIsHandedToItAndReports) {
  auto daemon = Start(0);
  Connect(1);
  std::optional<PeerInfo> leader = driver_.AwaitLeader();
  ASSERT_TRUE(leader.has_value());
  EXPECT_THAT(leader->description_json, HasSubstr("identity"));
  RunId run = HandOverStep(leader->self.address, "copy", R"({"text": "hello"})");
  ResultPtr result = driver_.AwaitResult(run, "only");
  ASSERT_NE(result, nullptr);
  EXPECT_EQ(result->state, ResultState::kSucceeded) << result->failure.message;
  ASSERT_TRUE(result->value.IsInline());
  EXPECT_EQ(*result->value.inline_bytes, "hello");
  EXPECT_EQ(result->executor, leader->self);

  run = HandOverStep(leader->self.address, "fail", R"({"reason": "NoLuck"})");
  result = driver_.AwaitResult(run, "only");
  ASSERT_NE(result, nullptr);
  EXPECT_EQ(result->state, ResultState::kFailed);
  EXPECT_EQ(result->failure.reason, "NoLuck");
}

// promise: B-32
TEST_F(DaemonTest, LivesThroughWhateverItsAdaptorDoesAndServesTheNextRun) {
  auto daemon = Start(0, {"--adaptor-options", R"({"hostile": true})"});
  Connect(1);
  std::optional<PeerInfo> leader = driver_.AwaitLeader();
  ASSERT_TRUE(leader.has_value());
  const std::pair<const char*, const char*> kMisdeeds[] = {
      {"crash", "AdaptorCrashed"}, {"garbage", "AdaptorGarbage"}, {"hang", "Timeout"}};
  for (const auto& [operation, reason] : kMisdeeds) {
    RunId run = HandOverStep(leader->self.address, operation, "{}", 1,
                             operation == std::string("hang") ? std::chrono::milliseconds(200)
                                                              : std::chrono::milliseconds(10'000));
    ResultPtr result = driver_.AwaitResult(run, "only");
    ASSERT_NE(result, nullptr) << operation;
    EXPECT_EQ(result->state, ResultState::kFailed);
    EXPECT_EQ(result->failure.reason, reason);
    run = HandOverStep(leader->self.address, "copy", R"({"text": "still here"})");
    result = driver_.AwaitResult(run, "only");
    ASSERT_NE(result, nullptr) << "after " << operation;
    ASSERT_EQ(result->state, ResultState::kSucceeded) << result->failure.message;
    EXPECT_EQ(*result->value.inline_bytes, "still here");
    EXPECT_EQ(result->executor, leader->self) << "the same daemon, the same incarnation";
  }
}

// Where the daemon with that log listens, once it says so.
std::string AwaitEndpoint(const std::string& log) {
  const absl::Time until = absl::Now() + kPatience;
  const std::string before = "serving endpoint=\"";
  while (absl::Now() < until) {
    std::ifstream file(log);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    const size_t begin = text.find(before);
    const size_t end = text.find("\"\n", begin);
    if (begin != std::string::npos && end != std::string::npos) {
      return text.substr(begin + before.size(), end - begin - before.size());
    }
    std::this_thread::yield();
  }
  return "";
}

// promise: M-20
TEST_F(DaemonTest, ValuesCrossBetweenDaemonsThatShareNoFolder) {
  std::vector<std::unique_ptr<Program>> daemons;
  Continuation plan;
  for (const char* name : {"source", "sink"}) {
    const std::string log = absl::StrCat(directory_, "/", name, ".log");
    daemons.push_back(std::make_unique<Program>(
        std::vector<std::string>{FRACTOS_BIN_DIR "/fractos-daemon", "--name", name, "--directory",
                                 absl::StrCat(directory_, "/", name), "--endpoint", "127.0.0.1:0",
                                 "--", FRACTOS_BIN_DIR "/fractos-adaptor", "echo"},
        log));
    ClusterView view;
    view.cluster = absl::StrCat("default/", name);
    view.endpoints = {AwaitEndpoint(log)};
    driver_.links().Learn(view);
    driver_.links().Connect({view.cluster, 0});
    plan.clusters.push_back(view);
  }
  const std::string text(100'000, 'v');
  auto make = [&text](const std::string& path) {
    auto step = std::make_shared<Step>();
    step->path = path;
    step->cluster = "default/" + path;
    step->operation = "copy";
    step->timeout = std::chrono::seconds(10);
    step->deterministic_so_far = true;
    if (path == "source") {
      step->arguments = absl::StrCat("{\"text\": \"", text, "\"}");
    } else {
      step->inputs = {{"data", "source", false}};
    }
    return step;
  };
  plan.run = random_.NewId<RunId>();
  plan.driver = driver_.self().address;
  plan.steps = {make("source"), make("sink")};
  HandOver message;
  message.remaining = std::chrono::seconds(30);
  message.sender = driver_.self();
  message.continuation = std::make_shared<Continuation>(plan);
  ASSERT_TRUE(driver_.AwaitPeers(2));
  driver_.links().Send({"default/source", 0}, message);
  ResultPtr result = driver_.AwaitResult(plan.run, "sink");
  ASSERT_NE(result, nullptr);
  EXPECT_EQ(result->state, ResultState::kSucceeded) << result->failure.message;
  EXPECT_EQ(result->executor.address.cluster, "default/sink");
  EXPECT_EQ(result->value.digest, Digest::Of(text));
  EXPECT_EQ(result->transfer.bytes, text.size());
}

// promise: E-03
TEST_F(DaemonTest, WhenTheLeaderIsKilledAnotherReplicaTakesOver) {
  std::vector<std::unique_ptr<Program>> daemons;
  for (uint32_t i = 0; i < 3; ++i) daemons.push_back(Start(i));
  Connect(3);
  uint64_t epoch = 0;
  for (int round = 0; round < 3; ++round) {
    std::optional<PeerInfo> leader = driver_.AwaitLeader(epoch + 1);
    ASSERT_TRUE(leader.has_value());
    EXPECT_EQ(leader->epoch, epoch + 1);
    epoch = leader->epoch;
    RunId run = HandOverStep(leader->self.address, "copy", R"({"text": "x"})", 3);
    ResultPtr result = driver_.AwaitResult(run, "only");
    ASSERT_NE(result, nullptr);
    EXPECT_EQ(result->executor, leader->self);
    daemons[leader->self.address.replica]->Signal(SIGKILL);
  }
}

// promise: E-29
TEST_F(DaemonTest, AReplicaLeadsOnlyOnceItsAdaptorHasDescribedItself) {
  auto mute = Start(0, {}, {}, {"/bin/sh", "-c", "exec sleep 1000"});
  const absl::Time until = absl::Now() + kPatience;
  while (!absl::StrContains(Log(), "serving") && absl::Now() < until) std::this_thread::yield();
  auto daemon = Start(1);
  Connect(2);
  const std::optional<PeerInfo> leader = driver_.AwaitLeader();
  ASSERT_TRUE(leader.has_value());
  EXPECT_EQ(leader->self.address.replica, 1u);
  EXPECT_EQ(leader->epoch, 1u) << "nobody led before";
}

// promise: T-10
TEST_F(DaemonTest, SigtermDrainsAndExitsZero) {
  auto daemon = Start(0);
  Connect(1);
  ASSERT_TRUE(driver_.AwaitLeader().has_value());
  daemon->Signal(SIGTERM);
  EXPECT_EQ(daemon->Wait(), 0);
  EXPECT_THAT(Log(), HasSubstr("drained"));
}

// promise: A-06, A-17
TEST_F(DaemonTest, TheAdaptorEndsWithItsDaemonAndHasAGroupOfItsOwn) {
  std::string pid_file = directory_ + "/adaptor.pid";
  std::string script = absl::StrCat("echo $$ > ", pid_file, ".new; mv ", pid_file, ".new ",
                                    pid_file, "; exec ", FRACTOS_BIN_DIR, "/fractos-adaptor echo");
  auto daemon = Start(0, {}, {}, {"/bin/sh", "-c", script});
  Connect(1);
  ASSERT_TRUE(driver_.AwaitLeader().has_value());
  pid_t adaptor = 0;
  std::ifstream(pid_file) >> adaptor;
  ASSERT_GT(adaptor, 0);
  EXPECT_EQ(getpgid(adaptor), adaptor);
  std::ifstream status(absl::StrCat("/proc/", adaptor, "/status"));
  std::string text{std::istreambuf_iterator<char>(status), {}};
  EXPECT_THAT(text, HasSubstr("NoNewPrivs:\t1"));
  daemon->Signal(SIGKILL);
  daemon->Wait();
  // Gone, or a zombie that nobody has waited for yet; hangs if it lives on.
  while (true) {
    std::ifstream stat(absl::StrCat("/proc/", adaptor, "/stat"));
    std::string line;
    if (!std::getline(stat, line) || line.find(") Z ") != std::string::npos) break;
    std::this_thread::yield();
  }
}

// What the HTTP server at `port` of `host` ("::1" or "127.0.0.1") says to GET `path`.
std::string Get(const std::string& host, int port, const std::string& path) {
  bool six = host.find(':') != std::string::npos;
  UniqueFd fd(socket(six ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in6 address6{};
  address6.sin6_family = AF_INET6;
  address6.sin6_port = htons(static_cast<uint16_t>(port));
  sockaddr_in address4{};
  address4.sin_family = AF_INET;
  address4.sin_port = htons(static_cast<uint16_t>(port));
  inet_pton(AF_INET6, host.c_str(), &address6.sin6_addr);
  inet_pton(AF_INET, host.c_str(), &address4.sin_addr);
  int connected = six ? connect(fd.get(), reinterpret_cast<sockaddr*>(&address6), sizeof(address6))
                      : connect(fd.get(), reinterpret_cast<sockaddr*>(&address4), sizeof(address4));
  if (connected != 0) return "cannot connect";
  std::string request = absl::StrCat("GET ", path, " HTTP/1.0\r\nHost: test\r\n\r\n");
  if (write(fd.get(), request.data(), request.size()) < 0) return "cannot write";
  std::string answer;
  char buffer[4096];
  for (ssize_t got; (got = read(fd.get(), buffer, sizeof(buffer))) > 0;) {
    answer.append(buffer, static_cast<size_t>(got));
  }
  return answer;
}

// promise: T-09
TEST_F(DaemonTest, TellsMetricsHealthAndReadinessOverIpv4AndIpv6) {
  for (const std::string& host : {std::string("[::1]"), std::string("127.0.0.1")}) {
    fs::remove(LogFile());
    // An adaptor that describes itself only when it is let.
    std::string gate = directory_ + "/gate";
    ASSERT_EQ(mkfifo(gate.c_str(), 0600), 0);
    std::string script =
        absl::StrCat("read line < ", gate, "; exec ", FRACTOS_BIN_DIR, "/fractos-adaptor echo");
    auto daemon = Start(0, {"--http-address", host + ":0"}, {}, {"/bin/sh", "-c", script});
    Connect(1);
    // The port is chosen by the kernel and told in the log.
    std::string marker = "http address=\"" + host + ":";
    auto deadline = std::chrono::steady_clock::now() + absl::ToChronoSeconds(kPatience);
    std::string log = Log();
    while (log.find(marker) == std::string::npos || log.back() != '\n') {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline);
      std::this_thread::yield();
      log = Log();
    }
    int port = std::stoi(log.substr(log.find(marker) + marker.size()));
    std::string bare = host[0] == '[' ? "::1" : host;
    EXPECT_THAT(Get(bare, port, "/healthz"), HasSubstr(" 200 "));
    EXPECT_THAT(Get(bare, port, "/readyz"), HasSubstr(" 503 "));
    EXPECT_THAT(Get(bare, port, "/readyz"), HasSubstr("has not described itself"));
    std::ofstream(gate) << "go\n";
    ASSERT_TRUE(driver_.AwaitLeader().has_value());
    EXPECT_THAT(Get(bare, port, "/readyz"), HasSubstr(" 200 "));
    std::string metrics = Get(bare, port, "/metrics");
    EXPECT_THAT(metrics, HasSubstr("fractos_leading{cluster=\"default/echo\"} 1"));
    EXPECT_THAT(metrics, HasSubstr("fractos_steps_total"));
    EXPECT_THAT(Get(bare, port, "/secrets"), HasSubstr(" 404 "));
    driver_.links().Disconnect({kCluster, 0});
    driver_.Forget();
    daemon->Signal(SIGKILL);
    daemon->Wait();
    fs::remove(gate);
    fs::remove_all(directory_ + "/clusters");
  }
}

// The port that the daemon's log says it serves HTTP at; 0 when it does not say so in time.
int PortIn(const std::function<std::string()>& read_log) {
  const std::string marker = "http address=\"127.0.0.1:";
  const auto deadline = std::chrono::steady_clock::now() + absl::ToChronoSeconds(kPatience);
  while (std::chrono::steady_clock::now() < deadline) {
    const std::string log = read_log();
    const size_t at = log.find(marker);
    if (at != std::string::npos && log.find('\n', at) != std::string::npos) {
      return std::stoi(log.substr(at + marker.size()));
    }
    std::this_thread::yield();
  }
  return 0;
}

TEST_F(DaemonTest, TwoCannotServeHttpAtOneAddress) {
  auto first = Start(0, {"--http-address", "127.0.0.1:0"});
  const int port = PortIn([this] { return Log(); });
  ASSERT_NE(port, 0);
  auto second = Start(1, {"--http-address", absl::StrCat("127.0.0.1:", port)});
  EXPECT_EQ(second->Wait(), 1);
  EXPECT_THAT(Log(), HasSubstr(absl::StrCat("cannot listen for HTTP at 127.0.0.1 port ", port)));
}

TEST_F(DaemonTest, TwoCannotBeTheSameReplica) {
  auto first = Start(0);
  Connect(1);
  ASSERT_TRUE(driver_.AwaitLeader().has_value());
  auto second = Start(0);
  EXPECT_EQ(second->Wait(), 1);
  EXPECT_THAT(Log(), HasSubstr(absl::StrCat("as process ", first->pid())));
  const RunId run = HandOverStep({kCluster, 0}, "copy", R"({"text": "x"})");
  EXPECT_NE(driver_.AwaitResult(run, "only"), nullptr) << "the first one was not disturbed";
}

TEST_F(DaemonTest, WhoCannotListenNeverLeads) {
  std::vector<std::string> arguments = Arguments(0);
  arguments.back() = absl::StrCat("unix:", directory_, "/no/such/folder/0.sock");
  arguments.insert(arguments.end(), {"--", FRACTOS_BIN_DIR "/fractos-adaptor", "echo"});
  Program daemon(arguments, LogFile());
  EXPECT_EQ(daemon.Wait(), 1);
  EXPECT_THAT(Log(), ::testing::Not(HasSubstr("leading")));
}

#ifdef FRACTOS_FAILPOINTS
// promise: H-38
TEST_F(DaemonTest, AFailpointKillsExactlyOneDaemon) {
  std::string folder = directory_ + "/failpoints";
  fs::create_directory(folder);
  auto daemon = Start(0, {}, {{"FRACTOS_FAILPOINT_DIR", folder}});
  Connect(1);
  std::optional<PeerInfo> leader = driver_.AwaitLeader();
  ASSERT_TRUE(leader.has_value());
  std::ofstream(folder + "/COMMITTED.new") << "on*";
  fs::rename(folder + "/COMMITTED.new", folder + "/COMMITTED");
  HandOverStep(leader->self.address, "copy", R"({"text": "x"})");
  EXPECT_EQ(daemon->Wait(), -SIGKILL);
  EXPECT_TRUE(fs::exists(folder + "/COMMITTED.taken.default_echo-0"));
  EXPECT_FALSE(fs::exists(folder + "/COMMITTED"));
}
#endif

// --- Bad input ---------------------------------------------------------------------------------

TEST_F(DaemonTest, BadFlagsExitWithTwoAndNameTheFlag) {
  struct Case {
    std::vector<std::string> flags;
    std::string expected;
  };
  const Case cases[] = {
      {{"--name", "Not A Name"}, "--name"},
      {{"--coordination", "telepathy"}, "--coordination"},
      {{"--adaptor-options", "[1]"}, "--adaptor-options"},
      {{"--log-format", "runes"}, "--log-format"},
      {{"--no-such-flag"}, "--no-such-flag"},
      {{"--http-address", "nonsense"}, "nonsense"},
  };
  for (const Case& bad : cases) {
    fs::remove(LogFile());
    std::vector<std::string> arguments = {FRACTOS_BIN_DIR "/fractos-daemon", "--directory",
                                          directory_, "--endpoint", Endpoint(0)};
    if (bad.flags[0] != "--name") arguments.insert(arguments.end(), {"--name", "echo"});
    arguments.insert(arguments.end(), bad.flags.begin(), bad.flags.end());
    arguments.insert(arguments.end(), {"--", FRACTOS_BIN_DIR "/fractos-adaptor", "echo"});
    Program daemon(arguments, LogFile());
    EXPECT_EQ(daemon.Wait(), 2) << bad.expected;
    EXPECT_THAT(Log(), HasSubstr(bad.expected));
  }
}

TEST_F(DaemonTest, AnAdaptorThatDoesNotExistExitsWithTwoAndIsNamed) {
  auto daemon = Start(0, {}, {}, {"/no/such/adaptor"});
  EXPECT_EQ(daemon->Wait(), 2);
  EXPECT_THAT(Log(), HasSubstr("/no/such/adaptor"));
}

TEST_F(DaemonTest, AnAdaptorThatNeverDescribesItselfIsStartedThreeTimes) {
  auto daemon = Start(0, {}, {}, {"/bin/sh", "-c", "echo no such module >&2; exit 7"});
  EXPECT_EQ(daemon->Wait(), 2);
  const std::string log = Log();
  size_t times = 0;
  for (size_t at = 0; (at = log.find("no such module", at)) != std::string::npos; ++at) ++times;
  EXPECT_EQ(times, 3u) << log;
}

TEST_F(DaemonTest, AnAdaptorThatRefusesItsOptionsExitsWithTwo) {
  auto daemon = Start(0, {"--adaptor-options", R"({"colour": "red"})"});
  EXPECT_EQ(daemon->Wait(), 2);
  EXPECT_THAT(Log(), HasSubstr("colour"));
}

}  // namespace
}  // namespace fractos
