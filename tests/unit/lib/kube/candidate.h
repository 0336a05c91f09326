// One process that stands for election, for tests.
#ifndef FRACTOS_TESTS_UNIT_LIB_KUBE_CANDIDATE_H_
#define FRACTOS_TESTS_UNIT_LIB_KUBE_CANDIDATE_H_

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "lib/kube/leader_elector.h"
#include "tests/unit/lib/kube/fake_client.h"
#include "tests/unit/lib/kube/fake_time.h"

namespace fractos::kube {

// Writes down what its elector says: "started 0" (with leaseTransitions), "stopped", "leader x".
// Runs until stopped, again and again.
class Candidate : private LeaderElectionMetrics {
 public:
  Candidate(FakeApiServer* server, FakeTime* time, const std::string& identity,
            const std::function<void(LeaderElectionOptions*)>& change = nullptr)
      : client(server), random_(std::hash<std::string>()(identity)) {
    LeaderElectionOptions options;
    options.lock = {"ns", "leader", identity, {}, {}};
    options.callbacks.on_started_leading = [this](const std::stop_token& stop,
                                                  const Leadership& leadership) {
      Write(absl::StrCat("started ", leadership.lease_transitions));
      absl::Mutex mutex;
      const std::stop_callback wake(stop, [&mutex] { absl::MutexLock lock(&mutex); });
      absl::MutexLock lock(&mutex);
      const auto stopped = [&stop] { return stop.stop_requested(); };
      mutex.Await(absl::Condition(&stopped));
    };
    options.callbacks.on_stopped_leading = [this] { Write("stopped"); };
    options.callbacks.on_new_leader = [this](const std::string& leader) {
      Write(absl::StrCat("leader ", leader));
    };
    options.metrics = this;
    options.on_error = [this](const absl::Status& error) {
      absl::MutexLock lock(&mutex_);
      errors_.push_back(error);
    };
    if (change) change(&options);
    elector = LeaderElector::Create(&client, time, &random_, options).value();
  }
  ~Candidate() override { Stop(); }

  void Start() {
    thread_ = std::thread([this] {
      while (!stop_.stop_requested()) {
        const absl::Status ended = elector->Run(stop_.get_token());
        Write(absl::StrCat("ended ", absl::StatusCodeToString(ended.code())));
      }
    });
  }
  void Stop() {
    stop_.request_stop();
    if (thread_.joinable()) thread_.join();
  }
  void RequestStop() { stop_.request_stop(); }

  // All lines but "leader" ones, once there are `n` of them.
  std::vector<std::string> Await(size_t n) { return AwaitLines(&lines_, n); }
  std::vector<std::string> AwaitLeaders(size_t n) { return AwaitLines(&leaders_, n); }
  std::vector<absl::Status> errors() const {
    absl::MutexLock lock(&mutex_);
    return errors_;
  }
  std::vector<bool> led() const {
    absl::MutexLock lock(&mutex_);
    return led_;
  }
  int slow_paths() const {
    absl::MutexLock lock(&mutex_);
    return slow_paths_;
  }
  void Write(std::string line) {
    absl::MutexLock lock(&mutex_);
    (absl::StartsWith(line, "leader ") ? leaders_ : lines_).push_back(std::move(line));
  }

  FakeClient client;
  std::unique_ptr<LeaderElector> elector;

 private:
  void OnLeading(bool leading) override {
    absl::MutexLock lock(&mutex_);
    led_.push_back(leading);
  }
  void OnSlowPath() override {
    absl::MutexLock lock(&mutex_);
    ++slow_paths_;
  }
  std::vector<std::string> AwaitLines(std::vector<std::string>* lines, size_t n) {
    absl::MutexLock lock(&mutex_);
    const auto there = [&] { return lines->size() >= n; };
    mutex_.AwaitWithTimeout(absl::Condition(&there), kPatience);
    return *lines;
  }

  SeededRandom random_;
  mutable absl::Mutex mutex_;
  std::vector<std::string> lines_;
  std::vector<std::string> leaders_;
  std::vector<absl::Status> errors_ ABSL_GUARDED_BY(mutex_);
  std::vector<bool> led_ ABSL_GUARDED_BY(mutex_);
  int slow_paths_ ABSL_GUARDED_BY(mutex_) = 0;
  std::stop_source stop_;
  std::thread thread_;
};

}  // namespace fractos::kube

#endif  // FRACTOS_TESTS_UNIT_LIB_KUBE_CANDIDATE_H_
