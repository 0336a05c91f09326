// A driver for tests of fractos-daemon.
#ifndef FRACTOS_TESTS_INTEGRATION_TEST_DRIVER_H_
#define FRACTOS_TESTS_INTEGRATION_TEST_DRIVER_H_

#include <map>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "lib/base/random.h"
#include "lib/link/link_table.h"
#include "lib/protocol/message.h"
#include "lib/runtime/event_loop.h"

namespace fractos {

// A driver with Links, as far as tests of daemons need one. What it waits for it waits for until
// `patience` is over. Thread-safe.
class TestDriver final : public LinkObserver {
 public:
  explicit TestDriver(absl::Duration patience)
      : patience_(patience),
        self_{Address::Driver("test"), random_.NewId<BootId>()},
        links_(&loop_, PeerInfo{self_, 0, "", ""}, this),
        thread_([this] { loop_.Run(); }) {}
  ~TestDriver() override {
    links_.Shutdown(Duration::zero(), [this] { loop_.Stop(); });
    thread_.join();
  }

  void OnPeer(const PeerInfo& peer) override {
    absl::MutexLock lock(&mutex_);
    peers_[peer.self.address] = peer;
  }
  void OnPeerLost(const Address& peer) override {
    absl::MutexLock lock(&mutex_);
    peers_.erase(peer);
  }
  void OnMessages(const Incarnation&, std::vector<Message> messages) override {
    absl::MutexLock lock(&mutex_);
    for (Message& message : messages) received_.push_back(std::move(message));
  }

  LinkTable& links() { return links_; }
  const Incarnation& self() const { return self_; }

  // What it knows of peers, so that a wait is for what they say from now on.
  void Forget() {
    absl::MutexLock lock(&mutex_);
    peers_.clear();
  }

  // A replica that leads, under `epoch` or a later one, and has described itself; none in time.
  std::optional<PeerInfo> AwaitLeader(uint64_t epoch = 1) {
    std::optional<PeerInfo> leader;
    absl::MutexLock lock(&mutex_);
    auto there = [this, epoch, &leader]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
      for (const auto& [address, peer] : peers_) {
        if (peer.epoch >= epoch && !peer.description_json.empty()) leader = peer;
      }
      return leader.has_value();
    };
    mutex_.AwaitWithTimeout(absl::Condition(&there), patience_);
    return leader;
  }
  // Whether that many have described themselves and lead.
  bool AwaitPeers(size_t n) {
    absl::MutexLock lock(&mutex_);
    auto there = [this, n]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
      size_t ready = 0;
      for (const auto& [address, peer] : peers_) {
        ready += peer.epoch > 0 && !peer.description_json.empty();
      }
      return ready >= n;
    };
    return mutex_.AwaitWithTimeout(absl::Condition(&there), patience_);
  }
  // The result of `step` of `run`, once it is reported.
  ResultPtr AwaitResult(const RunId& run, const StepPath& step) {
    ResultPtr found;
    absl::MutexLock lock(&mutex_);
    auto there = [this, &run, &step, &found]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
      for (const Message& message : received_) {
        const auto* report = std::get_if<Report>(&message);
        if (report == nullptr || report->run != run) continue;
        for (const ResultPtr& result : report->results) {
          if (result->path == step) found = result;
        }
      }
      return found != nullptr;
    };
    mutex_.AwaitWithTimeout(absl::Condition(&there), patience_);
    return found;
  }

 private:
  const absl::Duration patience_;
  SystemRandom random_;
  Incarnation self_;
  absl::Mutex mutex_;
  std::map<Address, PeerInfo> peers_ ABSL_GUARDED_BY(mutex_);
  std::vector<Message> received_ ABSL_GUARDED_BY(mutex_);
  EventLoop loop_;
  LinkTable links_;
  std::thread thread_;
};

}  // namespace fractos

#endif  // FRACTOS_TESTS_INTEGRATION_TEST_DRIVER_H_
