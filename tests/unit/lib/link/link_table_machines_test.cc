// Links between machines: what vanishes, hangs, idles or moves.
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>

#include "absl/synchronization/notification.h"
#include "tests/unit/lib/link/link_table_harness.h"
#include "tests/unit/lib/link/network.h"

namespace fractos {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// promise: T-12
TEST_F(LinkTableTest, APeerWhoseMachineVanishedIsLostAtBothEnds) {
  // In production 8 s and 5 s: noticed within 15 s.
  EXPECT_LT(Keepalive().interval + Keepalive().timeout, seconds(15));
  const LinkOptions options{.keepalive = {milliseconds(100), milliseconds(100)}};
  Node a("a", options), b("b", options);
  Network network(b.ListenAndStart("127.0.0.1:0"));
  a.Start();
  a.Learn(b, network.endpoint());
  a.links().Connect(b.address());
  a.Expect({"+default/b-0@0"});
  b.Expect({"+default/a-0@0"});
  network.Vanish();
  // Nothing is sent; both ask by themselves.
  a.Expect({"+default/b-0@0", "-default/b-0"});
  b.Expect({"+default/a-0@0", "-default/a-0"});
}

// promise: T-16
TEST_F(LinkTableTest, ADialThatHangsDoesNotHoldUpTheNext) {
  // Longer than this test waits, so that it is not their end that helps.
  const LinkOptions options{.open_timeout = seconds(60), .keepalive = {seconds(60), seconds(60)}};
  Node a("a", options), b("b", options);
  Network network(b.ListenAndStart("127.0.0.1:0"));
  network.Swallow(2);
  a.Start();
  a.Learn(b, network.endpoint());
  a.links().Send(b.address(), NumberedEnd(7));
  EXPECT_EQ(NumberOf(b.WaitForMessages(1)[0]), 7u);
  a.Expect({"+default/b-0@0"});
  EXPECT_EQ(network.swallowed(), 2);
  EXPECT_EQ(a.links().stats().links, 1u);
}

// promise: T-16
TEST_F(LinkTableTest, APeerThatIsLostWhileADialHangsIsDialledAgain) {
  const LinkOptions options{.open_timeout = seconds(60), .keepalive = {seconds(60), seconds(60)}};
  Node a("a", options);
  auto b = std::make_unique<Node>("b", options);
  const std::string endpoint = b->ListenAndStart("127.0.0.1:0");
  Network network(endpoint);
  network.Swallow(1);
  a.Start();
  a.Learn(*b, network.endpoint());
  a.links().Connect(b->address());
  a.Expect({"+default/b-0@0"});
  b.reset();
  a.Expect({"+default/b-0@0", "-default/b-0"});
  Node again("b", options, /*boot=*/2);
  again.ListenAndStart(endpoint);
  a.Await([&] { return a.count("+default/b-0@0") == 2; });
}

// promise: T-12
TEST_F(LinkTableTest, AnIdleLinkBetweenMachinesStaysOpen) {
  const LinkOptions options{.keepalive = {milliseconds(20), milliseconds(2000)}};
  Node a("a", options), b("b", options);
  const std::string endpoint = b.ListenAndStart("127.0.0.1:0");
  a.Start();
  a.Learn(b, endpoint);
  a.links().Connect(b.address());
  a.Expect({"+default/b-0@0"});
  // Long enough for a dozen questions: one too many of them, and a server hangs up.
  absl::Notification later;
  a.loop().At(std::chrono::steady_clock::now() + milliseconds(300), [&later] { later.Notify(); });
  later.WaitForNotification();
  a.Expect({"+default/b-0@0"});
}

// promise: T-13
TEST_F(LinkTableTest, APeerThatMovedToAnotherAddressIsFoundByItsName) {
  Node a("a");
  auto b = std::make_unique<Node>("b", LinkOptions{}, 1);
  const std::string old = b->ListenAndStart("127.0.0.1:0");
  const std::string port = old.substr(old.rfind(':'));
  a.Start();
  a.Learn(*b, "localhost" + port);
  a.links().Connect(b->address());
  a.Expect({"+default/b-0@0"});
  b = nullptr;
  a.Expect({"+default/b-0@0", "-default/b-0"});
  // The name stands for both addresses; now somebody answers at the other one only.
  Node moved("b", {}, 2);
  moved.ListenAndStart("[::1]" + port);
  a.Expect({"+default/b-0@0", "-default/b-0", "+default/b-0@0"});
}

}  // namespace
}  // namespace fractos
