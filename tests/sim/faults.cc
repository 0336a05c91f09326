// What goes wrong in a simulated world.
#include "tests/sim/world_impl.h"

namespace fractos::sim {

using std::chrono::milliseconds;
using std::chrono::seconds;

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
    case Fault::kCutAll:
      return "cut-all";
    case Fault::kCut:
      return "cut";
    case Fault::kDriver:
      return "driver-crash";
    case Fault::kCrashAll:
      return "crash-cluster";
  }
  return "?";
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
    case Fault::kCutAll: {
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

}  // namespace fractos::sim
