#include "bench/ring.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace fractos {
namespace {

constexpr size_t kWarmUpRounds = 500;
constexpr size_t kRounds = 3000;
constexpr int64_t kFloodNanos = 1'500'000'000;

int64_t NowNanos() {
  timespec now;
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

}  // namespace

void RingMeter::Launch() {
  launched_ = NowNanos();
  send_();
}

bool RingMeter::Arrived() {
  const int64_t now = NowNanos();
  if (!flooding_) {
    rounds_.push_back(now - launched_);
    if (rounds_.size() < kWarmUpRounds + kRounds) {
      Launch();
      return true;
    }
    flooding_ = true;
    flood_started_ = now;
    for (int i = 0; i < kRingInFlight; ++i) send_();
    return true;
  }
  ++arrivals_;
  flood_ended_ = now;
  if (now - flood_started_ >= kFloodNanos) return false;
  send_();
  return true;
}

void RingMeter::Print(const std::string& ring) const {
  std::vector<int64_t> rounds(rounds_.begin() + kWarmUpRounds, rounds_.end());
  std::sort(rounds.begin(), rounds.end());
  const double seconds = static_cast<double>(flood_ended_ - flood_started_) / 1e9;
  std::printf("{\"measure\": \"%s_round_p50\", \"value\": %.1f, \"unit\": \"us\"}\n", ring.c_str(),
              static_cast<double>(rounds[rounds.size() / 2]) / 1e3);
  std::printf("{\"measure\": \"%s_hops_per_second\", \"value\": %.0f, \"unit\": \"1/s\"}\n",
              ring.c_str(), static_cast<double>(arrivals_) * kRingSize / seconds);
  std::fflush(stdout);
}

int RunRing(const std::function<int(int)>& node) {
  const pid_t self = ::getpid();
  std::vector<pid_t> pids;
  for (int i = 0; i < kRingSize; ++i) {
    const pid_t pid = ::fork();
    if (pid < 0) break;
    if (pid == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      ::_exit(::getppid() == self ? node(i) : 1);
    }
    pids.push_back(pid);
  }
  int status = 1;
  if (pids.size() == kRingSize) ::waitpid(pids[0], &status, 0);
  for (size_t i = pids.size() == kRingSize ? 1 : 0; i < pids.size(); ++i) {
    ::kill(pids[i], SIGKILL);
    ::waitpid(pids[i], nullptr, 0);
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

}  // namespace fractos
