#include "tests/sim/world.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/driver/run_graph.h"

namespace fractos::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr uint64_t kMaxEvents = 100'000;
constexpr Time kStart = Time(std::chrono::hours(1));

struct Node {
  Address address;
  BootId boot;
  bool alive = false;
  Time paused_until;
  std::unique_ptr<Core> core;
  uint64_t life = 0;                 // events of an earlier life are nobody's
  std::map<ObjectId, bool> objects;  // staged: false, committed: true
  std::set<ObjectId> cache;
  std::map<AttemptKey, uint32_t> tries;
  std::set<AttemptKey> executing;
  uint64_t epoch = 0;
  Time ticking;
  Incarnation incarnation() const { return {address, boot}; }
};

class World {
 public:
  World(const WorldOptions& options, const Plan& plan)
      : options_(options), plan_(plan), random_(options.seed) {}

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
  void Violation(std::string what) { outcome_.violations.push_back(std::move(what)); }

  // Processes.
  Node* Find(const Address& address);
  void Start(Node& node);
  void Crash(Node& node, Fault fault);
  void Step(Node& node, const std::function<void(Core&, Actions*)>& event);
  void CarryOut(Node& node, Actions actions);
  void Do(Node& node, Send&& send) { Deliver(node.incarnation(), std::move(send)); }
  void Do(Node&, LearnClusters&&) {}
  void Do(Node& node, Fetch&& fetch);
  void Do(Node& node, fractos::Execute&& execute);
  void Do(Node& node, fractos::Cancel&& cancel);
  void Do(Node& node, Commit&& commit);
  void Do(Node& node, Release&& release);
  void Do(Node& node, Reached&& reached);
  void Do(Node& node, StepDown&& down);
  void Elect(int cluster, int but);
  void Introduce(Node& node);

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
  void CheckRecord(const RunRecord& before, const RunRecord& after);
  void CheckEnd();

  const WorldOptions options_;
  const Plan plan_;
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
  std::map<Digest, std::string> bytes_;
  std::map<Digest, std::string> made_of_;  // the value's bytes, less what is chance
  Outcome outcome_;
};

Node* World::Find(const Address& address) {
  for (Node& node : nodes_) {
    if (node.address == address) return &node;
  }
  return nullptr;
}

void World::Start(Node& node) {
  node.alive = true;
  ++node.life;
  node.boot = random_.NewId<BootId>();
  node.objects.clear();
  node.cache.clear();
  node.tries.clear();
  node.executing.clear();
  node.epoch = 0;
  node.paused_until = Time();
  node.ticking = Time::max();
  Core::Options options;
  options.self = node.incarnation();
  options.seed = random_.Next();
  options.max_in_flight = 3;  // small, so that queues are part of what is tested
  node.core = std::make_unique<Core>(options);
  Note(absl::StrCat("start ", node.address.ToString()));
  Introduce(node);
}

void World::Introduce(Node& node) {
  for (Node& other : nodes_) {
    if (&other == &node || !other.alive) continue;
    In(Between(milliseconds(1), milliseconds(30)), [this, &node, &other, life = node.life] {
      if (!node.alive || node.life != life || !other.alive) return;
      Step(other, [this, peer = node.incarnation(), epoch = node.epoch](
                      Core& core, Actions* actions) { core.LinkUp(now_, peer, epoch, actions); });
      if (!node.alive || !other.alive) return;
      Step(node, [this, peer = other.incarnation(), epoch = other.epoch](
                     Core& core, Actions* actions) { core.LinkUp(now_, peer, epoch, actions); });
    });
  }
  In(Between(milliseconds(1), milliseconds(30)), [this, &node, life = node.life] {
    if (!node.alive || node.life != life || driver_ == nullptr) return;
    StepDriver([&](RunCore& core, DriverActions* actions) {
      core.LinkUp(now_, node.incarnation(), node.epoch, actions);
    });
  });
}

