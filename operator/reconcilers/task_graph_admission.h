// Whether a TaskGraph can be run with the devices that there are: pure code over what the caches
// say.
#ifndef FRACTOS_OPERATOR_RECONCILERS_TASK_GRAPH_ADMISSION_H_
#define FRACTOS_OPERATOR_RECONCILERS_TASK_GRAPH_ADMISSION_H_

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "lib/kube/object.h"
#include "lib/plan/plan.h"

namespace fractos {

// A DeviceCluster as one namespace may see it.
struct DeviceSight {
  bool exists = false;
  bool allowed = true;     // the namespace may use it
  std::string why_not;     // not empty: it is there and cannot be used yet, for this reason
  bool published = false;  // its replicas are known
  std::optional<DeviceDescription> description;
};
// Whether a run may use it. One that was started goes on with what serves, whatever has become of
// the DeviceCluster's spec since.
bool IsUsable(const DeviceSight& sight, bool started);
// By full name.
using LookUpDevice = std::function<DeviceSight(const std::string& cluster)>;

struct Admission {
  // A graph that can never run as it is; empty: it can, or may yet.
  std::vector<Diagnostic> faults;
  // Devices that are waited for, each with the first field that needs it and why.
  struct Missing {
    std::string cluster;
    Diagnostic diagnostic;
    // It is only that this operator has not looked at the cluster yet, as when it has just taken
    // over: not worth telling anybody.
    bool quiet = false;
  };
  std::vector<Missing> missing;
  // When nothing above is wrong.
  std::optional<Plan> plan;
};

// Reads and checks the graph in `object`, of a run that was started if its status says so.
// `visible` are the clusters of which a mistyped name may
// have been meant to be one.
Admission Admit(const kube::Object& object, const LookUpDevice& look_up,
                const std::vector<std::string>& visible);

// The faults as one text, the first few of them.
std::string DescribeFaults(const std::vector<Diagnostic>& faults);

}  // namespace fractos

#endif  // FRACTOS_OPERATOR_RECONCILERS_TASK_GRAPH_ADMISSION_H_
