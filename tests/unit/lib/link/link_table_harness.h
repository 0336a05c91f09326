// Link tables of several processes in one, and what their observers heard.
#ifndef FRACTOS_TESTS_UNIT_LIB_LINK_LINK_TABLE_HARNESS_H_
#define FRACTOS_TESTS_UNIT_LIB_LINK_LINK_TABLE_HARNESS_H_

#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "lib/base/random.h"
#include "lib/link/link_table.h"

namespace fractos {

inline std::string NewSocketFolder() {
  std::string folder = testing::TempDir() + "link-XXXXXX";
  return ::mkdtemp(folder.data());
}

inline Message NumberedEnd(uint64_t n) { return StaleEpoch{"default/x", n}; }

inline uint64_t NumberOf(const Message& message) { return std::get<StaleEpoch>(message).seen; }

// One process's side: a loop on a thread of its own and everything the observer heard, as text.
class Node : public LinkObserver {
 public:
  Node(const std::string& cluster, LinkOptions options = {}, uint64_t boot = 1)
      : self_{{{"default/" + cluster, 0}, SeededRandom(boot).NewId<BootId>()}, 0, "", ""} {
    links_ = std::make_unique<LinkTable>(&loop_, self_, this, options);
  }
  ~Node() override { Stop(); }

  void Start() {
    thread_ = std::thread([this] { loop_.Run(); });
  }
  void Stop() {
    loop_.Stop();
    if (thread_.joinable()) thread_.join();
    links_.reset();
  }
  std::string ListenAndStart(const std::string& endpoint) {
    const absl::Status status = links_->Listen(endpoint);
    EXPECT_TRUE(status.ok()) << status;
    Start();
    return links_->endpoint();
  }
  void Learn(const Node& other, const std::string& endpoint) {
    links_->Learn({other.address().cluster, {endpoint}, 0, 0});
  }

  void OnPeer(const PeerInfo& peer) override {
    Heard(absl::StrCat("+", peer.self.address.ToString(), "@", peer.epoch));
  }
  void OnPeerLost(const Address& peer) override { Heard(absl::StrCat("-", peer.ToString())); }
  void OnMessages(const Incarnation& from, std::vector<Message> messages) override {
    absl::MutexLock lock(&mutex_);
    ++frames_;
    from_ = from;
    for (Message& message : messages) messages_.push_back(std::move(message));
  }

  // Waits for the events so far to be these; a test that fails says what came instead.
  void Expect(const std::vector<std::string>& events) {
    absl::MutexLock lock(&mutex_);
    auto there = [&] { return events_.size() >= events.size(); };
    mutex_.AwaitWithTimeout(absl::Condition(&there), absl::Seconds(10));
    EXPECT_EQ(events_, events);
  }
  std::vector<Message> WaitForMessages(size_t count) {
    absl::MutexLock lock(&mutex_);
    auto there = [&] { return messages_.size() >= count; };
    mutex_.AwaitWithTimeout(absl::Condition(&there), absl::Seconds(10));
    EXPECT_EQ(messages_.size(), count);
    return messages_;
  }
  size_t frames() const {
    absl::MutexLock lock(&mutex_);
    return frames_;
  }
  Incarnation from() const {
    absl::MutexLock lock(&mutex_);
    return from_;
  }
  size_t count(const std::string& event) const {
    absl::MutexLock lock(&mutex_);
    return static_cast<size_t>(std::count(events_.begin(), events_.end(), event));
  }
  // Waits until `condition`, which reads the table's own state, holds.
  void Await(const std::function<bool()>& condition) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!condition() && std::chrono::steady_clock::now() < until) std::this_thread::yield();
    EXPECT_TRUE(condition());
  }

  const Address& address() const { return self_.self.address; }
  const PeerInfo& self() const { return self_; }
  LinkTable& links() { return *links_; }
  EventLoop& loop() { return loop_; }

 private:
  void Heard(std::string event) {
    absl::MutexLock lock(&mutex_);
    events_.push_back(std::move(event));
  }

  const PeerInfo self_;
  EventLoop loop_;
  std::unique_ptr<LinkTable> links_;
  std::thread thread_;
  mutable absl::Mutex mutex_;
  std::vector<std::string> events_ ABSL_GUARDED_BY(mutex_);
  std::vector<Message> messages_ ABSL_GUARDED_BY(mutex_);
  Incarnation from_ ABSL_GUARDED_BY(mutex_);
  size_t frames_ ABSL_GUARDED_BY(mutex_) = 0;
};

class LinkTableTest : public testing::Test {
 protected:
  ~LinkTableTest() override { std::filesystem::remove_all(folder_); }
  std::string Socket(const std::string& name) const { return "unix:" + folder_ + "/" + name; }
  const std::string folder_ = NewSocketFolder();
};

}  // namespace fractos

#endif  // FRACTOS_TESTS_UNIT_LIB_LINK_LINK_TABLE_HARNESS_H_
