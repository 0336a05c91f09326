// Follows collections of a real API server with lib/kube while others change them, and says whether
// what it holds is what a fresh list gives. run.py drives it, and disturbs it.
//
// Standard input has a command a line, answered by a line of JSON:
//
//   check NAME SECONDS   pauses the load, waits at most so long until all is equal, goes on
//   counts               what was counted so far
//
// The end of input ends it.
#include <malloc.h>
#include <signal.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <iostream>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "lib/base/random.h"
#include "lib/kube/cpprest_transport.h"
#include "lib/kube/event_recorder.h"
#include "lib/kube/kubeconfig.h"
#include "lib/kube/leader_elector.h"
#include "lib/kube/rest_client.h"
#include "tests/kube/counts.h"
#include "tests/kube/followed.h"
#include "tests/kube/load.h"

namespace fractos::kube_probe {
namespace {

constexpr char kName[] = "kube-probe";
constexpr Duration kLookAgain = std::chrono::milliseconds(250);

struct Flags {
  std::string kubeconfig;
  int objects = 200;
  double per_second = 20;
  uint64_t seed = 1;
};

// Stands for election as an operator does, save that it does not end when it loses.
class Candidate {
 public:
  Candidate(kube::Client* client, kube::WaitableClock* clock, Counts* counts, const std::string& ns,
            kube::EventRecorder* events)
      : clock_(clock), counts_(counts) {
    kube::LeaderElectionOptions options;
    options.lock = {ns, kName, kube::UniqueIdentity(kName, random_), {}};
    options.release_on_cancel = true;
    options.events = events;
    options.callbacks.on_started_leading = [this](const std::stop_token& stop,
                                                  const kube::Leadership&) {
      counts_->Add("led");
      SleepFor(*clock_, Duration::max(), stop);
    };
    options.callbacks.on_stopped_leading = [] {};
    options.on_error = [this](const absl::Status& error) {
      counts_->Add("election error");
      std::fprintf(stderr, "%s\n", std::string(error.message()).c_str());
    };
    elector_ = *kube::LeaderElector::Create(client, clock, &random_, std::move(options));
    thread_ = std::thread([this] {
      while (!stop_.stop_requested()) {
        if (!elector_->Run(stop_.get_token()).ok()) counts_->Add("leadership lost");
      }
    });
  }
  ~Candidate() {
    stop_.request_stop();
    thread_.join();
  }
  bool IsLeader() const { return elector_->IsLeader(); }

 private:
  kube::WaitableClock* const clock_;
  Counts* const counts_;
  SystemRandom random_;
  std::stop_source stop_;
  std::unique_ptr<kube::LeaderElector> elector_;
  std::thread thread_;
};

class Probe {
 public:
  Probe(kube::Client* client, const std::string& ns, const Flags& flags, kube::WaitableClock* clock,
        Counts* counts)
      : clock_(clock),
        counts_(counts),
        about_("v1", "ConfigMap", ns, "probe-0"),
        events_(client, clock, &random_, {kName, "here"}),
        candidate_(client, clock, counts, ns, &events_) {
    const std::vector<kube::Collection> collections = {
        {{"", "v1", "configmaps"}, ns}, {{"fractos.dev", "v1alpha1", "taskgraphs"}, ns}};
    for (const kube::Collection& collection : collections) {
      followed_.push_back(std::make_unique<Followed>(client, clock, counts,
                                                     flags.seed + followed_.size(), collection));
    }
    load_ = std::make_unique<Load>(
        client, clock, counts,
        Load::Options{collections, flags.objects, flags.per_second, flags.seed});
  }

  // Answers commands until there are no more.
  void Serve() {
    for (std::string line; std::getline(std::cin, line);) {
      std::istringstream words(line);
      std::string command, name;
      int64_t seconds = 0;
      words >> command >> name >> seconds;
      kube::Json answer;
      if (command == "check") answer = Check(name, std::chrono::seconds(seconds));
      answer["counts"] = counts_->ToJson();
      std::cout << kube::ToJsonText(answer) << std::endl;
    }
  }