void World::Crash(Node& node, Fault fault) {
  if (!node.alive) return;
  Cover(fault);
  Note(absl::StrCat("crash ", node.address.ToString()));
  node.alive = false;
  node.core.reset();
  const Address address = node.address;
  for (Node& other : nodes_) {
    if (&other == &node) continue;
    In(Between(milliseconds(1), milliseconds(100)), [this, &node, &other, life = node.life] {
      if (!other.alive || node.life != life) return;
      Step(other,
           [&](Core& core, Actions* actions) { core.LinkDown(now_, node.address, actions); });
    });
  }
  In(Between(milliseconds(1), milliseconds(100)), [this, &node, life = node.life] {
    if (driver_ == nullptr || node.life != life) return;
    StepDriver(
        [&](RunCore& core, DriverActions* actions) { core.LinkDown(now_, node.address, actions); });
  });
  int cluster = 0;
  while (ClusterName(cluster) != address.cluster) ++cluster;
  if (leaders_[cluster] == static_cast<int>(address.replica)) {
    leaders_[cluster] = -1;
    In(Between(milliseconds(1), milliseconds(300)), [this, cluster] { Elect(cluster, -1); });
  }
  In(Between(milliseconds(300), seconds(3)), [this, &node] {
    if (!node.alive) Start(node);
  });
}

void World::Elect(int cluster, int but) {
  if (leaders_[cluster] != -1 && but == -1) return;
  std::vector<Node*> able;
  for (Node& node : nodes_) {
    if (node.address.cluster == ClusterName(cluster) && node.alive && node.paused_until <= now_ &&
        static_cast<int>(node.address.replica) != but) {
      able.push_back(&node);
    }
  }
  if (able.empty()) {
    In(milliseconds(100), [this, cluster] { Elect(cluster, -1); });
    return;
  }
  Node& winner = *able[random_.Below(able.size())];
  const uint64_t epoch = ++epochs_[cluster];
  leaders_[cluster] = static_cast<int>(winner.address.replica);
  winner.epoch = epoch;
  Note(absl::StrCat("elect ", winner.address.ToString(), " epoch ", epoch));
  Step(winner, [this, epoch](Core& core, Actions* actions) { core.Lead(now_, epoch, actions); });
  if (!winner.alive) return;
  Introduce(winner);
  for (Node& node : nodes_) {
    if (&node == &winner || node.address.cluster != winner.address.cluster || !node.alive) continue;
    // A deposed leader that hears of it from nobody goes on believing.
    if (static_cast<int>(node.address.replica) == but) continue;
    In(Between(milliseconds(1), milliseconds(50)),
       [this, &node, life = node.life, leader = winner.address, epoch] {
         if (!node.alive || node.life != life || node.epoch > epoch) return;
         // In the step: one that stands still believes in itself until it wakes and is told.
         Step(node, [this, &node, leader, epoch](Core& core, Actions* actions) {
           if (node.epoch <= epoch) node.epoch = 0;
           core.Follow(now_, leader, epoch, actions);
         });
       });
  }
}

void World::Step(Node& node, const std::function<void(Core&, Actions*)>& event) {
  if (!node.alive) return;
  if (node.paused_until > now_) {
    At(node.paused_until, [this, &node, life = node.life, event] {
      if (node.alive && node.life == life) Step(node, event);
    });
    return;
  }
  Actions actions;
  event(*node.core, &actions);
  CarryOut(node, std::move(actions));
  if (!node.alive) return;
  const std::optional<Time> next = node.core->NextTick();
  if (next.has_value() && *next < node.ticking) {
    node.ticking = *next;
    if (trace_)
      Note(absl::StrCat(
          "arm ", node.address.ToString(), " ",
          std::chrono::duration_cast<std::chrono::microseconds>(*next - kStart).count()));
    At(std::max(*next, now_), [this, &node, life = node.life, due = *next] {
      if (!node.alive || node.life != life || node.ticking != due) return;
      node.ticking = Time::max();
      Step(node, [this](Core& core, Actions* actions2) { core.Tick(now_, actions2); });
    });
  }
}

void World::CarryOut(Node& node, Actions actions) {
  const uint64_t life = node.life;
  for (Action& action : actions) {
    std::visit([this, &node](auto& one) { Do(node, std::move(one)); }, action);
    if (!node.alive || node.life != life) return;  // it died in the middle
  }
}

