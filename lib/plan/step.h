// A compiled step: everything a daemon needs to execute it and to hand on what comes after.
#ifndef FRACTOS_LIB_PLAN_STEP_H_
#define FRACTOS_LIB_PLAN_STEP_H_

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "lib/base/clock.h"
#include "lib/base/ids.h"
#include "lib/plan/operation.h"
#include "lib/plan/task_graph.h"
#include "lib/plan/value.h"

namespace fractos {

// Names a step of one run. A step of the TaskGraph is its name; a refined one is
// "name/index@result", where `name` is the TaskGraph step it grew from and `result` the result id
// (hex) of the step that refined into it. That result id covers the refining step's own path, so
// paths never collide, however deep refinements nest.
using StepPath = std::string;

StepPath RefinedPath(const StepPath& parent, size_t index, const ResultId& parent_result);

// The TaskGraph step that `path` is or grew from.
absl::string_view RootStepName(absl::string_view path);

struct InputEdge {
  std::string input;
  StepPath from;
  bool passed = false;  // the device answers by the input's name; its bytes are not fetched
  friend bool operator==(const InputEdge&, const InputEdge&) = default;
};

// An input whose value is already known: a refined step's, taken over from the refining step.
struct BoundInput {
  std::string input;
  Value value;
  bool passed = false;
  friend bool operator==(const BoundInput&, const BoundInput&) = default;
};

// What the protocol must know of an operation that a refinement may name.
struct OperationSignature {
  std::string cluster;  // full name
  std::string operation;
  Effect effect = Effect::kNone;
  bool deterministic = false;              // itself and all that it may refine to
  std::vector<std::string> passed_inputs;  // by name; "*" is the variadic one
  std::vector<std::string> refines_to;     // keys of other signatures
  std::string Key() const { return KeyOf(cluster, operation); }
  // "cluster:operation": what Step::refines_to names.
  static std::string KeyOf(const std::string& cluster, const std::string& operation) {
    return cluster + ":" + operation;
  }
  friend bool operator==(const OperationSignature&, const OperationSignature&) = default;
};

struct Step {
  StepPath path;
  // The last step of a refinement replaces the refining one: its result travels along the edges
  // that name this path. Empty: `path` itself.
  StepPath stands_for;
  std::string cluster;  // full name of the DeviceCluster
  std::string operation;
  std::string arguments = "{}";  // JSON object, parameters substituted
  std::vector<InputEdge> inputs;
  std::vector<BoundInput> bound;
  std::vector<StepPath> after;
  std::optional<WhenSpec> when;
  RetrySpec retry;
  Duration timeout{};  // of one attempt
  Effect effect = Effect::kNone;
  // This operation and all its ancestors are deterministic, refinements included.
  bool deterministic_so_far = false;
  // An effect that may start only when its predecessors are recorded: the driver hands it over.
  bool waits_for_record = false;
  std::vector<std::string> refines_to;  // signature keys

  // What steps that follow this one call it.
  const StepPath& alias() const { return stands_for.empty() ? path : stands_for; }
  // Every predecessor once, in the order inputs then after. Empty: a root.
  std::vector<StepPath> Predecessors() const;
};

using StepPtr = std::shared_ptr<const Step>;

// How to reach a DeviceCluster. Nothing on the path of a run asks a server for this.
struct ClusterView {
  std::string cluster;                 // full name
  std::vector<std::string> endpoints;  // by replica index: "unix:/path" or "host:port"
  uint32_t leader = 0;                 // last known
  uint64_t epoch = 0;                  // last known; 0: none
  friend bool operator==(const ClusterView&, const ClusterView&) = default;
};

}  // namespace fractos

#endif  // FRACTOS_LIB_PLAN_STEP_H_
