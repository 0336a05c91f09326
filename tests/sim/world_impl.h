// The inside of the simulated world, shared by the files that implement its parts:
//   world.cc   processes, what daemons ask for, the network, the loop over events
//   driver.cc  the driver and its record store
//   faults.cc  what goes wrong
#ifndef FRACTOS_TESTS_SIM_WORLD_IMPL_H_
#define FRACTOS_TESTS_SIM_WORLD_IMPL_H_

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/sim/checker.h"
#include "tests/sim/world.h"

namespace fractos::sim {

inline constexpr Time kStart = Time(std::chrono::hours(1));

// What a device made: staged, then committed.
struct Object {
  AttemptKey attempt;
  uint64_t effect_epoch = 0;  // of the leadership that executed it, if it is an effect's
  bool committed = false;
  uint64_t redrive = 0;  // what its daemon knew of when it was committed
};

struct Node {
  Address address;
  BootId boot;
  bool alive = false;
  Time paused_until;
  std::unique_ptr<Core> core;
  uint64_t life = 0;  // events of an earlier life are nobody's
  std::map<ObjectId, Object> objects;
  std::set<ObjectId> cache;
  std::map<AttemptKey, uint32_t> tries;
  std::map<AttemptKey, uint64_t> executing;  // and the epoch they were begun under
  uint64_t redrive = 0;                      // the highest it was told of while it had the run
  bool told_end = false;
  uint64_t epoch = 0;
  Time ticking;
  Incarnation incarnation() const { return {address, boot}; }
};

class World {
 public:
  World(const WorldOptions& options, const Plan& plan)
      : options_(options), plan_(plan), checker_(plan), random_(options.seed) {}

  Outcome Run(Duration limit);

 private:
  using Callback = std::function<void()>;

  void At(Time when, Callback callback) {
    queue_.emplace(std::make_pair(when, ++sequence_), std::move(callback));
  }
  void In(Duration delay, Callback callback) { At(now_ + delay, std::move(callback)); }
  Duration Between(Duration low, Duration high) {
    return low + Duration(random_.Below(static_cast<uint64_t>((high - low).count()) + 1));
  }
  void Note(const std::string& what) {
    for (char c : absl::StrCat(now_.time_since_epoch().count(), " ", what)) {
      outcome_.history = (outcome_.history ^ static_cast<uint8_t>(c)) * 1099511628211ULL;
    }
    if (trace_)
      trace_lines_.push_back(absl::StrCat(
          std::chrono::duration_cast<std::chrono::microseconds>(now_ - kStart).count(), " ", what));
  }
  void Violation(std::string what) { checker_.Violation(std::move(what)); }

  // Processes.
  Node* Find(const Address& address);
  void Start(Node& node);
  void Crash(Node& node, Fault fault);
  void Step(Node& node, const std::function<void(Core&, Actions*)>& event);
  void CarryOut(Node& node, Actions actions);
  void Do(Node& node, Send&& send);
  void Do(Node&, LearnClusters&&) {}
  void Do(Node& node, Fetch&& fetch);
  void Do(Node& node, fractos::Execute&& execute);
  void Do(Node& node, fractos::Cancel&& cancel);
  void Do(Node& node, Commit&& commit);
  void Do(Node& node, Release&& release);
  void Do(Node& node, Reached&& reached);
  void Do(Node&, Traced&&) {}  // nobody traces here
  void Do(Node& node, StepDown&& down);
  void Elect(int cluster, int but);
  void Introduce(Node& node);
  // `staged`: nor anything that its device has made without its having been told yet.
  void CheckNothingLeft(const Node& node, bool staged);

  // Network.
  bool IsCut(const Address& a, const Address& b) const;
  void Deliver(const Incarnation& from, Send send);
  void Arrive(const Incarnation& from, const Address& to, const Message& message);
  bool CanRead(const Address& reader, const Value& value);

  // The driver and its store.
  void StartDriver();
  void CrashDriver();
  void StepDriver(const std::function<void(RunCore&, DriverActions*)>& event);
  void CarryOut(DriverActions actions);

  void Strike(const PlannedFault& fault);
  void Cover(Fault fault);

  const WorldOptions options_;
  const Plan plan_;
  Checker checker_;
  SeededRandom random_;
  Time now_ = kStart;
  uint64_t sequence_ = 0;
  std::map<std::pair<Time, uint64_t>, Callback> queue_;
  std::vector<Node> nodes_;
  std::vector<uint64_t> epochs_;
  std::vector<int> leaders_;
  std::set<std::pair<Address, Address>> cuts_;
  std::map<StepPath, StepState> states_;  // where each step was seen last
  std::vector<PlannedFault> armed_;       // kCrashAtState
  std::map<StepState, int> reached_;

  const Address driver_address_ = Address::Driver("sim");
  std::unique_ptr<RunCore> driver_;
  BootId driver_boot_;
  uint64_t driver_life_ = 0;
  Time driver_ticking_;
  std::optional<RunRecord> stored_;
  RunId run_;
  bool finished_ = false;
  bool trace_ = false;
  std::vector<std::string> trace_lines_;
  Outcome outcome_;
};

}  // namespace fractos::sim

#endif  // FRACTOS_TESTS_SIM_WORLD_IMPL_H_