bool World::CanRead(const Address& reader, const Value& value) {
  if (IsCut(reader, value.owner.address)) return false;
  if (value.owner.address.IsDriver()) {
    return driver_ != nullptr && driver_boot_ == value.owner.boot;
  }
  const Node* owner = Find(value.owner.address);
  if (owner == nullptr || !owner->alive || owner->boot != value.owner.boot) return false;
  const auto object = owner->objects.find(value.object);
  return object != owner->objects.end() && object->second;
}

void World::Do(Node& node, Fetch&& fetch) {
  In(Between(milliseconds(1), milliseconds(20)),
     [this, &node, life = node.life, fetch = std::move(fetch)] {
       if (!node.alive || node.life != life) return;
       const bool readable = CanRead(node.address, fetch.value);
       if (readable) node.cache.insert(fetch.value.object);
       Note(absl::StrCat("fetched ", fetch.value.object.ToShortHex(), readable ? " ok" : " gone"));
       Step(node, [this, fetch, readable](Core& core, Actions* actions) {
         core.Fetched(now_, fetch.run, fetch.value,
                      readable ? absl::OkStatus() : absl::NotFoundError("gone"), actions);
       });
     });
}

void World::Do(Node& node, fractos::Execute&& execute) {
  for (const NamedValue& input : execute.inputs) {
    if (input.passed || input.value.IsInline()) continue;
    const bool own = input.value.owner == node.incarnation();
    if (own ? !node.objects.contains(input.value.object)
            : !node.cache.contains(input.value.object)) {
      Violation(
          absl::StrCat("step ", execute.attempt.step, " executed without input ", input.input));
    }
  }
  if (execute.step->waits_for_record) {
    // The barrier: an effect starts only when its predecessors stand in the record.
    if (!stored_.has_value()) Violation("an effect started before anything was recorded");
  }
  if (!node.executing.insert(execute.attempt).second) {
    Violation(absl::StrCat("step ", execute.attempt.step, " executes twice at once on one daemon"));
  }
  const uint32_t attempt = ++node.tries[execute.attempt];
  In(Between(milliseconds(1), milliseconds(60)),
     [this, &node, life = node.life, attempt, execute = std::move(execute)] {
       if (!node.alive || node.life != life || node.executing.erase(execute.attempt) == 0) return;
       const Made made = sim::Execute(*execute.step, execute.inputs, attempt, random_);
       fractos::Outcome outcome;
       const auto stage = [&](const std::string& bytes, bool big) {
         Value value;
         value.digest = Digest::Of(bytes);
         value.size = big ? 1 << 20 : bytes.size();
         value.owner = node.incarnation();
         value.object = random_.NewId<ObjectId>();
         if (!big) value.inline_bytes = std::make_shared<const std::string>(bytes);
         node.objects[value.object] = false;
         bytes_[value.digest] = bytes;
         return value;
       };
       switch (made.kind) {
         case Made::kBytes:
           made_of_[Digest::Of(made.bytes)] = made.bytes.substr(0, made.bytes.find('#'));
           outcome.what = fractos::Outcome::Produced{stage(made.bytes, made.big)};
           break;
         case Made::kPass:
           outcome.what = fractos::Outcome::PassedInput{made.bytes};
           break;
         case Made::kRefinement:
           outcome.what = fractos::Outcome::Refined{
               made.refinement, stage(EncodeRefinement(made.refinement), false)};
           break;
         case Made::kFailure:
           outcome.what = fractos::Outcome::Failed{{"Simulated", "as asked"}, made.retryable};
           break;
       }
       Note(absl::StrCat("executed ", execute.attempt.step, " on ", node.address.ToString()));
       Step(node, [this, attempt_key = execute.attempt, outcome](Core& core, Actions* actions) {
         core.Executed(now_, attempt_key, outcome, actions);
       });
     });
}

void World::Do(Node& node, fractos::Cancel&& cancel) { node.executing.erase(cancel.attempt); }

void World::Do(Node& node, Commit&& commit) {
  const auto object = node.objects.find(commit.object);
  if (object == node.objects.end() || object->second) {
    Violation("commit of something not staged");
    return;
  }
  object->second = true;
}

void World::Do(Node& node, Release&& release) {
  if (node.objects.erase(release.object) + node.cache.erase(release.object) == 0) return;
}

