// fractos-bench: holds FractOS against what the machine can do, in one run, and says whether its
// promises of speed hold.
#include <stdio.h>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "bench/chain.h"
#include "bench/measure.h"
#include "bench/ring.h"
#include "cli/paths.h"
#include "nlohmann/json.hpp"

namespace fractos {
namespace {

struct Options {
  std::string output;
  int repetitions = 5;
  int runs = 1000;
  std::string only;  // "", "chain", "flood", "pass": for profiling, without the rings
};

constexpr int kReadyRepetitions = 5;
constexpr int kWarmUpRuns = 300;
constexpr std::chrono::milliseconds kFloodWindow{1500};
constexpr uint64_t kLargeValue = 1 << 20;

constexpr double kMaxChainRatio = 2.5;
constexpr double kMinFloodRatio = 0.2;
constexpr double kMaxPassRatio = 1.5;
constexpr double kMaxGrpcOverTcp = 4;
constexpr double kMaxRssMegabytes = 40;
constexpr double kMaxReadyMilliseconds = 300;

using Values = std::map<std::string, double>;

// Runs the bare ring `program` beside us, with `argument`: what it prints, by name.
absl::StatusOr<Values> RunRingProgram(const std::string& program, const std::string& argument) {
  const absl::StatusOr<std::string> path = FindProgram(program);
  if (!path.ok()) return path.status();
  FILE* const pipe = ::popen(absl::StrCat(*path, " ", argument).c_str(), "r");
  if (pipe == nullptr) return absl::UnavailableError(absl::StrCat("cannot start ", *path));
  Values values;
  char line[256];
  while (::fgets(line, sizeof(line), pipe) != nullptr) {
    const nlohmann::json json = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (json.is_object()) values[json.value("measure", "")] = json.value("value", 0.0);
  }
  if (::pclose(pipe) != 0 || values.size() != 2) {
    return absl::UnavailableError(absl::StrCat(program, " failed"));
  }
  return values;
}

absl::StatusOr<double> ChainMedian(Chain* chain, const Plan& plan, int runs) {
  std::vector<double> took;
  for (int i = 0; i < runs; ++i) {
    double microseconds = 0;
    const absl::StatusOr<RunRecord> record = chain->Run(plan, &microseconds);
    if (!record.ok()) return record.status();
    took.push_back(microseconds);
  }
  return Median(std::move(took));
}

// From the commit of the value until the last report: the making of a large value, which takes
// longer than that of a small one, is no hand-over.
absl::StatusOr<double> PassMicroseconds(Chain* chain, const Plan& plan) {
  const absl::StatusOr<RunRecord> record = chain->Run(plan, nullptr);
  if (!record.ok()) return record.status();
  return static_cast<double>(record->end_us - record->steps.at("make")->timing.committed);
}

struct PassMedians {
  double small = 0, large = 0;
};
absl::StatusOr<PassMedians> MeasurePass(Chain* chain, int runs) {
  const absl::StatusOr<Plan> small = chain->PassPlan(kRingMessageBytes);
  if (!small.ok()) return small.status();
  const absl::StatusOr<Plan> large = chain->PassPlan(kLargeValue);
  if (!large.ok()) return large.status();
  std::vector<double> small_took, large_took;
  for (int i = 0; i < runs; ++i) {
    const absl::StatusOr<double> a = PassMicroseconds(chain, *small);
    if (!a.ok()) return a.status();
    const absl::StatusOr<double> b = PassMicroseconds(chain, *large);
    if (!b.ok()) return b.status();
    small_took.push_back(*a);
    large_took.push_back(*b);
  }
  return PassMedians{Median(std::move(small_took)), Median(std::move(large_took))};
}

absl::StatusOr<double> FloodHops(Chain* chain, const Plan& plan) {
  const absl::StatusOr<int64_t> runs = chain->Flood(plan, kRingInFlight, kFloodWindow);
  if (!runs.ok()) return runs.status();
  return static_cast<double>(*runs * kRingSize) /
         std::chrono::duration<double>(kFloodWindow).count();
}

// Pairs of a value and its baseline, measured one right after the other so that what else the
// machine does, and how fast it is just now, touches both.
class Paired {
 public:
  void Add(double value, double baseline) {
    values_.push_back(value);
    baselines_.push_back(baseline);
    ratios_.push_back(value / baseline);
  }
  Measure Get(std::string name, std::string unit, double bound, bool at_most) const {
    return {std::move(name), Median(values_), std::move(unit), Median(baselines_),
            Median(ratios_), bound,           at_most};
  }

