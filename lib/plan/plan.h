// From TaskGraph to plan: what the driver hands over. Pure: same input, same plan.
#ifndef FRACTOS_LIB_PLAN_PLAN_H_
#define FRACTOS_LIB_PLAN_PLAN_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "lib/plan/device_cluster.h"
#include "lib/plan/operation.h"
#include "lib/plan/step.h"
#include "lib/plan/task_graph.h"

namespace fractos {

// Of a TaskGraph object: the traceparent of whoever made it.
inline constexpr char kTraceparentAnnotation[] = "fractos.dev/traceparent";

struct Plan {
  std::string name;
  std::vector<StepPtr> steps;       // predecessors before successors
  std::vector<StepPtr> on_failure;  // likewise; may name steps above as inputs
  std::vector<OperationSignature> signatures;
  std::vector<std::string> clusters;  // full names, every one that the run may need
  Mode mode = Mode::kDistributed;
  Duration deadline{};
  std::string traceparent;  // of whoever asks for the run, if they trace

  // Steps that no other step of `steps` (or of `on_failure`) follows: their values are the outputs.
  std::vector<StepPath> Sinks() const;
  std::vector<StepPath> FailureSinks() const;
};

// What the devices say, by the cluster's full name.
using Descriptions = std::map<std::string, DeviceDescription>;
// Values for the graph's parameters, over those it gives itself.
using ParameterValues = std::map<std::string, std::string>;

// One thing wrong with a file. `field` is the path of the field, like "spec.steps[2].inputs.image".
struct Diagnostic {
  SourceMark mark;
  std::string field;
  std::string message;
  // "file:line:column: field: message", leaving out what is not known.
  std::string ToString() const;
};

// Into the order of the file; what has no place comes first.
void SortByPlace(std::vector<Diagnostic>* diagnostics);

// Everything that can be wrong with a graph apart from its syntax: names, references, devices,
// operations, arguments, parameters, bounds. Empty: Compile will succeed. A cluster that
// `descriptions` lacks is an unknown device, unless `undescribed` names it: its operations cannot
// be checked yet.
std::vector<Diagnostic> Validate(const TaskGraph& graph, const Descriptions& descriptions,
                                 const ParameterValues& parameters,
                                 const std::vector<std::string>& undescribed = {});

// The plan of a valid graph. InvalidArgument with Validate's first diagnostic otherwise.
// on_failure steps may also use $(failure.step), $(failure.reason) and $(failure.message), which
// stay in their arguments until SubstituteFailure.
absl::StatusOr<Plan> Compile(const TaskGraph& graph, const Descriptions& descriptions,
                             const ParameterValues& parameters);

// `arguments` with $(failure.…) replaced by what failed, each properly escaped for JSON and cut at
// 4 KiB. To be called for every step of on_failure, once: their arguments also keep "$$(" for "$("
// until then, so that neither a parameter's value nor an escape is taken for a reference.
std::string SubstituteFailure(absl::string_view arguments, absl::string_view step,
                              absl::string_view reason, absl::string_view message);

}  // namespace fractos

#endif  // FRACTOS_LIB_PLAN_PLAN_H_