void World::Do(Node& node, Reached&& reached) {
  Note(absl::StrCat(node.address.ToString(), " ", StepStateName(reached.state), " ", reached.step));
  states_[reached.step] = reached.state;
  const int times = ++reached_[reached.state];
  for (auto fault = armed_.begin(); fault != armed_.end(); ++fault) {
    if (fault->state != reached.state || fault->nth != times) continue;
    armed_.erase(fault);
    Crash(node, Fault::kCrashAtState);
    return;
  }
}

void World::Do(Node& node, StepDown&& down) {
  int cluster = 0;
  while (ClusterName(cluster) != node.address.cluster) ++cluster;
  if (down.seen > epochs_[cluster]) Violation("told to step down for an epoch that never was");
  if (leaders_[cluster] == static_cast<int>(node.address.replica) && down.seen <= node.epoch) {
    Violation("the leader stepped down for nothing");
  }
  node.epoch = 0;
}

bool World::IsCut(const Address& a, const Address& b) const {
  return cuts_.contains({a, b}) || cuts_.contains({b, a});
}

// What the codec leaves out must not be missed: ancestors travel without their bytes.
Message AsSent(const Message& message) {
  Message copy = message;
  if (auto* hand_over = std::get_if<HandOver>(&copy)) {
    for (ResultPtr& ancestor : hand_over->ancestors) {
      if (!ancestor->value.IsInline()) continue;
      auto bare = std::make_shared<StepResult>(*ancestor);
      bare->value.inline_bytes = nullptr;
      ancestor = std::move(bare);
    }
  }
  return copy;
}

