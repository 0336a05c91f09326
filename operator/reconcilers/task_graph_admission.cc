#include "operator/reconcilers/task_graph_admission.h"

#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/plan/catalog.h"
#include "lib/plan/names.h"
#include "lib/plan/task_graph_json.h"

namespace fractos {
namespace {

// What one message of a condition names; the rest is counted.
constexpr size_t kMaxFaultsNamed = 5;

// Finds out about every device that the graph names or its operations may continue with.
class Gatherer {
 public:
  Gatherer(const LookUpDevice& look_up, const std::vector<std::string>& visible,
           const std::string& ns, bool started, Admission* admission)
      : look_up_(look_up), visible_(visible), ns_(ns), started_(started), admission_(admission) {}

  void Gather(const TaskGraph& graph) {
    Steps(graph, graph.steps, "spec.steps");
    Steps(graph, graph.on_failure, "spec.onFailure");
  }

  const Descriptions& descriptions() const { return descriptions_; }
  const std::vector<std::string>& undescribed() const { return undescribed_; }

 private:
  void Steps(const TaskGraph& graph, const std::vector<TaskGraphStep>& steps, const char* list) {
    for (size_t i = 0; i < steps.size(); ++i) {
      const std::string cluster = FullClusterName(steps[i].device, graph.ns);
      if (cluster.empty()) continue;  // Validate has the words for it
      const std::string path = absl::StrCat(list, "[", i, "]");
      Device(cluster, path + ".device", steps[i].device);
      const Catalog catalog(descriptions_);
      for (const Catalog::Key& target : catalog.Reachable({cluster, steps[i].operation})) {
        Device(target.first, path + ".operation", target.first);
      }
    }
  }

  void Device(const std::string& cluster, const std::string& field, const std::string& called) {
    const auto [seen, is_new] = seen_.try_emplace(cluster);
    if (!is_new) return;
    const DeviceSight& sight = seen->second = look_up_(cluster);
    // What one may not use one is not told of either, save that it is so: names are no secret
    // between namespaces, what devices can do might be.
    if (sight.exists && !sight.allowed) {
      undescribed_.push_back(cluster);
      admission_->faults.push_back(
          {{},
           field,
           absl::StrCat("the device ", Quoted(called), " may not be used from namespace ", ns_,
                        "; its owner can add it to spec.access.namespaces of the DeviceCluster")});
      return;
    }
    if (sight.description.has_value()) {
      descriptions_[cluster] = *sight.description;
    } else {
      undescribed_.push_back(cluster);
    }
    const auto miss = [&](std::string why, bool quiet = false) {
      admission_->missing.push_back({cluster, {{}, field, std::move(why)}, quiet});
    };
    if (!sight.exists) {
      miss(absl::StrCat("there is no device ", Quoted(called), DidYouMean(called, visible_)));
    } else if (IsUsable(sight, started_)) {
      return;
    } else if (!sight.why_not.empty()) {
      miss(absl::StrCat("the device ", Quoted(called), " cannot be used: ", sight.why_not));
    } else if (!sight.description.has_value()) {
      miss(absl::StrCat("the device ", Quoted(called), " has not described itself yet"));
    } else {
      miss(absl::StrCat("the device ", Quoted(called), " is being set up"), /*quiet=*/true);
    }
  }

  const LookUpDevice& look_up_;
  const std::vector<std::string>& visible_;
  const std::string& ns_;  // the graph's
  const bool started_;
  Admission* const admission_;
  std::map<std::string, DeviceSight> seen_;
  Descriptions descriptions_;
  std::vector<std::string> undescribed_;
};

}  // namespace

bool IsUsable(const DeviceSight& sight, bool started) {
  return sight.exists && sight.published && sight.description.has_value() &&
         (started || sight.why_not.empty());
}

Admission Admit(const kube::Object& object, const LookUpDevice& look_up,
                const std::vector<std::string>& visible) {
  Admission admission;
  TaskGraphObject read = ReadTaskGraphObject(object.json());
  if (!read.diagnostics.empty()) {
    admission.faults = std::move(read.diagnostics);
    return admission;
  }
  const bool started = kube::IntegerMember(object.status(), "redriveEpoch") > 0;
  Gatherer gatherer(look_up, visible, read.graph.ns, started, &admission);
  gatherer.Gather(read.graph);
  for (Diagnostic& fault :
       Validate(read.graph, gatherer.descriptions(), {}, gatherer.undescribed())) {
    admission.faults.push_back(std::move(fault));
  }
  if (!admission.faults.empty() || !admission.missing.empty()) return admission;
  absl::StatusOr<Plan> plan = Compile(read.graph, gatherer.descriptions(), {});
  if (plan.ok()) {
    plan->name = object.name();
    admission.plan = *std::move(plan);
  } else {
    admission.faults.push_back({{}, "spec", std::string(plan.status().message())});
  }
  return admission;
}

std::string DescribeFaults(const std::vector<Diagnostic>& faults) {
  std::string text;
  for (size_t i = 0; i < faults.size() && i < kMaxFaultsNamed; ++i) {
    absl::StrAppend(&text, i > 0 ? "; " : "", faults[i].ToString());
  }
  if (faults.size() > kMaxFaultsNamed) {
    absl::StrAppend(&text, "; and ", faults.size() - kMaxFaultsNamed, " more");
  }
  return text;
}

}  // namespace fractos
