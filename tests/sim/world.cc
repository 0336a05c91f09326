#include "tests/sim/world.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tests/sim/world_impl.h"

namespace fractos::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr uint64_t kMaxEvents = 100'000;

}  // namespace

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
  node.redrive = 0;
  node.told_end = false;
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
  if (std::exchange(node.told_end, false)) CheckNothingLeft(node, /*staged=*/false);
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
  return object != owner->objects.end() && object->second.committed;
}

void World::Do(Node& node, Fetch&& fetch) {
  In(Between(milliseconds(1), milliseconds(20)),
     [this, &node, life = node.life, fetch = std::move(fetch)] {
       if (!node.alive || node.life != life) return;
       const bool readable = CanRead(node.address, fetch.value);
       Note(absl::StrCat("fetched ", fetch.value.object.ToShortHex(), readable ? " ok" : " gone"));
       Step(node, [this, &node, fetch, readable](Core& core, Actions* actions) {
         if (readable) node.cache.insert(fetch.value.object);
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
  checker_.OnExecute(execute);
  if (!node.executing.insert({execute.attempt, node.epoch}).second) {
    Violation(absl::StrCat("step ", execute.attempt.step, " executes twice at once on one daemon"));
  }
  const uint32_t attempt = ++node.tries[execute.attempt];
  In(Between(milliseconds(1), milliseconds(60)),
     [this, &node, life = node.life, attempt, execute = std::move(execute)] {
       if (!node.alive || node.life != life) return;
       const auto executing = node.executing.extract(execute.attempt);
       if (executing.empty()) return;
       const Made made = sim::Execute(*execute.step, execute.inputs, attempt, random_);
       fractos::Outcome outcome;
       const auto stage = [&](const std::string& bytes, bool big) {
         Value value;
         value.digest = Digest::Of(bytes);
         value.size = big ? 1 << 20 : bytes.size();
         value.owner = node.incarnation();
         value.object = random_.NewId<ObjectId>();
         if (!big) value.inline_bytes = std::make_shared<const std::string>(bytes);
         Object object;
         object.attempt = execute.attempt;
         if (execute.step->effect != Effect::kNone) object.effect_epoch = executing.mapped();
         node.objects[value.object] = object;
         checker_.SawBytes(bytes);
         return value;
       };
       switch (made.kind) {
         case Made::kBytes:
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
  const auto entry = node.objects.find(commit.object);
  if (entry == node.objects.end() || entry->second.committed) {
    Violation("commit of something not staged");
    return;
  }
  Object& object = entry->second;
  // A Query may drop an attempt that its record disagrees with, value kept, and have it made again.
  for (const auto& [id, other] : node.objects) {
    if (other.committed && other.attempt == object.attempt && other.redrive == node.redrive) {
      Violation(absl::StrCat("two results of one attempt of ", object.attempt.step, " committed"));
    }
  }
  if (object.effect_epoch != 0 && object.effect_epoch != node.epoch) {
    Violation(absl::StrCat("the effect ", object.attempt.step, " of epoch ", object.effect_epoch,
                           " was committed under epoch ", node.epoch));
  }
  object.committed = true;
  object.redrive = node.redrive;
}

// Nothing leaves for another daemon under a redrive epoch below one that this daemon was told of.
void World::Do(Node& node, Send&& send) {
  if (const auto* hand_over = std::get_if<HandOver>(&send.message)) {
    if (hand_over->redrive < node.redrive) {
      Violation(absl::StrCat(node.address.ToString(), " hands over ", hand_over->step().path,
                             " under R=", hand_over->redrive, ", but knows of R=", node.redrive));
    }
  }
  Deliver(node.incarnation(), std::move(send));
}

void World::Do(Node& node, Release&& release) {
  node.objects.erase(release.object);
  node.cache.erase(release.object);
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
static Message AsSent(const Message& message) {
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
  Step(*node, [this, node, from, message](Core& core, Actions* actions) {
    const bool has_run = core.stats().runs > 0;
    if (const auto* query = std::get_if<Query>(&message); query != nullptr && has_run) {
      node->redrive = std::max(node->redrive, query->redrive);
    }
    if (const auto* abort = std::get_if<Abort>(&message); abort != nullptr && has_run) {
      node->redrive = std::max(node->redrive, abort->redrive);
    }
    core.Receive(now_, from, message, actions);
    node->told_end = std::holds_alternative<End>(message);
  });
}

void World::CheckNothingLeft(const Node& node, bool staged) {
  const Core::Stats stats = node.core->stats();
  const auto objects =
      std::count_if(node.objects.begin(), node.objects.end(),
                    [staged](const auto& entry) { return staged || entry.second.committed; });
  if (stats.runs + stats.attempts + stats.holds + stats.executing + node.executing.size() == 0 &&
      objects == 0 && node.cache.empty()) {
    return;
  }
  Violation(absl::StrCat(node.address.ToString(), " keeps ", stats.runs, " runs, ", stats.holds,
                         " holds, ", stats.executing, " slots, ", node.executing.size(),
                         " executions, ", objects, " objects, ", node.cache.size(),
                         " copies after the end"));
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
    if (!checker_.violations().empty()) break;
  }
  if (checker_.violations().empty()) {
    checker_.OnEnd(finished_ ? &outcome_.record : nullptr);
  }
  if (checker_.violations().empty()) {
    for (const Node& node : nodes_) {
      if (node.alive) CheckNothingLeft(node, /*staged=*/true);
    }
  }
  if (trace_) {
    for (const std::string& line : trace_lines_) fprintf(stderr, "%s\n", line.c_str());
  }
  outcome_.violations = checker_.violations();
  return std::move(outcome_);
}

Outcome Simulate(const WorldOptions& options, const Plan& plan, Duration limit) {
  return World(options, plan).Run(limit);
}

}  // namespace fractos::sim
