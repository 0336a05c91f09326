// A network that loses what passes it.
#ifndef FRACTOS_TESTS_UNIT_LIB_LINK_NETWORK_H_
#define FRACTOS_TESTS_UNIT_LIB_LINK_NETWORK_H_

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>

#include "lib/base/unique_fd.h"

namespace fractos {

// The network between two nodes, as TCP connections that can be made to vanish: nothing passes any
// more, and nobody is told. Carries what comes on a thread of its own; all methods are thread-safe.
class Network {
 public:
  // In front of whoever listens at `target`, a "127.0.0.1:port".
  explicit Network(const std::string& target);
  ~Network();
  // Where to dial instead.
  const std::string& endpoint() const { return endpoint_; }
  // From now on, for good.
  void Vanish() { vanished_ = true; }
  // The next connections that are made lead nowhere.
  void Swallow(int connections) { swallow_ = connections; }
  int swallowed() const { return swallowed_; }

 private:
  void Carry();

  const uint16_t port_;
  const UniqueFd listener_, stop_;
  std::string endpoint_;
  std::atomic<bool> vanished_ = false;
  std::atomic<int> swallow_ = 0, swallowed_ = 0;
  std::thread thread_;
};

}  // namespace fractos

#endif  // FRACTOS_TESTS_UNIT_LIB_LINK_NETWORK_H_