 private:
  kube::Json Check(const std::string& name, Duration patience) {
    load_->Pause();
    const Time start = clock_->Now();
    const kube::Context context{{}, start + patience};
    absl::Status status;
    int64_t objects = 0, told = 0;
    for (;;) {
      objects = told = 0;
      status = CompareAll(context, &objects, &told);
      if (status.ok() || absl::IsFailedPrecondition(status)) break;
      if (kube::Later(clock_->Now(), kLookAgain) >= context.deadline) break;
      SleepFor(*clock_, kLookAgain, {});
    }
    const auto took = std::chrono::duration<double>(clock_->Now() - start);
    // While nothing is under way: what is kept.
    const struct mallinfo2 heap = mallinfo2();
    events_.Event(about_, kube::EventType::kNormal, "Checked", name);
    ++recorded_;
    load_->Resume();
    return {{"ok", status.ok()},
            {"why", std::string(status.message())},
            {"seconds", took.count()},
            {"objects", objects},
            {"told", told},
            {"heapKiB", (heap.uordblks + heap.hblkhd) / 1024}};
  }

  absl::Status CompareAll(const kube::Context& context, int64_t* objects, int64_t* told) const {
    for (const std::unique_ptr<Followed>& each : followed_) {
      const absl::StatusOr<size_t> count = each->Compare(context);
      if (!count.ok()) return count.status();
      *objects += static_cast<int64_t>(*count);
      *told += each->told();
    }
    if (!candidate_.IsLeader()) return absl::AbortedError("the Lease is not ours");
    const kube::EventRecorder::Stats stats = events_.stats();
    if (stats.failed + stats.overflowed > 0) {
      return absl::FailedPreconditionError(
          absl::StrCat("an event was dropped: ", events_.last_error().ToString()));
    }
    // There are also those of the election.
    if (stats.written + stats.filtered < recorded_) return absl::AbortedError("events wait");
    return absl::OkStatus();
  }

  kube::WaitableClock* const clock_;
  Counts* const counts_;
  SystemRandom random_;
  kube::Object about_;
  kube::EventRecorder events_;
  Candidate candidate_;
  std::vector<std::unique_ptr<Followed>> followed_;
  std::unique_ptr<Load> load_;
  uint64_t recorded_ = 0;
};

int Fail(const absl::Status& status) {
  std::fprintf(stderr, "fractos-kube-probe: %s\n", std::string(status.message()).c_str());
  return 1;
}

int Main(int argc, char** argv) {
  Flags flags;
  CLI::App app("Follows collections of an API server and compares; see tests/kube.");
  app.add_option("--kubeconfig", flags.kubeconfig)->required();
  app.add_option("--objects", flags.objects, "names in each collection");
  app.add_option("--rate", flags.per_second, "writes per second by others");
  app.add_option("--seed", flags.seed);
  CLI11_PARSE(app, argc, argv);

  kube::KubeconfigOptions options;
  options.path = flags.kubeconfig;
  const absl::StatusOr<kube::RestConfig> config = kube::LoadRestConfig(options);
  if (!config.ok()) return Fail(config.status());
  kube::SystemWaitableClock clock;
  Counts counts;
  kube::RestOptions rest;
  rest.observer = &counts;
  const absl::StatusOr<std::unique_ptr<kube::RestClient>> client = kube::RestClient::New(
      *config,
      [](const kube::TransportConfig& transport) { return kube::NewCpprestTransport(transport); },
      &clock, rest);
  if (!client.ok()) return Fail(client.status());
  Probe(client->get(), config->ns, flags, &clock, &counts).Serve();
  return 0;
}

}  // namespace
}  // namespace fractos::kube_probe

int main(int argc, char** argv) {
  signal(SIGPIPE, SIG_IGN);
  // Its memory is measured, and Debian's Abseil remembers the order of locks.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  return fractos::kube_probe::Main(argc, argv);
}
