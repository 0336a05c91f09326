#include "lib/runtime/status_server.h"

#include <errno.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <iterator>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "lib/base/unique_fd.h"
#include "lib/runtime/http_probe.h"

namespace fractos {
namespace {

std::unique_ptr<StatusServer> Serve(StatusServer::Pages pages) {
  return StatusServer::Start("127.0.0.1:0", std::move(pages)).value();
}
absl::StatusCode Get(const StatusServer& server, const std::string& path) {
  return ProbeHttp(absl::StrCat("http://", server.address(), path)).code();
}

TEST(StatusServerTest, ServesThePagesThatThereAre) {
  std::string sick;
  const auto server = Serve({nullptr, [&sick] { return sick; }, nullptr});
  EXPECT_EQ(Get(*server, "/healthz"), absl::StatusCode::kOk);
  sick = "the renewal hangs";
  EXPECT_EQ(Get(*server, "/healthz"), absl::StatusCode::kFailedPrecondition);
  const absl::Status why = ProbeHttp(absl::StrCat("http://", server->address(), "/healthz"));
  EXPECT_NE(why.message().find("the renewal hangs"), absl::string_view::npos) << why;
  EXPECT_EQ(Get(*server, "/metrics"), absl::StatusCode::kFailedPrecondition);
}

// promise: T-17
TEST(StatusServerTest, WhoeverDribblesIsCutOffAndProbesAreAnswered) {
  const auto server = StatusServer::Start("127.0.0.1:0", {nullptr, [] { return ""; }, nullptr},
                                          std::chrono::milliseconds(300))
                          .value();
  const std::string address = server->address();
  int port = 0;
  ASSERT_TRUE(absl::SimpleAtoi(address.substr(address.rfind(':') + 1), &port));
  std::vector<UniqueFd> slow;
  for (int i = 0; i < 8; ++i) {  // more than there are threads
    UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<uint16_t>(port));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ASSERT_EQ(::connect(socket.get(), reinterpret_cast<sockaddr*>(&to), sizeof(to)), 0);
    slow.push_back(std::move(socket));
  }
  // Each sends a byte now and then, sooner than any read would time out, until it is cut off.
  std::thread dribble([&slow] {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!slow.empty() && std::chrono::steady_clock::now() < until) {
      std::erase_if(slow, [](const UniqueFd& socket) {
        char end;
        return ::send(socket.get(), "a", 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ||
               ::recv(socket.get(), &end, 1, MSG_DONTWAIT) >= 0;
      });
      std::this_thread::yield();
    }
  });
  EXPECT_EQ(Get(*server, "/healthz"), absl::StatusCode::kOk);
  dribble.join();
  EXPECT_TRUE(slow.empty()) << slow.size() << " are still served";
}

// As a kernel without IPv6 does it, for this thread and those that it starts.
bool RefuseIpv6Sockets() {
  sock_filter steps[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_INET6, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EAFNOSUPPORT),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program = {std::size(steps), steps};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

TEST(StatusServerTest, AllAddressesAreThoseOfIpv4WhereThereIsNoOther) {
  EXPECT_EQ(StatusServer::Start(":0", {}).value()->address().rfind("[::]:", 0), 0u);
  std::string address;
  std::thread without([&address] {
    if (!RefuseIpv6Sockets()) return;
    auto server = StatusServer::Start(":0", {nullptr, [] { return ""; }, nullptr});
    if (server.ok() && Get(**server, "/healthz") == absl::StatusCode::kOk) {
      address = (*server)->address();
    }
  });
  without.join();
  EXPECT_EQ(address.rfind("0.0.0.0:", 0), 0u) << address;
}

TEST(StatusServerTest, ProbesSayWhatIsWrong) {
  EXPECT_EQ(ProbeHttp("ftp://x").code(), absl::StatusCode::kInvalidArgument);
  std::string address;
  address = Serve({})->address();
  EXPECT_EQ(ProbeHttp(absl::StrCat("http://", address, "/")).code(),
            absl::StatusCode::kUnavailable);
  EXPECT_EQ(StatusServer::Start("nowhere", {}).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace fractos
