#include "tests/unit/lib/link/network.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

namespace fractos {
namespace {

sockaddr_in Loopback(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

}  // namespace

Network::Network(const std::string& target)
    : port_(static_cast<uint16_t>(std::stoi(target.substr(target.rfind(':') + 1)))),
      listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)),
      stop_(::eventfd(0, EFD_CLOEXEC)) {
  sockaddr_in address = Loopback(0);
  socklen_t size = sizeof(address);
  EXPECT_EQ(::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
  EXPECT_EQ(::listen(listener_.get(), 8), 0);
  EXPECT_EQ(::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  endpoint_ = absl::StrCat("127.0.0.1:", ntohs(address.sin_port));
  thread_ = std::thread([this] { Carry(); });
}

Network::~Network() {
  ::eventfd_write(stop_.get(), 1);
  thread_.join();
}

void Network::Carry() {
  std::vector<std::pair<UniqueFd, UniqueFd>> pairs;
  std::vector<UniqueFd> held;
  while (true) {
    std::vector<pollfd> polled{{stop_.get(), POLLIN, 0}, {listener_.get(), POLLIN, 0}};
    for (const auto& [a, b] : pairs) {
      // What nobody reads stays in the kernel's buffers, as on a wire that is cut.
      polled.push_back({a.get(), static_cast<short>(vanished_ ? 0 : POLLIN), 0});
      polled.push_back({b.get(), static_cast<short>(vanished_ ? 0 : POLLIN), 0});
    }
    if (::poll(polled.data(), polled.size(), 5) < 0) continue;
    if (polled[0].revents != 0) return;
    if (vanished_) continue;
    for (size_t i = 2; i < polled.size(); ++i) {
      if (polled[i].revents == 0) continue;
      const auto& [a, b] = pairs[(i - 2) / 2];
      char buffer[4096];
      const ssize_t got = ::read(polled[i].fd, buffer, sizeof(buffer));
      const int to = polled[i].fd == a.get() ? b.get() : a.get();
      if (got <= 0 || ::send(to, buffer, static_cast<size_t>(got), MSG_NOSIGNAL) != got) {
        ::shutdown(to, SHUT_RDWR);
      }
    }
    if (polled[1].revents == 0) continue;
    UniqueFd from(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (swallow_ > swallowed_) {
      held.push_back(std::move(from));
      ++swallowed_;
      continue;
    }
    UniqueFd to(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address = Loopback(port_);
    if (::connect(to.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0) {
      pairs.emplace_back(std::move(from), std::move(to));
    }
  }
}

}  // namespace fractos