void World::Deliver(const Incarnation& from, Send send) {
  if (IsCut(from.address, send.to)) return;
  int copies = 1;
  if (options_.loss > 0 && random_.Below(1000) < options_.loss * 1000) copies = 0;
  if (options_.repetition > 0 && random_.Below(1000) < options_.repetition * 1000) copies = 2;
  for (; copies > 0; --copies) {
    // A long tail, so that messages overtake each other.
    const Duration delay = random_.Below(10) == 0 ? Between(milliseconds(5), milliseconds(300))
                                                  : Between(Duration(100'000), milliseconds(5));
    In(delay,
       [this, from, to = send.to, message = AsSent(send.message)] { Arrive(from, to, message); });
  }
}

void World::Arrive(const Incarnation& from, const Address& to, const Message& message) {
  Note(absl::StrCat(from.address.ToString(), " => ", to.ToString(), " ", DebugString(message)));
  if (to == driver_address_) {
    if (driver_ == nullptr) {
      return;
    }
    StepDriver(
        [&](RunCore& core, DriverActions* actions) { core.Receive(now_, from, message, actions); });
    return;
  }
  Node* node = Find(to);
  if (node == nullptr || !node->alive) return;
  Step(*node, [this, from, message](Core& core, Actions* actions) {
    core.Receive(now_, from, message, actions);
  });
}

void World::StartDriver() {
  ++driver_life_;
  driver_boot_ = random_.NewId<BootId>();
  RunCore::Options options;
  options.self = {driver_address_, driver_boot_};
  options.seed = random_.Next();
  RunRecord record;
  record.run = run_;
  record.name = "sim";
  if (stored_.has_value()) record = *stored_;
  std::vector<ClusterView> views;
  for (int c = 0; c < options_.clusters; ++c) {
    views.push_back({ClusterName(c), std::vector<std::string>(options_.replicas, "sim"), 0, 0});
  }
  driver_ = std::make_unique<RunCore>(options, plan_, record, views);
  driver_ticking_ = Time::max();
  Note("driver starts");
  StepDriver([&](RunCore& core, DriverActions* actions) { core.Start(now_, actions); });
  for (Node& node : nodes_) {
    In(Between(milliseconds(1), milliseconds(30)), [this, &node, life = driver_life_] {
      if (driver_ == nullptr || driver_life_ != life || !node.alive) return;
      StepDriver([&](RunCore& core, DriverActions* actions) {
        core.LinkUp(now_, node.incarnation(), node.epoch, actions);
      });
      Step(node, [this, boot = driver_boot_](Core& core, Actions* actions) {
        core.LinkUp(now_, {driver_address_, boot}, 0, actions);
      });
    });
  }
}

void World::CrashDriver() {
  if (driver_ == nullptr || finished_) return;
  Cover(Fault::kDriver);
  Note("driver crashes");
  driver_.reset();
  In(Between(milliseconds(100), seconds(2)), [this] {
    if (driver_ == nullptr && !finished_) StartDriver();
  });
}

void World::StepDriver(const std::function<void(RunCore&, DriverActions*)>& event) {
  if (driver_ == nullptr) return;
  DriverActions actions;
  event(*driver_, &actions);
  CarryOut(std::move(actions));
  if (driver_ == nullptr) return;
  const std::optional<Time> next = driver_->NextTick();
  if (next.has_value() && *next < driver_ticking_) {
    driver_ticking_ = *next;
    if (trace_)
      Note(absl::StrCat(
          "arm driver ",
          std::chrono::duration_cast<std::chrono::microseconds>(*next - kStart).count()));
    At(std::max(*next, now_), [this, life = driver_life_, due = *next] {
      if (driver_ == nullptr || driver_life_ != life || driver_ticking_ != due) return;
      driver_ticking_ = Time::max();
      StepDriver([this](RunCore& core, DriverActions* more) { core.Tick(now_, more); });
    });
  }
}

void World::CarryOut(DriverActions actions) {
  const uint64_t life = driver_life_;
  for (DriverAction& action : actions) {
    if (auto* send = std::get_if<Send>(&action)) {
      Deliver({driver_address_, driver_boot_}, std::move(*send));
    } else if (auto* write = std::get_if<WriteRecord>(&action)) {
      In(Between(milliseconds(1), milliseconds(20)), [this, life, record = write->record] {
        // A write of a driver that died may have reached the store, or not.
        if (driver_life_ != life) return;
        if (driver_ == nullptr && random_.Below(2) == 0) return;
        if (stored_.has_value()) CheckRecord(*stored_, record);
        stored_ = record;
        Note(absl::StrCat("written R=", record.redrive, " ", RunPhaseName(record.phase)));
        StepDriver([&](RunCore& core, DriverActions* more) {
          core.Written(now_, absl::OkStatus(), more);
        });
      });
    } else if (auto* pull = std::get_if<PullValue>(&action)) {
      In(Between(milliseconds(1), milliseconds(20)), [this, life, pull = *pull] {
        if (driver_ == nullptr || driver_life_ != life) return;
        absl::StatusOr<Value> value = absl::NotFoundError("gone");
        if (pull.value.IsInline() || CanRead(driver_address_, pull.value)) {
          Value own = pull.value;
          if (own.size <= kMaxInlineValueBytes) {
            own.inline_bytes = std::make_shared<const std::string>(bytes_.at(own.digest));
          }
          value = own;
        }
        StepDriver(
            [&](RunCore& core, DriverActions* more) { core.Pulled(now_, pull.step, value, more); });
      });
    } else if (std::get_if<Finished>(&action) != nullptr) {
      finished_ = true;
      outcome_.finished = true;
      outcome_.record = driver_->record();
      outcome_.outputs = driver_->outputs();
      outcome_.redrives = outcome_.record.redrive - 1;
      Note("finished");
    }
  }
}

void World::Cover(Fault fault) {
  std::set<StepState> states;
  for (const auto& [step, state] : states_) states.insert(state);
  for (StepState state : states) ++outcome_.coverage[{state, fault}];
}

void World::Strike(const PlannedFault& fault) {
  if (finished_) return;
  Node& node = nodes_[random_.Below(nodes_.size())];
  switch (fault.fault) {
    case Fault::kCrash:
      Crash(node, fault.fault);
      break;
    case Fault::kCrashAll:
      for (Node& other : nodes_) {
        if (other.address.cluster == node.address.cluster) Crash(other, fault.fault);
      }
      break;
    case Fault::kPause: {
      if (!node.alive) return;
      Cover(fault.fault);
      Note(absl::StrCat("pause ", node.address.ToString()));
      node.paused_until = now_ + Between(milliseconds(500), seconds(6));
      int cluster = 0;
      while (ClusterName(cluster) != node.address.cluster) ++cluster;
      if (leaders_[cluster] == static_cast<int>(node.address.replica)) {
        In(seconds(1), [this, cluster, replica = node.address.replica] {
          if (leaders_[cluster] == static_cast<int>(replica)) {
            Elect(cluster, static_cast<int>(replica));
          }
        });
      }
      break;
    }
    case Fault::kElection: {
      Cover(fault.fault);
      const int cluster = static_cast<int>(random_.Below(options_.clusters));
      if (leaders_[cluster] != -1) Elect(cluster, leaders_[cluster]);
      break;
    }
    case Fault::kDropAll: {
      Cover(fault.fault);
      // Everybody is cut from everybody for a moment: what is under way then arrives, what is sent
      // in it does not.
      std::vector<Address> all = {driver_address_};
      for (const Node& other : nodes_) all.push_back(other.address);
      std::set<std::pair<Address, Address>> added;
      for (const Address& a : all) {
        for (const Address& b : all) {
          if (a < b && cuts_.insert({a, b}).second) added.insert({a, b});
        }
      }
      In(Between(milliseconds(5), milliseconds(200)), [this, added] {
        for (const auto& cut : added) cuts_.erase(cut);
      });
      break;
    }
    case Fault::kCut: {
      Cover(fault.fault);
      const Node& other = nodes_[random_.Below(nodes_.size())];
      const Address peer = random_.Below(3) == 0 ? driver_address_ : other.address;
      if (peer == node.address) return;
      const std::pair<Address, Address> cut{node.address, peer};
      cuts_.insert(cut);
      In(Between(milliseconds(100), seconds(8)), [this, cut] { cuts_.erase(cut); });
      break;
    }
    case Fault::kDriver:
      CrashDriver();
      break;
    case Fault::kCrashAtState:
      break;
  }
}

// Exactly one recorded result per step, of one lineage, and an epoch that only rises.
void World::CheckRecord(const RunRecord& before, const RunRecord& after) {
  if (after.redrive < before.redrive) Violation("the redrive epoch fell");
  if (IsEnd(before.phase)) Violation("written after the end");
  if (after.redrive == before.redrive) {
    for (const auto& [path, result] : before.steps) {
      const auto now = after.steps.find(path);
      if (now == after.steps.end() || now->second->id != result->id) {
        Violation(absl::StrCat("recorded result of ", path, " changed without a re-drive"));
      }
    }
  }
}

// The record is of one piece: every result is the value of the recorded results before it.
void World::CheckEnd() {
  if (!finished_) {
    Violation("the run did not end");
    return;
  }
  RunRecord& record = outcome_.record;
  // The record holds no bytes; to look at it, the refinements' are put back.
  for (auto& [path, result] : record.steps) {
    if (result->state != ResultState::kRefined) continue;
    auto copy = std::make_shared<StepResult>(*result);
    copy->value.inline_bytes = std::make_shared<const std::string>(bytes_.at(copy->value.digest));
    result = std::move(copy);
  }
  const bool may_fail =
      std::any_of(record.steps.begin(), record.steps.end(),
                  [](const auto& entry) { return entry.second->state == ResultState::kFailed; });
  if (record.phase != RunPhase::kSucceeded && !(record.phase == RunPhase::kFailed && may_fail)) {
    Violation(absl::StrCat("the run ended ", RunPhaseName(record.phase), ": ",
                           record.failure.reason, " ", record.failure.message));
  }
  const absl::StatusOr<RunGraph> graph =
      RunGraph::Grow(plan_.steps, {}, plan_.signatures, record.steps);
  if (!graph.ok()) {
    Violation(std::string(graph.status().message()));
    return;
  }
  if (!outcome_.violations.empty()) {
    // Where it got stuck.
    std::string stuck = "not recorded, though what they stand on is:";
    for (const StepPtr& step : graph->steps()) {
      const std::vector<StepPath> from = step->Predecessors();
      if (!record.steps.contains(step->path) &&
          std::all_of(from.begin(), from.end(), [&](const StepPath& one) {
            return graph->ResultAlong(*step, one, record.steps) != nullptr;
          })) {
        absl::StrAppend(&stuck, " ", step->path, "(", step->operation, " on ", step->cluster, ")");
      }
    }
    Violation(stuck);
  }
  for (const auto& [path, result] : record.steps) {
    const StepPtr step = graph->Find(path);
    if (step == nullptr) continue;  // of the error continuation
    std::vector<ResultId> ids;
    std::vector<std::pair<std::string, Digest>> inputs;
    for (const StepPath& from : step->Predecessors()) {
      const ResultPtr predecessor = graph->ResultAlong(*step, from, record.steps);
      if (predecessor == nullptr) {
        Violation(absl::StrCat(path, " is recorded without its predecessor ", from));
        return;
      }
      ids.push_back(predecessor->id);
    }
    if (ComputeLineage(ids) != result->lineage) {
      Violation(absl::StrCat("mixed lineage recorded for ", path));
    }
    if (result->state != ResultState::kSucceeded || step->operation == "pass") continue;
    for (const InputEdge& edge : step->inputs) {
      inputs.push_back(
          {edge.input, graph->ResultAlong(*step, edge.from, record.steps)->value.digest});
    }
    for (const BoundInput& bound : step->bound) inputs.push_back({bound.input, bound.value.digest});
    if (made_of_[result->value.digest] != MixOf(*step, inputs)) {
      Violation(absl::StrCat("the value of ", path, " was made of other inputs"));
    }
  }
}

Outcome World::Run(Duration limit) {
  trace_ = getenv("FRACTOS_SIM_TRACE") != nullptr;
  run_ = random_.NewId<RunId>();
  for (int c = 0; c < options_.clusters; ++c) {
    for (int r = 0; r < options_.replicas; ++r) {
      Node node;
      node.address = {ClusterName(c), static_cast<uint32_t>(r)};
      nodes_.push_back(std::move(node));
    }
  }
  epochs_.assign(options_.clusters, 0);
  leaders_.assign(options_.clusters, -1);
  for (Node& node : nodes_) Start(node);
  for (int c = 0; c < options_.clusters; ++c) Elect(c, -1);
  StartDriver();
  for (const PlannedFault& fault : options_.faults) {
    if (fault.fault == Fault::kCrashAtState) {
      armed_.push_back(fault);
    } else {
      In(fault.at, [this, fault] { Strike(fault); });
    }
  }
  while (!queue_.empty() && queue_.begin()->first.first <= kStart + limit) {
    auto event = queue_.extract(queue_.begin());
    now_ = event.key().first;
    if (++outcome_.events > kMaxEvents) Violation("so many events that nothing can come of it");
    event.mapped()();
    if (!outcome_.violations.empty()) break;
  }
  if (outcome_.violations.empty()) CheckEnd();
  if (outcome_.violations.empty()) {
    for (Node& node : nodes_) {
      if (!node.alive) continue;
      const Core::Stats stats = node.core->stats();
      if (stats.runs + stats.attempts + stats.holds + stats.executing > 0 ||
          !node.objects.empty() || !node.cache.empty()) {
        Violation(absl::StrCat(node.address.ToString(), " keeps ", stats.runs, " runs, ",
                               stats.holds, " holds, ", stats.executing, " slots, ",
                               node.objects.size(), " objects, ", node.cache.size(),
                               " copies after the end"));
      }
    }
  }
  if (trace_) {
    for (const std::string& line : trace_lines_) fprintf(stderr, "%s\n", line.c_str());
  }
  return std::move(outcome_);
}

}  // namespace

const char* FaultName(Fault fault) {
  switch (fault) {
    case Fault::kCrash:
      return "crash";
    case Fault::kCrashAtState:
      return "crash-at-state";
    case Fault::kPause:
      return "pause";
    case Fault::kElection:
      return "election";
    case Fault::kDropAll:
      return "drop-all";
    case Fault::kCut:
      return "cut";
    case Fault::kDriver:
      return "driver-crash";
    case Fault::kCrashAll:
      return "crash-cluster";
  }
  return "?";
}

Outcome Simulate(const WorldOptions& options, const Plan& plan, Duration limit) {
  return World(options, plan).Run(limit);
}

}  // namespace fractos::sim