 private:
  std::vector<double> values_, baselines_, ratios_;
};

// Where the time of a chain goes, as its steps themselves say; medians, in microseconds.
absl::Status PrintPhases(Chain* chain, const Plan& plan, int runs) {
  std::vector<double> begin, hop, device, core, end, whole;
  for (int i = 0; i < runs; ++i) {
    whole.push_back(0);
    const absl::StatusOr<RunRecord> record = chain->Run(plan, &whole.back());
    if (!record.ok()) return record.status();
    int64_t before = record->start_us;
    for (const StepPtr& step : plan.steps) {
      const Timing& timing = record->steps.at(step->path)->timing;
      (before == record->start_us ? begin : hop)
          .push_back(static_cast<double>(timing.received - before));
      device.push_back(static_cast<double>(timing.staged - timing.executing));
      core.push_back(static_cast<double>(timing.committed - timing.received) - device.back());
      before = timing.committed;
    }
    end.push_back(static_cast<double>(record->end_us - before));
  }
  std::cout << "start to first daemon " << Median(begin) << ", hop " << Median(hop) << ", device "
            << Median(device) << ", core " << Median(core) << ", last report " << Median(end)
            << "; the fastest run " << *std::min_element(whole.begin(), whole.end()) << std::endl;
  return absl::OkStatus();
}

absl::Status Profile(const Options& options, Chain* chain, const Plan& plan) {
  for (int i = 0; i < options.repetitions; ++i) {
    if (options.only == "chain") {
      const absl::StatusOr<double> median = ChainMedian(chain, plan, options.runs);
      if (!median.ok()) return median.status();
      std::cout << "chain p50 " << *median << " us: ";
      if (absl::Status s = PrintPhases(chain, plan, options.runs); !s.ok()) return s;
    } else if (options.only == "flood") {
      const absl::StatusOr<double> hops = FloodHops(chain, plan);
      if (!hops.ok()) return hops.status();
      std::cout << "flood " << *hops << " hops/s" << std::endl;
    } else {
      const absl::StatusOr<PassMedians> pass = MeasurePass(chain, options.runs);
      if (!pass.ok()) return pass.status();
      std::cout << "pass 64 B " << pass->small << " us, 1 MiB " << pass->large << " us"
                << std::endl;
    }
  }
  return absl::OkStatus();
}

absl::Status MeasureChain(const Options& options, std::vector<Measure>* measures) {
  absl::StatusOr<std::unique_ptr<Chain>> chain = Chain::Start();
  if (!chain.ok()) return chain.status();
  const DaemonMemory memory = MeasureDaemonMemory();
  if (memory.daemons != kRingSize) return absl::InternalError("not every daemon was found");
  const absl::StatusOr<Plan> plan = (*chain)->CopyPlan();
  if (!plan.ok()) return plan.status();
  const absl::StatusOr<double> warm = ChainMedian(chain->get(), *plan, kWarmUpRuns);
  if (!warm.ok()) return warm.status();
  if (!options.only.empty()) return Profile(options, chain->get(), *plan);

  Paired round, flood, pass, tcp, adaptors_round, adaptors_flood;
  for (int i = 0; i < options.repetitions; ++i) {
    std::cerr << "repetition " << i + 1 << " of " << options.repetitions << "\n";
    const absl::StatusOr<Values> raw = RunRingProgram("ring_tcp", "");
    if (!raw.ok()) return raw.status();
    const absl::StatusOr<Values> grpc = RunRingProgram("ring_grpc", "");
    if (!grpc.ok()) return grpc.status();
    const absl::StatusOr<Values> adaptors = RunRingProgram("ring_grpc", "adaptors");
    if (!adaptors.ok()) return adaptors.status();
    const absl::StatusOr<double> median = ChainMedian(chain->get(), *plan, options.runs);
    if (!median.ok()) return median.status();
    const absl::StatusOr<double> hops = FloodHops(chain->get(), *plan);
    if (!hops.ok()) return hops.status();
    const absl::StatusOr<PassMedians> passed = MeasurePass(chain->get(), options.runs / 4 + 1);
    if (!passed.ok()) return passed.status();
    tcp.Add(grpc->at("ring_grpc_round_p50"), raw->at("ring_tcp_round_p50"));
    round.Add(*median, grpc->at("ring_grpc_round_p50"));
    flood.Add(*hops, grpc->at("ring_grpc_hops_per_second"));
    adaptors_round.Add(*median, adaptors->at("ring_grpc_adaptors_round_p50"));
    adaptors_flood.Add(*hops, adaptors->at("ring_grpc_adaptors_hops_per_second"));
    pass.Add(passed->large, passed->small);
  }
  measures->push_back(round.Get("chain_of_8_p50", "us", kMaxChainRatio, true));
  measures->push_back(flood.Get("hops_per_second_64_in_flight", "1/s", kMinFloodRatio, false));
  measures->push_back(adaptors_round.Get("chain_over_ring_with_adaptors", "us", 0, true));
  measures->push_back(adaptors_flood.Get("hops_over_ring_with_adaptors", "1/s", 0, false));
  measures->push_back(pass.Get("pass_1_mib_through_8_p50", "us", kMaxPassRatio, true));
  measures->push_back(tcp.Get("ring_grpc_p50_over_ring_tcp", "us", kMaxGrpcOverTcp, true));
  measures->push_back({"idle_daemon_rss", memory.max_rss, "MB", 0, 0, kMaxRssMegabytes});
  measures->push_back({"idle_daemon_pss", memory.max_pss, "MB", 0, 0, kMaxRssMegabytes});
  return absl::OkStatus();
}

absl::Status MeasureReady(std::vector<Measure>* measures) {
  std::vector<double> took;
  for (int i = 0; i < kReadyRepetitions; ++i) {
    const absl::StatusOr<double> ready = MeasureReadyMilliseconds();
    if (!ready.ok()) return ready.status();
    took.push_back(*ready);
  }
  measures->push_back({"four_device_clusters_ready_p50", Median(std::move(took)), "ms", 0, 0,
                       kMaxReadyMilliseconds});
  return absl::OkStatus();
}

int Run(const Options& options) {
  std::vector<Measure> measures;
  absl::Status status =
      options.only.empty() || options.only == "ready" ? MeasureReady(&measures) : absl::OkStatus();
  if (status.ok() && options.only != "ready") status = MeasureChain(options, &measures);
  std::cout << FormatTable(measures);
  if (status.ok() && !options.output.empty()) status = WriteMeasures(options.output, measures);
  if (!status.ok()) {
    std::cerr << "fractos-bench: " << std::string(status.message()) << "\n";
    return 1;
  }
  return 0;
}

}  // namespace
}  // namespace fractos

int main(int argc, char** argv) {
#ifndef FRACTOS_FAILPOINTS
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);  // as fractos-daemon does
#endif
  fractos::Options options;
  CLI::App app{
      "Measures FractOS against bare rings of processes. Exits 1 only if a measure is missing: "
      "whether the bounds hold is in what it prints and writes."};
  app.add_option("--output", options.output, "JSON file to write");
  app.add_option("--repetitions", options.repetitions, "of every pair of measurements")
      ->check(CLI::Range(1, 1000));
  app.add_option("--runs", options.runs, "of the chain, in each repetition")
      ->check(CLI::Range(1, 1'000'000));
  app.add_option("--only", options.only, "this alone, without the rings, for a profiler")
      ->check(CLI::IsMember({"chain", "flood", "pass", "ready"}));
  CLI11_PARSE(app, argc, argv);
  return fractos::Run(options);
}
