// Eight bare processes forwarding a message of 64 B over TCP: the floor for anything that crosses
// eight process boundaries.
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <utility>

#include "bench/ring.h"

namespace fractos {
namespace {

struct Edge {
  int from = -1, to = -1;
};

void NoDelay(int fd) {
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

Edge Connect() {
  const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(address);
  auto* raw = reinterpret_cast<sockaddr*>(&address);
  Edge edge;
  if (::bind(listener, raw, length) != 0 || ::listen(listener, 1) != 0 ||
      ::getsockname(listener, raw, &length) != 0) {
    return edge;
  }
  edge.from = ::socket(AF_INET, SOCK_STREAM, 0);
  if (::connect(edge.from, raw, length) != 0) return edge;
  edge.to = ::accept(listener, nullptr, nullptr);
  ::close(listener);
  NoDelay(edge.from);
  NoDelay(edge.to);
  return edge;
}

bool WriteAll(int fd, const char* bytes, size_t size) {
  while (size > 0) {
    const ssize_t written = ::write(fd, bytes, size);
    if (written <= 0) return false;
    bytes += written;
    size -= static_cast<size_t>(written);
  }
  return true;
}

// Passes on whatever is there with one write: many messages cost no more calls than one.
int Forward(int in, int out) {
  std::array<char, kRingMessageBytes * kRingInFlight> bytes;
  while (true) {
    const ssize_t got = ::read(in, bytes.data(), bytes.size());
    if (got <= 0 || !WriteAll(out, bytes.data(), static_cast<size_t>(got))) return 1;
  }
}

int Measure(int in, int out) {
  std::array<char, kRingMessageBytes * kRingInFlight> bytes{};
  std::array<char, kRingMessageBytes * kRingInFlight> sending{};
  size_t owed = 0;
  RingMeter meter([&owed] { ++owed; });
  meter.Start();
  size_t partial = 0;
  while (true) {
    if (!WriteAll(out, sending.data(), std::exchange(owed, 0) * kRingMessageBytes)) return 1;
    const ssize_t got = ::read(in, bytes.data(), bytes.size());
    if (got <= 0) return 1;
    partial += static_cast<size_t>(got);
    for (; partial >= kRingMessageBytes; partial -= kRingMessageBytes) {
      if (meter.Arrived()) continue;
      meter.Print("ring_tcp");
      return 0;
    }
  }
}

int Run() {
  std::array<Edge, kRingSize> edges;
  for (Edge& edge : edges) {
    edge = Connect();
    if (edge.to < 0) return std::perror("ring_tcp"), 1;
  }
  return RunRing([&edges](int i) {
    const int in = edges[static_cast<size_t>((i + kRingSize - 1) % kRingSize)].to;
    const int out = edges[static_cast<size_t>(i)].from;
    return i == 0 ? Measure(in, out) : Forward(in, out);
  });
}

}  // namespace
}  // namespace fractos

int main() { return fractos::Run(); }
