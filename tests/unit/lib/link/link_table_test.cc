#include "lib/link/link_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "lib/base/limits.h"
#include "lib/base/random.h"
#include "tests/unit/lib/link/link_table_harness.h"

namespace fractos {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;

class LinkEndpointTest : public LinkTableTest, public testing::WithParamInterface<std::string> {};

// promise: T-01
TEST_P(LinkEndpointTest, OpensOnConnectAndCarriesMessagesInOrderBothWays) {
  Node a("a"), b("b");
  const std::string endpoint = b.ListenAndStart(GetParam().empty() ? Socket("b") : GetParam());
  EXPECT_THAT(endpoint, testing::Not(testing::EndsWith(":0")));
  a.Start();
  a.Learn(b, endpoint);
  a.links().Connect(b.address());
  a.Expect({"+default/b-0@0"});
  b.Expect({"+default/a-0@0"});
  constexpr uint64_t kMessages = 5000;
  for (uint64_t i = 0; i < kMessages; ++i) {
    a.links().Send(b.address(), NumberedEnd(i));
    b.links().Send(a.address(), NumberedEnd(i));
  }
  for (Node* node : {&a, &b}) {
    std::vector<Message> messages = node->WaitForMessages(kMessages);
    for (uint64_t i = 0; i < messages.size(); ++i) ASSERT_EQ(NumberOf(messages[i]), i);
  }
  EXPECT_EQ(b.from(), a.self().self);
  EXPECT_EQ(a.links().stats().links, 1u);
  EXPECT_EQ(a.links().stats().messages_sent, kMessages);
}

INSTANTIATE_TEST_SUITE_P(Endpoints, LinkEndpointTest,
                         testing::Values("", "127.0.0.1:0", "[::1]:0"));

TEST_F(LinkTableTest, SendDialsWhenTheEndpointIsKnown) {
  Node a("a"), b("b");
  a.Learn(b, b.ListenAndStart(Socket("b")));
  a.Start();
  a.links().Send(b.address(), NumberedEnd(7));
  EXPECT_EQ(NumberOf(b.WaitForMessages(1)[0]), 7u);
  a.links().Send({"default/nobody", 0}, NumberedEnd(8));
  EXPECT_EQ(a.links().stats().messages_dropped, 1u);
}

// promise: T-02
TEST_F(LinkTableTest, ABatchIsOneFrame) {
  Node a("a"), b("b");
  a.Learn(b, b.ListenAndStart(Socket("b")));
  a.Start();
  a.links().Connect(b.address());
  a.Expect({"+default/b-0@0"});
  {
    LinkTable::Batch outer(&a.links());
    for (uint64_t i = 0; i < 50; ++i) {
      LinkTable::Batch inner(&a.links());
      a.links().Send(b.address(), NumberedEnd(i));
    }
  }
  b.WaitForMessages(50);
  EXPECT_EQ(b.frames(), 1u);
}

TEST_F(LinkTableTest, BothMayDialAtOnce) {
  Node a("a"), b("b");
  ASSERT_TRUE(a.links().Listen(Socket("a")).ok());
  ASSERT_TRUE(b.links().Listen(Socket("b")).ok());
  a.Learn(b, Socket("b"));
  b.Learn(a, Socket("a"));
  a.links().Connect(b.address());
  b.links().Connect(a.address());
  a.Start();
  b.Start();
  for (uint64_t i = 0; i < 100; ++i) {
    a.links().Send(b.address(), NumberedEnd(i));
    b.links().Send(a.address(), NumberedEnd(i));
  }
  a.WaitForMessages(100);
  b.WaitForMessages(100);
  EXPECT_EQ(a.count("-default/b-0") + b.count("-default/a-0"), 0u);
}

// Promise: a batch never exceeds the 4 MiB that a message may have.
TEST_F(LinkTableTest, WhatQueuedIsSplitAtTheBoundOfAFrame) {
  Node a("a"), b("b");
  a.Learn(b, b.ListenAndStart(Socket("b")));
  a.Start();
  constexpr size_t kReports = 300;
  auto bytes = std::make_shared<const std::string>(kMaxInlineValueBytes, 'x');
  {
    LinkTable::Batch batch(&a.links());
    for (size_t i = 0; i < kReports; ++i) {
      auto result = std::make_shared<StepResult>();
      result->path = absl::StrCat("step", i);
      result->id = SeededRandom(i).NewId<ResultId>();
      result->value.size = bytes->size();
      result->value.inline_bytes = bytes;
      Report report;
      report.run = SeededRandom(1).NewId<RunId>();
      report.results = {result};
      a.links().Send(b.address(), report);
    }
  }
  std::vector<Message> messages = b.WaitForMessages(kReports);
  for (size_t i = 0; i < messages.size(); ++i) {
    EXPECT_EQ(std::get<Report>(messages[i]).results[0]->path, absl::StrCat("step", i));
  }
  EXPECT_GE(b.frames(), kReports * kMaxInlineValueBytes / kMaxMessageBytes);
}

// Promise: bounded queues everywhere.
// promise: T-05
TEST_F(LinkTableTest, TheQueueOfAPeerIsBounded) {
  Node a("a"), b("b");
  a.Learn(b, Socket("b"));  // nobody runs either loop, so all of this queues
  auto bytes = std::make_shared<const std::string>(kMaxInlineValueBytes, 'x');
  auto result = std::make_shared<StepResult>();
  result->value.inline_bytes = bytes;
  Report report;
  report.results.assign(1, result);
  constexpr uint64_t kFit = 64 * 1024 * 1024 / (kMaxInlineValueBytes + 1024);
  for (uint64_t i = 0; i < kFit + 100; ++i) a.links().Send(b.address(), report);
  EXPECT_GE(a.links().stats().messages_sent, kFit);
  EXPECT_GT(a.links().stats().messages_dropped, 0u);
}

// promise: L-05
TEST_F(LinkTableTest, AMessageLongerThanAFrameIsDropped) {
  Node a("a"), b("b");
  a.Learn(b, Socket("b"));
  Report report;
  for (int i = 0; i < 70; ++i) {
    auto result = std::make_shared<StepResult>();
    result->value.inline_bytes =
        std::make_shared<const std::string>(kMaxInlineValueBytes, static_cast<char>(i));
    report.results.push_back(result);
  }
  a.links().Send(b.address(), report);
  EXPECT_EQ(a.links().stats().messages_dropped, 1u);
}

// promise: T-08
TEST_F(LinkTableTest, UpdateReachesEveryPeerAndTheLastOneWins) {
  Node a("a"), b("b");
  a.Learn(b, b.ListenAndStart(Socket("b")));
  a.Start();
  a.links().Connect(b.address());
  b.Expect({"+default/a-0@0"});
  PeerInfo leading = a.self();
  leading.epoch = 7;
  a.links().Update(leading);
  b.Expect({"+default/a-0@0", "+default/a-0@7"});
  a.links().Update(a.self());
  b.Expect({"+default/a-0@0", "+default/a-0@7", "+default/a-0@0"});
}

// promise: T-03
TEST_F(LinkTableTest, APeerThatIsNotThereIsLostOnceAndDialledUntilItComes) {
  Node a("a");
  auto b = std::make_unique<Node>("b");
  a.Learn(*b, Socket("b"));
  a.Start();
  a.links().Connect(b->address());
  a.Expect({"-default/b-0"});
  b->ListenAndStart(Socket("b"));
  a.Expect({"-default/b-0", "+default/b-0@0"});
  b.reset();
  a.Expect({"-default/b-0", "+default/b-0@0", "-default/b-0"});
  Node again("b", {}, /*boot=*/2);
  again.ListenAndStart(Socket("b"));
  a.Expect({"-default/b-0", "+default/b-0@0", "-default/b-0", "+default/b-0@0"});
}

TEST_F(LinkTableTest, WhatWasQueuedForALostPeerIsDroppedAndSaid) {
  Node a("a"), b("b");
  a.Learn(b, Socket("b"));
  a.Start();
  a.links().Send(b.address(), NumberedEnd(1));
  a.Expect({"-default/b-0"});
  a.links().Send(b.address(), NumberedEnd(2));
  a.Expect({"-default/b-0", "-default/b-0"});
}

TEST_F(LinkTableTest, DisconnectClosesWithoutSayingSoHere) {
  Node a("a"), b("b");
  a.Learn(b, b.ListenAndStart(Socket("b")));
  a.Start();
  a.links().Connect(b.address());
  a.Expect({"+default/b-0@0"});
  b.Expect({"+default/a-0@0"});
  a.links().Disconnect(b.address());
  b.Expect({"+default/a-0@0", "-default/a-0"});
  a.Await([&] { return a.links().stats().links == 0; });
  a.Expect({"+default/b-0@0"});
}

// A cluster that shrank and grew again, while a message had brought its last replica's Link back.
TEST_F(LinkTableTest, ConnectSaysWhoIsAtALinkThatIsOpen) {
  Node a("a"), b("b");
  a.Learn(b, b.ListenAndStart(Socket("b")));
  a.Start();
  a.links().Send(b.address(), NumberedEnd(1));
  a.Expect({"+default/b-0@0"});
  PeerInfo leading = b.self();
  leading.epoch = 7;
  b.links().Update(leading);
  a.Expect({"+default/b-0@0", "+default/b-0@7"});
  a.links().Connect(b.address());
  a.links().Connect(b.address());
  a.Expect({"+default/b-0@0", "+default/b-0@7", "+default/b-0@7"});
  EXPECT_EQ(a.links().stats().links, 1u);
}

TEST_F(LinkTableTest, APeerThatWasGivenUpCanBeDialledAgain) {
  Node a("a"), b("b");
  a.Learn(b, Socket("b"));
  a.Start();
  a.links().Connect(b.address());
  a.Await([&] { return a.count("-default/b-0") > 0; });  // and it is to be dialled again
  a.links().Disconnect(b.address());
  b.ListenAndStart(Socket("b"));
  a.links().Connect(b.address());
  a.Await([&] { return a.count("+default/b-0@0") == 1; });
}

TEST_F(LinkTableTest, ClustersThatAreLongGoneMakeRoomForOthers) {
  Node a("a"), b("b");
  a.Start();
  for (int i = 0; i < 10'000; ++i) {
    a.links().Learn({absl::StrCat("default/gone-", i), {"unix:/nowhere"}, 0, 0});
  }
  a.Learn(b, b.ListenAndStart(Socket("b")));
  a.links().Send(b.address(), NumberedEnd(7));
  EXPECT_EQ(NumberOf(b.WaitForMessages(1)[0]), 7u);
}

// A daemon is told once where a cluster is.
// promise: H-46
TEST_F(LinkTableTest, ClustersWithManyReplicasMakeNoOtherOneForgotten) {
  Node a("a"), b("b");
  a.Start();
  a.Learn(b, b.ListenAndStart(Socket("b")));
  const std::vector<std::string> replicas(kMaxClusterReplicas, "unix:/nowhere");
  for (int i = 0; i < 1000; ++i) {
    a.links().Learn({absl::StrCat("default/large-", i), replicas, 0, 0});
  }
  a.links().Send(b.address(), NumberedEnd(7));
  EXPECT_EQ(NumberOf(b.WaitForMessages(1)[0]), 7u);
}

TEST_F(LinkTableTest, WhoeverAnswersUnderAnotherNameIsNotThePeer) {
  Node a("a"), b("b"), c("c");
  a.Learn(b, c.ListenAndStart(Socket("c")));
  a.Start();
  a.links().Connect(b.address());
  a.Expect({"-default/b-0"});
}

// promise: T-07
TEST_F(LinkTableTest, ShutdownWritesWhatIsQueuedFirst) {
  Node a("a"), b("b");
  a.Learn(b, b.ListenAndStart(Socket("b")));
  a.Start();
  a.links().Connect(b.address());
  a.Expect({"+default/b-0@0"});
  absl::Notification done;
  for (uint64_t i = 0; i < 2000; ++i) a.links().Send(b.address(), NumberedEnd(i));
  a.links().Shutdown(seconds(10), [&] { done.Notify(); });
  EXPECT_TRUE(done.WaitForNotificationWithTimeout(absl::Seconds(10)));
  b.WaitForMessages(2000);
  b.Expect({"+default/a-0@0", "-default/a-0"});
  a.Expect({"+default/b-0@0"});
}

// promise: T-07
TEST_F(LinkTableTest, ShutdownOfTheServingSideFlushesToo) {
  Node a("a"), b("b");
  a.Learn(b, b.ListenAndStart(Socket("b")));
  a.Start();
  a.links().Connect(b.address());
  b.Expect({"+default/a-0@0"});
  absl::Notification done;
  for (uint64_t i = 0; i < 2000; ++i) b.links().Send(a.address(), NumberedEnd(i));
  b.links().Shutdown(seconds(10), [&] { done.Notify(); });
  EXPECT_TRUE(done.WaitForNotificationWithTimeout(absl::Seconds(10)));
  a.WaitForMessages(2000);
  a.Expect({"+default/b-0@0", "-default/b-0"});
}

TEST_F(LinkTableTest, ShutdownWithoutLinksIsDoneAtOnce) {
  Node a("a");
  a.ListenAndStart(Socket("a"));
  absl::Notification done;
  a.links().Shutdown(seconds(10), [&] { done.Notify(); });
  EXPECT_TRUE(done.WaitForNotificationWithTimeout(absl::Seconds(10)));
}

TEST_F(LinkTableTest, SaysWhyItCannotListen) {
  Node a("a");
  EXPECT_THAT(std::string(a.links().Listen("unix:/" + std::string(200, 'x')).message()),
              HasSubstr("longer than 107 bytes"));
  EXPECT_TRUE(absl::IsUnavailable(a.links().Listen("unix:/no/such/folder/x")));
}

// A peer in a process of its own, to be killed or stopped.
class PeerProcess {
 public:
  explicit PeerProcess(const std::string& endpoint) {
    pid_ = ::fork();
    if (pid_ != 0) return;
    ::execl("/proc/self/exe", "peer", "--peer", endpoint.c_str(), nullptr);
    ::_exit(127);
  }
  ~PeerProcess() { Kill(); }
  void Kill() {
    if (pid_ < 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }
  void Signal(int signal) { ::kill(pid_, signal); }

 private:
  pid_t pid_;
};

TEST_F(LinkTableTest, APeerThatIsKilledIsLostOnceAndFoundAgain) {
  Node a("a"), b("b");
  PeerProcess first(Socket("b"));
  a.Learn(b, Socket("b"));
  a.Start();
  a.links().Connect(b.address());
  a.Await([&] { return a.count("+default/b-0@0") == 1; });
  const size_t lost = a.count("-default/b-0");  // while it started
  first.Kill();
  a.Await([&] { return a.count("-default/b-0") == lost + 1; });
  PeerProcess second(Socket("b"));
  a.Await([&] { return a.count("+default/b-0@0") == 2; });
  EXPECT_EQ(a.count("-default/b-0"), lost + 1);
}

TEST_F(LinkTableTest, AStoppedPeerFallsSilentAndAWokenOneSpeaks) {
  Node a("a", {.ping_interval = milliseconds(5)}), b("b");
  PeerProcess peer(Socket("b"));
  a.Learn(b, Socket("b"));
  a.Start();
  EXPECT_FALSE(a.links().SilentFor(b.address()).has_value());
  a.links().Connect(b.address());
  a.Await([&] { return a.count("+default/b-0@0") == 1; });
  EXPECT_LT(a.links().SilentFor(b.address()).value(), seconds(1));
  peer.Signal(SIGSTOP);
  a.Await([&] { return a.links().SilentFor(b.address()) >= milliseconds(100); });
  EXPECT_EQ(a.links().stats().links, 1u);  // silent, yet open
  peer.Signal(SIGCONT);
  a.Await([&] { return a.links().SilentFor(b.address()) <= milliseconds(5); });
}

// The peer of PeerProcess.
int ServePeer(const std::string& endpoint) {
  Node b("b", {}, SystemRandom().Next());
  b.ListenAndStart(endpoint);
  while (true) ::pause();
}

}  // namespace
}  // namespace fractos

int main(int argc, char** argv) {
  if (argc == 3 && std::string(argv[1]) == "--peer") return fractos::ServePeer(argv[2]);
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
